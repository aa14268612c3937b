"""Comparisons to be shown, made by hand: every outcome once, on the imaginary machine of the factories."""

from __future__ import annotations

from typing import Any

from co3d_bench.bench.stats.compare.findings import Comparison, Estimate, Finding, Judgement, Verdict


def key(model: str) -> str:
    return f"{model}/cpu/eager/fp32/b1/t2/random-0"


def estimate(slowdown: float, low: float, high: float, replicates: int = 17, paired: bool = True) -> Estimate:
    return Estimate(slowdown, low, high, 0.95, replicates, paired, sigma=0.01 if replicates > 1 else None)


def judged(model: str, verdict: Verdict, found: Estimate, why: str = "as measured", **changes: Any) -> Finding:
    known = {"detectable": changes.pop("detectable", None), "replicates_needed": changes.pop("replicates_needed", None)}
    fields = {"base": 40.0, "head": 40.0 / found.slowdown, **changes}
    judgement = Judgement(verdict, why, found, **known)
    return Finding(key(model), "throughput", "judged", judgement=judgement, **fields)


def aside(model: str, status: Any, **changes: Any) -> Finding:
    return Finding(key(model), "throughput", status, **changes)


REGRESSED = judged("x3d-m", "regressed", estimate(1.091, 1.079, 1.104), "slower, both stages agree")
INCONCLUSIVE = judged(
    "x3d-s", "inconclusive", estimate(1.03, 0.94, 1.13, 7), "too wide to call", detectable=0.098, replicates_needed=21
)
IMPROVED = judged("cox3d-s-13", "improved", estimate(0.88, 0.86, 0.91))
EQUIVALENT = judged("x3d-xs", "equivalent", estimate(1.004, 0.991, 1.018))
SAME = Finding(key("x3d-s"), "macs", "exact", 2_061_365_744, 2_061_365_744, Judgement("equivalent", "the same"))
CHANGED = Finding(
    key("x3d-s"), "state", "exact", 2_390_000, 2_510_000, Judgement("regressed", "2390000 -> 2510000, +5.021%")
)
DIFFERENT = aside("cox3d-m-64", "incomparable", base=38.1, head=51.2, differs=("machine.cpu_model: Core A / Core B",))
GONE, NEW = aside("slow-8x8", "gone", base=1.2), aside("coslow-8x8", "new", head=7.1)
FAILED = aside("i3d-r50", "failed", base=1.1, note="head: out-of-memory: the kernel ended the process")

EVERY = (EQUIVALENT, INCONCLUSIVE, REGRESSED, IMPROVED, SAME, CHANGED, DIFFERENT, GONE, NEW, FAILED)


def comparison(*findings: Finding, **changes: Any) -> Comparison:
    fields: dict[str, Any] = {"base": "main", "head": "branch", "max_slowdown": 0.05, **changes}
    return Comparison(findings=findings, **fields)


def hostile(text: str) -> Comparison:
    """The same text wherever names and messages of others can stand."""
    rows = (
        Finding(
            text, text, "judged", 1.0, 2.0,
            Judgement("regressed", text, estimate(2.0, 1.9, 2.1)), note=text,
        ),
        Finding(text, "state", "exact", 1.0, 2.0, Judgement("regressed", text)),
        Finding(text, "throughput", "incomparable", differs=(text,)),
        Finding(text, "throughput", "failed", note=text),
    )  # fmt: skip
    return Comparison(text, text, rows, 0.05, (text,))
