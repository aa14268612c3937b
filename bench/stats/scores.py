"""Accuracy from the scores of films: the figures of an evaluation, and nothing else goes into them. Pure.

Definitions: top-k as torch's topk (of equal scores the lower class comes first); average precision as the area below
the steps of precision over recall, equal scores together, as scikit-learn and PySlowFast compute Charades' mAP; the
interval of a share is Wilson's, that of a mean over classes a bootstrap over films: what a resample is higher on
average is taken off, then 1.96 of its standard deviations to each side. Without the first step it misses the mAP of
many films more often than not, since films that are drawn twice raise the average precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ..record.evaluation import Share
from ..record.predictions import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 200
SEED = 20_220_713
TOP = 5
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def wilson(hits: int, trials: int) -> Share:
    """A share of at least one trial with the interval of Wilson (1927)."""
    z, share = _Z, hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * (share * (1 - share) / trials + z * z / (4 * trials * trials)) ** 0.5
    # An end that is reached exactly is not left to rounding.
    return Share(
        value=share,
        low=max(0.0, middle - half) if hits else 0.0,
        high=min(1.0, middle + half) if hits < trials else 1.0,
    )


def ranks(scores: NDArray[np.float16], labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Of each film how many classes come before its own; all of them where it has no finite answer."""
    wide = scores.astype(np.float32)
    own = wide[np.arange(len(labels)), labels][:, None]
    lower = np.arange(scores.shape[1]) < labels[:, None]
    before = (wide > own) | ((wide == own) & lower)
    return np.where(np.isnan(wide).any(1), scores.shape[1], before.sum(1))


def average_precisions(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> Callable[..., NDArray[np.float64]]:
    """A function from weights of the films, (films,), to the average precision of each class; NaN for one without a
    film. Sorting, which all resamples share, is done once. Films without a finite answer come last."""
    wide = np.where(np.isnan(scores), -np.inf, scores.astype(np.float32))
    order = np.argsort(-wide, axis=0, kind="stable")
    ordered = np.take_along_axis(wide, order, 0)
    last = np.ones(ordered.shape, bool)  # of equal scores
    last[:-1] = ordered[1:] != ordered[:-1]
    rows = np.where(last, np.arange(len(ordered))[:, None], len(ordered))
    ends = np.minimum.accumulate(rows[::-1], 0)[::-1]  # of each film the row at which scores equal to its own end
    hits = np.take_along_axis(truth, order, 0)

    def of(weights: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
        weight = np.ones(order.shape) if weights is None else weights[order]
        found = weight * hits
        right, taken = np.cumsum(found, 0), np.cumsum(weight, 0)
        precision = np.divide(right, taken, out=np.zeros_like(right), where=taken > 0)
        area = (found * np.take_along_axis(precision, ends, 0)).sum(0)
        return np.divide(area, right[-1], out=np.full(len(area), np.nan), where=right[-1] > 0)

    return of


def class_shares(
    hit: NDArray[np.bool_], labels: NDArray[np.integer], classes: int
) -> Callable[..., NDArray[np.float64]]:
    """A function from weights of the films to the share of each class that is right; NaN for one without a film."""

    def of(weights: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
        drawn = np.ones(len(labels)) if weights is None else weights
        films = np.bincount(labels, drawn, classes)
        right = np.bincount(labels, drawn * hit, classes)
        return np.divide(right, films, out=np.full(classes, np.nan), where=films > 0)

    return of


def bootstrapped(of: Callable[..., NDArray[np.float64]], films: int) -> Share | None:
    """The mean over classes of a figure of each class, with its interval. A class that a resample does not hold is left
    out of its mean. None where no class has a film."""
    values = of()
    if np.isnan(values).all():
        return None
    draw = np.random.default_rng(SEED)
    drawn = (np.bincount(draw.integers(0, films, films), minlength=films).astype(np.float64) for _ in range(RESAMPLES))
    means = np.array([np.nanmean(found) for each in drawn if not np.isnan(found := of(each)).all()])
    value = float(np.nanmean(values))
    middle, half = 2 * value - float(means.mean()), _Z * float(means.std())
    return Share(value=value, low=max(0.0, min(value, middle - half)), high=min(1.0, max(value, middle + half)))


@dataclass(frozen=True)
class Scores:
    """The figures of these predictions; those of one label a film are None where films have several, and the other way
    round. At least one film."""

    predictions: Predictions

    @property
    def films(self) -> int:
        return len(self.predictions.films)

    @property
    def classes(self) -> int:
        return self.predictions.scores.shape[1]

    @cached_property
    def _ranks(self) -> NDArray[np.int64] | None:
        given = self.predictions
        return None if given.several else ranks(given.scores, given.labels)

    @property
    def unanswered(self) -> int:
        return int(np.isnan(self.predictions.scores).any(1).sum())

    @property
    def empty_classes(self) -> int:
        """Classes without a film: they are in no mean over classes."""
        labels = self.predictions.labels
        films = labels.sum(0) if self.predictions.several else np.bincount(labels, minlength=self.classes)
        return int((films == 0).sum())

    @property
    def top1(self) -> Share | None:
        return None if self._ranks is None else wilson(int((self._ranks < 1).sum()), self.films)

    @property
    def top5(self) -> Share | None:
        """None where chance alone has all of it."""
        if self._ranks is None or self.classes <= TOP:
            return None
        return wilson(int((self._ranks < TOP).sum()), self.films)

    @property
    def mean_class(self) -> Share | None:
        if self._ranks is None:
            return None
        return bootstrapped(class_shares(self._ranks < 1, self.predictions.labels, self.classes), self.films)

    @property
    def mean_ap(self) -> Share | None:
        given = self.predictions
        if not given.several:
            return None
        return bootstrapped(average_precisions(given.scores, given.labels), self.films)

    @cached_property
    def confusion(self) -> NDArray[np.int64] | None:
        """(classes, classes) films: rows by what they are, columns by the answer; without films that have no finite
        answer. None where films have several labels."""
        given = self.predictions
        if given.several:
            return None
        answered = ~np.isnan(given.scores).any(1)
        counts = np.zeros((self.classes, self.classes), np.int64)
        np.add.at(counts, (given.labels[answered], given.scores[answered].argmax(1)), 1)
        return counts

    def name(self, index: int) -> str:
        """The name of a class, or its position."""
        return self.predictions.classes[index] if self.predictions.classes else str(index)

    def figures(self) -> dict[str, Share | int | None]:
        """Those of the record, by their names there."""
        return {
            "top1": self.top1,
            "top5": self.top5,
            "mean_class": self.mean_class,
            "mean_ap": self.mean_ap,
            "empty_classes": self.empty_classes,
            "unanswered": self.unanswered,
        }


@dataclass(frozen=True)
class Mistake:
    """Films of one class that were taken for another."""

    truth: int
    answer: int
    films: int  # taken for the other
    of: int  # of the class


def mistakes(confusion: NDArray[np.int64]) -> list[Mistake]:
    """Pairs of classes, those with most films first."""
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    found = [
        Mistake(int(row), int(column), int(wrong[row, column]), int(confusion[row].sum()))
        for row, column in zip(*np.nonzero(wrong), strict=True)
    ]
    return sorted(found, key=lambda each: (-each.films, each.truth, each.answer))
