"""The result of a comparison: `compare` and `check` make it, renderers and exit codes read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["regressed", "improved", "equivalent", "inconclusive"]

# The status of a row: `judged` has a verdict on a noisy figure, `exact` one on an exact figure.
Status = Literal["judged", "exact", "new", "gone", "failed", "incomparable"]


@dataclass(frozen=True)
class Estimate:
    """The ratio head / base turned so that above 1 is worse, whatever the metric's direction."""

    slowdown: float  # of the head, e.g. 1.05: five per cent worse
    low: float  # the interval's ends, of the same kind
    high: float
    confidence: float  # e.g. 0.95
    replicates: int  # pairs, or fresh processes of the side that has fewer; never samples of one process
    paired: bool
    sigma: float | None = None  # standard deviation of ln(head / base) of one replicate; None for a single one
    p: float | None = None  # two-sided, of so large a difference between equal code; before correction for many cases


@dataclass(frozen=True)
class Judgement:
    """A verdict with its estimate and its power."""

    verdict: Verdict
    why: str  # one line for people; of an inconclusive one, what is missing
    estimate: Estimate | None = None
    detectable: float | None = None  # the smallest slowdown that so many replicates detect, e.g. 0.04
    # How many more replicates an inconclusive one needs; None where more would not help.
    replicates_needed: int | None = None


@dataclass(frozen=True)
class Finding:
    """One row: a case and a metric, in base and head."""

    key: str  # of the case, or the words of --by
    metric: str  # its word in `metrics.py`; or output, verification
    status: Status
    base: float | None = None  # in SI; None where this side has none
    head: float | None = None
    judgement: Judgement | None = None
    differs: tuple[str, ...] = ()  # incomparable: each fact that does not agree, with both values
    note: str | None = None  # e.g. why a case failed


@dataclass(frozen=True)
class Comparison:
    """All rows of base against head."""

    base: str  # names for people: a store, a commit
    head: str
    findings: tuple[Finding, ...]
    max_slowdown: float  # the limit, e.g. 0.05
    notes: tuple[str, ...] = ()  # e.g. that the host was too noisy

    def of(self, verdict: Verdict) -> tuple[Finding, ...]:
        """The rows with this verdict."""
        return tuple(f for f in self.findings if f.judgement is not None and f.judgement.verdict == verdict)
