"""The exit code of a check, from its comparisons. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import FAILED, INCOMPARABLE, OK
from ..stats.compare.findings import Comparison, Finding

_SEVERITY = (OK, INCOMPARABLE, FAILED)


def exit_code(comparisons: Iterable[Comparison]) -> int:
    """The worst of all comparisons. Only what is proven to be worse fails; a head that does not run is worse.

    Where no speed could be judged because the machines differ, the code is its own: that is not a pass.
    """
    return max((_exit_code_of(comparison) for comparison in comparisons), default=OK, key=_SEVERITY.index)


def _exit_code_of(comparison: Comparison) -> int:
    if comparison.of("regressed") or any(_head_failed(finding) for finding in comparison.findings):
        return FAILED
    timed = [finding for finding in comparison.findings if finding.status in ("judged", "incomparable")]
    if timed and all(finding.status == "incomparable" for finding in timed):
        return INCOMPARABLE
    return OK


def _head_failed(finding: Finding) -> bool:
    return finding.status == "failed" and "head: " in (finding.note or "")
