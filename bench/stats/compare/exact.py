"""Exact figures: multiply-accumulates, parameters, bytes, the output. Any change counts.

They need no second run and no idle machine, so they are checked everywhere. An intended change is accepted by name.
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

from ..metrics import Better
from .findings import Judgement

# The words of `metrics.py` that are the same in every run of the same code.
EXACT_METRICS = ("macs", "parameters", "state", "peak_allocated")
OUTPUT = "output"
VERIFICATION = "verification"


def judge_figure(
    key: str,
    metric: str,
    base: float | None,
    head: float | None,
    *,
    better: Better = "lower",
    accept: Collection[str] = (),
) -> Judgement | None:
    """The verdict on one figure of one case; None where neither has it."""
    if base is None and head is None:
        return None
    if base is None or head is None:
        return Judgement("inconclusive", f"the {'base' if base is None else 'head'} has no such figure")
    if base == head:
        return Judgement("equivalent", "the same")
    change = f"{base:.15g} -> {head:.15g}" + (f", {head / base - 1:+.3%}" if base else "")
    if (head < base) == (better == "lower"):
        return Judgement("improved", change)
    return _worse(key, metric, change, accept)


def judge_output(key: str, base: str | None, head: str | None, *, accept: Collection[str] = ()) -> Judgement | None:
    """The verdict on the checksum of the output for a known input; None where neither has one."""
    if base is None and head is None:
        return None
    if base is None or head is None:
        return Judgement("inconclusive", f"the {'base' if base is None else 'head'} has no checksum of its output")
    if base == head:
        return Judgement("equivalent", "the same answer, bit for bit")
    return _worse(key, OUTPUT, f"the output changed: checksum {base[:12]} -> {head[:12]}", accept)


def judge_verification(
    key: str, base: bool | None, head: bool | None, *, accept: Collection[str] = ()
) -> Judgement | None:
    """The verdict on the verification (None: not verified). A wrong answer fails, also where the base's was wrong too;
    None where neither was verified."""
    if base is None and head is None:
        return None
    if head is None:
        return Judgement("inconclusive", "the head was not verified")
    if not head:
        before = {True: "was right", False: "was wrong too", None: "was not verified"}[base]
        return _worse(key, VERIFICATION, f"the answer is wrong; that of the base {before}", accept)
    return Judgement("improved", "correct now, wrong before") if base is False else Judgement("equivalent", "right")


def is_accepted(key: str, metric: str, accept: Collection[str]) -> bool:
    """Whether a change was named beforehand: `macs` for all cases, `macs=cox3d-*` for those whose key is like that."""
    named = (each.partition("=") for each in accept)
    return any(name == metric and fnmatchcase(key, pattern or "*") for name, _, pattern in named)


def _worse(key: str, metric: str, change: str, accept: Collection[str]) -> Judgement:
    if is_accepted(key, metric, accept):
        return Judgement("equivalent", f"{change}; accepted")
    return Judgement("regressed", change)
