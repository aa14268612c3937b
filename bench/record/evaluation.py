"""What a record of kind `accuracy` holds: how well a network names films whose classes are known."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .case import Count, Duration, Frozen

Part = Annotated[float, Field(ge=0, le=1)]


class Share(Frozen):
    """A share, with its 95 % interval over films."""

    value: Part
    low: Part
    high: Part


class FilmNote(Frozen):
    """What is wrong with a film."""

    film: str
    why: str


class HostShare(Frozen):
    """A host of several that scored films, and how many."""

    host: str
    films: Count


class Evaluation(Frozen):
    """The accuracy over films. Each film's scores lie in a blob, and every figure here is a function of that
    (`bench/stats/scores.py`)."""

    data: str = Field(description="name of the folder or file with the labels")
    asked: Count = Field(description="films that were to be scored: all that are there, or as many as were asked for")
    scored: Count = Field(description="those that could be decoded")
    missing: Count = Field(default=0, description="films that the data names and that are missing")
    padded: Count = Field(
        default=0, description="of those scored: shorter than is needed, so their last frame was repeated"
    )
    classes: Count = Field(description="of the network")
    top1: Share | None = Field(
        default=None, description="the label has the highest score; None: films with several labels"
    )
    top5: Share | None = Field(
        default=None, description="the label is among the five highest; None: five classes or fewer"
    )
    mean_class: Share | None = Field(
        default=None, description="mean of the classes' own top-1, over classes that have a film; by bootstrap"
    )
    mean_ap: Share | None = Field(
        default=None,
        description="mean average precision over classes that have a film; None: one label a film; by bootstrap",
    )
    empty_classes: Count = Field(
        default=0, description="classes of the network of which no film was scored; they are in no mean over classes"
    )
    unanswered: Count = Field(default=0, description="films without a finite answer; they count as wrong")
    unreadable: tuple[FilmNote, ...] = Field(default=(), description="films that could not be decoded, and why")
    damaged: tuple[FilmNote, ...] = Field(
        default=(), description="films that were scored by what could be decoded of them"
    )
    predictions: str = Field(description="sha256 of the blob: films, scores in float16, labels, names of the classes")
    duration_s: Duration = Field(description="of the scoring, decoding included; of the last run where it was resumed")
    network_s: Duration = Field(description="of that: calls of the network; of all hosts together")
    waited_s: Duration = Field(description="of that: nothing was decoded yet; of all hosts together")
    decoders: Count = Field(description="processes that decoded, of all hosts together")
    hosts: tuple[HostShare, ...] = Field(
        default=(), description="those of a fleet that scored the films; empty: this one scored all"
    )
