"""How accurate a network is as it is used: by what was measured of the very artefact, else as published of it. Pure.

`known_accuracy` alone decides that, for every table, plot and limit. An accuracy belongs to the frame rate at which the
network was shown its films, and to what it saw of them before its answer. A clip network is always shown every n-th
frame as it was trained, however often it answers; a frame network is shown the frames that it is stepped with.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...models.spec import ONE_CLIP, STEADY_STATE, WHOLE_FILM
from ...models.weights.sources import public_files
from ..record.evaluation import Share
from ..record.record import REFERENCE, ModelFacts, PublishedAccuracy, Record

# A camera of 24 or 25 frames/s comes this near to a trained rate by every n-th frame (6.25 for 6, 4.8 for 5).
SAME_RATE = 0.05  # relative

# What a network sees on a camera: a clip network its clip, a frame network all that its state reaches.
ON_CAMERA = frozenset({ONE_CLIP, STEADY_STATE})
_OF_FILE = " sha256:"  # in what a record says about weights that come from a file


@dataclass(frozen=True)
class MeasuredAccuracy:
    """The top-1 of a record of kind `accuracy`, with its conditions."""

    record: Record
    share: Share
    frames_per_s: float | None  # that the network saw
    view: str
    data: str  # name of the films
    films: int

    @property
    def top1(self) -> float:
        """Percent."""
        return 100 * self.share.value

    @property
    def ends(self) -> tuple[float, float]:
        """Of its 95 % interval, in percent."""
        return 100 * self.share.low, 100 * self.share.high

    @property
    def source(self) -> str:
        """Where the figure comes from."""
        return f"measured on {self.data}, {self.films} films"


Accuracy = PublishedAccuracy | MeasuredAccuracy


@dataclass(frozen=True)
class Known:
    """The accuracies of one artefact, that of the frame rate of its weights first."""

    model: ModelFacts | None
    all: tuple[Accuracy, ...] = ()

    @property
    def main(self) -> Accuracy | None:
        """The one that stands for the network wherever only one is shown, always with its conditions."""
        return next(iter(self.all), None)

    def at(self, frames_per_s: float | None = None) -> Accuracy | None:
        """That of a network that is shown so many frames a second; None if there is none of that rate.

        `frames_per_s=None`: the rate that its weights were trained at; where that is not known, the rate of its main
        accuracy. A clip network is shown its frames at that rate, whatever is asked.
        """
        if self.model is None:
            return None
        if frames_per_s is None or self.model.form != "frame":
            frames_per_s = self.model.trained_frames_per_s
            if frames_per_s is None:
                return self.main
        return next((each for each in self.all if same_rate(each.frames_per_s, frames_per_s)), None)

    def on_camera(self, frames_per_s: float) -> Accuracy | None:
        """Of that very rate, as it is on a camera: all of these are comparable."""
        found = (each for each in self.all if each.view in ON_CAMERA and same_rate(each.frames_per_s, frames_per_s))
        return next(found, None)


def _published_accuracies(model: ModelFacts | None) -> tuple[PublishedAccuracy, ...]:
    """All that is published of a network, that of its trained frame rate first. Records of early versions hold one
    without its conditions."""
    known = model.published if model else None
    if known is None or known.accuracy_top1 is None:
        return ()
    return known.accuracies or (PublishedAccuracy(top1=known.accuracy_top1, source=known.source),)


def known_accuracy(record: Record, model: ModelFacts | None, scored: Iterable[Record] = ()) -> Known:
    """What is known of the artefact of a record. `model`: its facts; `scored`: records of the store whose accuracy may
    be its own.

    Measured is what has the same network with the same weights, from a file or made by the same code, by the same
    engine in the same precision; in float32 also by another engine, since all of them are held to eager float32. Of
    several records it is one of its own engine, then the one of most films, then the newest. It takes the place of what
    is published of the same conditions. Published is for float32 and the weights that it is of: of others nothing is
    known without a measurement.
    """
    best: dict[float | None, tuple[tuple[bool, int], MeasuredAccuracy]] = {}
    for each in scored:
        found = _measured(each) if _same_artefact(record, model, each) else None
        if found is None:
            continue
        worth = _engine(record) == _engine(each), found.films
        kept = best.get(found.frames_per_s)
        if kept is None or worth >= kept[0]:
            best[found.frames_per_s] = worth, found
    measured = [found for _, found in best.values()]
    published = _published_accuracies(model) if record.case.precision == REFERENCE[1] and _as_published(model) else ()
    kept = [each for each in published if not any(_same_conditions(each, other) for other in measured)]
    trained = model.trained_frames_per_s if model else None
    found = [*measured, *kept]
    return Known(model, tuple(sorted(found, key=lambda each: not same_rate(each.frames_per_s, trained))))


def _measured(scored: Record) -> MeasuredAccuracy | None:
    """The accuracy of a record, of every frame of its films; None where it has none."""
    run, setup, model = scored.evaluation, scored.case.evaluation, scored.model
    if not scored.ok or run is None or run.top1 is None or setup is None or setup.drop or model is None:
        return None
    rate = setup.fps or model.trained_frames_per_s
    view = ONE_CLIP if model.form == "clip" else WHOLE_FILM
    return MeasuredAccuracy(scored, run.top1, rate, view, setup.data, run.scored)


def _same_artefact(record: Record, model: ModelFacts | None, scored: Record) -> bool:
    if model is None or scored.model is None or record.case.model != scored.case.model:
        return False
    if record.case.source != scored.case.source:  # a row's figures are all of its own source
        return False
    weights = _weights(model)
    if weights is None or weights != _weights(scored.model) or model.classes != scored.model.classes:
        return False
    float32 = record.case.precision == scored.case.precision == REFERENCE[1]
    return float32 or _engine(record) == _engine(scored)


def weights_file(model: ModelFacts) -> str | None:
    """Name of the file that its weights come from; None: they were made by its code."""
    file, of_file, _ = model.weights.partition(_OF_FILE)
    return file if of_file else None


def _as_published(model: ModelFacts | None) -> bool:
    """Whether what is published may stand beside these weights: those of a public checkpoint, or none from a file, the
    network as it was designed. What the author of a custom network states of it is the author's own."""
    file = weights_file(model) if model else None
    return model is None or file is None or model.source is not None or file in public_files(model)


