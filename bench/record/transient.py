"""What a record of kind `transient` holds: how right answers are, frame by frame since a start."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .case import Count, Duration, Frozen, Ordinal, Start
from .evaluation import FilmNote

# top1: share of films whose class has the highest score, with its 95 % interval (Wilson).
# error: |answer - steady answer| / |steady answer| in the L2 norm of the scores, of scenes the median, the smallest and
# the largest. The steady answer is that to the same frame, after so many others that the start is forgotten.
Measure = Literal["top1", "error"]
Value = Annotated[float, Field(ge=0, le=1e18)]


class CurvePoint(Frozen):
    """A figure of one frame, with its ends."""

    value: Value
    low: Value
    high: Value


class Transient(Frozen):
    """A curve over the frames since a start. Every figure is a function of the blob (`bench/stats/transient.py`).

    The network's delay and receptive field are among the facts of the network (`Record.model`): as soon as so many
    frames were seen as its receptive field has, nothing of the start is left in the answer.
    """

    start: Start = Field(description="what the state held before the first frame")
    measure: Measure
    source: str = Field(description="name of the data; without data noise, or the name of the film")
    shown: Ordinal = Field(description="films of the curve; without data scenes")
    curve: tuple[CurvePoint, ...] = Field(
        min_length=1, description="the first is of the answer to the first frame: 0 frames of initialisation"
    )
    asked: Count | None = Field(default=None, description="films that were to be shown; None: no data")
    missing: Count = Field(default=0, description="films that the data names and that are missing")
    padded: Count = Field(
        default=0, description="of those shown: shorter than the curve, so their last frame was repeated"
    )
    unanswered: Count = Field(default=0, description="of those shown: some answer is not finite, and counts as wrong")
    unreadable: tuple[FilmNote, ...] = Field(default=(), description="films that could not be decoded, and why")
    damaged: tuple[FilmNote, ...] = Field(default=(), description="films of which a part could not be decoded")
    classes: Count | None = Field(default=None, description="of the network; None: no data")
    answers: str = Field(
        description="sha256 of the blob: a row a film or scene, a column a frame. top1: how many classes come before "
        "the film's own; error: of that scene"
    )
    duration_s: Duration = Field(description="of all, decoding included; of the last run where it was resumed")
    network_s: Duration = Field(description="of that: calls of the network")
