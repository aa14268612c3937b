"""Figures of cases in the files of other programs, for whoever has a dashboard of theirs already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..bench.record.record import Record
from ..bench.stats.case_result import CaseResult
from ..bench.stats.metrics import MS


def pyperf(cases: Sequence[CaseResult]) -> str | None:
    """A suite of pyperf: a benchmark for each case, a run for each fresh process, with the seconds of all timed
    calls; `python -m pyperf stats FILE` reads it. None where nothing was timed.

    pyperf computes figures of its own from them: the mean of all, where this tool shows the median of the processes.
    """
    timed = [case for case in cases if case.timed]
    benchmarks = [
        {"metadata": {"name": case.key, **_facts(case)}, "runs": [_run(record) for record in case.timed]}
        for case in timed
    ]
    return _json({"version": "1.0", "benchmarks": benchmarks}) if timed else None


def _facts(case: CaseResult) -> dict[str, Any]:
    """What pyperf calls metadata: names of its own where it has one."""
    environment, engine = case.environment, case.engine
    facts = {
        "unit": "second",
        "loops": 1,
        "cpu_model_name": environment.machine.cpu_model if environment else None,
        "engine": f"{engine.name} {engine.version}" if engine else None,
        "warnings": "; ".join(case.warnings),
    }
    return {name: value for name, value in facts.items() if value}


def _run(record: Record) -> dict[str, Any]:
    samples = record.timing.samples.latency_s if record.timing else ()
    # pyperf has times without a zone, and takes them for local ones.
    date = datetime.fromisoformat(record.started_at).astimezone().replace(tzinfo=None)
    return {"metadata": {"date": date.isoformat(), "duration": record.duration_s}, "values": list(samples)}


def github_action_benchmark(cases: Sequence[CaseResult]) -> str | None:
    """The input of benchmark-action/github-action-benchmark, as its tool `customSmallerIsBetter` reads it: the latency
    of each case, half of its interval (of fewer than six processes of their range), and its warnings. None where
    nothing was timed."""
    entries = []
    for case in cases:
        latency = case.figure("latency_s")
        if latency is None:
            continue
        count = latency.processes
        lines = (f"fresh processes: {count}", *case.warnings)
        entry = {"name": case.key, "unit": "ms", "value": MS.of(latency.value), "extra": "\n".join(lines)}
        if count > 1:
            entry["range"] = f"\u00b1 {MS.of((latency.high - latency.low) / 2):.3g}"
        entries.append(entry)
    return _json(entries) if entries else None


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