def _weights(model: ModelFacts) -> tuple[str, ...] | None:
    """Names the weights; None for random ones, whose answers are chance."""
    of_file = model.weights.partition(_OF_FILE)[2]
    code = (model.source.sha256 or model.source.package or "") if model.source else ""
    return (of_file, code) if of_file or code else None


def _engine(record: Record) -> tuple[str, str, str]:
    return record.case.device, record.case.backend, record.case.precision


def _same_conditions(a: Accuracy, b: Accuracy) -> bool:
    return a.view == b.view and same_rate(a.frames_per_s, b.frames_per_s)


def films_of(accuracy: Accuracy | None) -> str | None:
    """Names the films that an accuracy is of: accuracies of other films are not set against each other. Published ones
    are of the films of their authors; None: there is no accuracy."""
    if accuracy is None:
        return None
    setup = accuracy.record.case.evaluation if isinstance(accuracy, MeasuredAccuracy) else None
    return setup.sha256 if setup else ""


def most_films(accuracies: Iterable[Accuracy | None]) -> str | None:
    """The films that most of these are of; of two sets with as many the measured one. None: there is no accuracy."""
    counts = Counter(films for each in accuracies if (films := films_of(each)) is not None)
    return max(counts, key=lambda films: (counts[films], bool(films)), default=None)


def comparable(a: Accuracy, b: Accuracy) -> bool:
    """Whether the difference of two accuracies says something about their networks: both were shown the same films at
    the same rate, and saw as much of them, or each what it sees on a camera. What is not known is not the same."""
    if a.view is None or b.view is None or not same_rate(a.frames_per_s, b.frames_per_s) or films_of(a) != films_of(b):
        return False
    return a.view == b.view or {a.view, b.view} == ON_CAMERA


def comparable_pair(a: Sequence[Accuracy], b: Sequence[Accuracy]) -> tuple[Accuracy, Accuracy] | None:
    """The first accuracies of two networks that may be compared; None if there are none."""
    both = ((mine, other) for mine in a for other in b)
    return next((pair for pair in both if comparable(*pair)), None)


def same_rate(a: float | None, b: float | None) -> bool:
    """Whether two frame rates are so near that an accuracy of one holds for the other; what is not known is not."""
    return a is not None and b is not None and math.isclose(a, b, rel_tol=SAME_RATE)
