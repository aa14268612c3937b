"""What a comparison found: the one form that `compare` and `check` make, and every renderer and exit code reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["regressed", "improved", "equivalent", "inconclusive"]

# What became of a row. `judged` rows alone have a verdict of timing; `exact` rows one of figures without noise.
Status = Literal["judged", "exact", "new", "gone", "failed", "incomparable"]


@dataclass(frozen=True)
class Estimate:
    """How many times as slow, as large, as hungry the head is: above 1 is worse, whatever the metric's direction."""

    slowdown: float  # of the head, e.g. 1.05: five per cent worse
    low: float  # the interval's ends, of the same kind
    high: float
    confidence: float  # e.g. 0.95
    replicates: int  # pairs, or fresh processes of the side that has fewer; never samples of one process
    paired: bool
    sigma: float | None = None  # standard deviation of ln(head / base) of one unit; None for a single one
    p: float | None = (
        None  # two-sided chance of so large a difference where there is none; cases judged at once share it
    )


@dataclass(frozen=True)
class Judgement:
    """A verdict, and what it rests on."""

    verdict: Verdict
    why: str  # one line for people; of an inconclusive one, what is missing
    estimate: Estimate | None = None
    detectable: float | None = None  # the smallest slowdown these replicates would find, e.g. 0.04
    # How many more replicates an inconclusive one needs; None where more of them are not what is missing.
    replicates_needed: int | None = None


@dataclass(frozen=True)
class Finding:
    """One row: a case and a metric, on both sides."""

    key: str  # of the case, or what stands for it in a comparison by fewer words
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

    base: str  # how people call each side: a store, a commit
    head: str
    findings: tuple[Finding, ...]
    max_slowdown: float  # what must not pass, e.g. 0.05
    notes: tuple[str, ...] = ()  # e.g. that the host was too noisy

    def of(self, verdict: Verdict) -> tuple[Finding, ...]:
        """The rows with this verdict."""
        return tuple(f for f in self.findings if f.judgement is not None and f.judgement.verdict == verdict)
