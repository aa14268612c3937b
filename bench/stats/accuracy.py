"""Which published accuracy belongs to a network as it is used. Pure.

An accuracy belongs to the frame rate at which the network was shown its films, and to what it saw of them before its
answer. A clip network is always shown every n-th frame as it was trained, however often it answers; a frame network is
shown the frames that it is stepped with.
"""

from __future__ import annotations

import math

from ...models.spec import ONE_CLIP, STEADY_STATE
from ..record.record import ModelFacts, PublishedAccuracy

# A camera of 24 or 25 frames/s comes this near to a trained rate by every n-th frame (6.25 for 6, 4.8 for 5).
SAME_RATE = 0.05  # relative

# What a network sees on a camera: a clip network its clip, a frame network all that its state reaches.
ON_CAMERA = frozenset({ONE_CLIP, STEADY_STATE})


def published_accuracies(model: ModelFacts | None) -> tuple[PublishedAccuracy, ...]:
    """All that is published of a network, that of its trained frame rate first. Records of early versions hold one
    without its conditions."""
    known = model.published if model else None
    if known is None or known.accuracy_top1 is None:
        return ()
    return known.accuracies or (PublishedAccuracy(top1=known.accuracy_top1, source=known.source),)


def main_accuracy(model: ModelFacts | None) -> PublishedAccuracy | None:
    """The one that stands for the network wherever only one is shown, always with its conditions."""
    return next(iter(published_accuracies(model)), None)


def accuracy_at(model: ModelFacts, frames_per_s: float | None = None) -> PublishedAccuracy | None:
    """The published accuracy of a network that is shown so many frames a second; None if there is none of that rate.

    `frames_per_s=None`: the rate that its weights were trained at; where that is not known, the rate of its main
    accuracy. A clip network is shown its frames at that rate, whatever is asked.
    """
    if frames_per_s is None or model.form != "frame":
        frames_per_s = model.trained_frames_per_s
        if frames_per_s is None:
            return main_accuracy(model)
    return next((each for each in published_accuracies(model) if same_rate(each.frames_per_s, frames_per_s)), None)


def accuracy_on_camera(model: ModelFacts | None, frames_per_s: float) -> PublishedAccuracy | None:
    """What is published of a network for that very rate, as it is on a camera: all of these are comparable."""
    known = published_accuracies(model)
    return next((each for each in known if each.view in ON_CAMERA and same_rate(each.frames_per_s, frames_per_s)), None)


def comparable(a: PublishedAccuracy, b: PublishedAccuracy) -> bool:
    """Whether the difference of two accuracies says something about their networks: both were shown their films at the
    same rate, and saw as much of them, or each what it sees on a camera. What is not known is not the same."""
    if a.view is None or b.view is None or not same_rate(a.frames_per_s, b.frames_per_s):
        return False
    return a.view == b.view or {a.view, b.view} == ON_CAMERA


def comparable_pair(a: ModelFacts | None, b: ModelFacts | None) -> tuple[PublishedAccuracy, PublishedAccuracy] | None:
    """The first accuracies of two networks that may be compared; None if there are none."""
    both = ((mine, other) for mine in published_accuracies(a) for other in published_accuracies(b))
    return next((pair for pair in both if comparable(*pair)), None)


def same_rate(a: float | None, b: float | None) -> bool:
    """Whether two frame rates are so near that an accuracy of one holds for the other; what is not known is not."""
    return a is not None and b is not None and math.isclose(a, b, rel_tol=SAME_RATE)
