"""From how a measuring process ended to the record that is kept: a number, or why there is none."""

from __future__ import annotations

import signal
from datetime import datetime, timezone

from ...models.spec import ModelSpec
from ..measure.job import Job
from ..record.facts import model_facts
from ..record.record import Failure, Record
from .child import Outcome

DETAIL_CHARACTERS = 4000


def to_record(job: Job, spec: ModelSpec, outcome: Outcome, oom_kills: int, duration_s: float) -> Record:
    """The record of a case; `oom_kills` counts processes the kernel killed for memory while it ran."""
    final = outcome.final
    if final is not None and final.record is not None:
        return _completed(final.record, job, outcome.sampling_cpu_s)
    if final is not None and final.failure is not None:
        failure = final.failure
    else:
        failure = diagnose(outcome, job.settings.timeout_s, oom_kills)
    if outcome.measured is not None:  # what was measured is not lost because counting failed
        note = f"not counted ({failure.kind}): {failure.message}"
        kept = outcome.measured.model_copy(update={"notes": (*outcome.measured.notes, note)})
        return _completed(kept, job, outcome.sampling_cpu_s)
    started = datetime.now(timezone.utc).timestamp() - duration_s
    return Record(
        run_id=job.run_id,
        started_at=datetime.fromtimestamp(started, timezone.utc).isoformat(timespec="milliseconds"),
        duration_s=duration_s,
        case=job.case,
        process=job.process,
        settings=job.settings,
        device_kind=_device_kind(job),
        model=model_facts(spec, weights=job.weights),
        error=failure.model_copy(update={"detail": failure.detail and failure.detail[-DETAIL_CHARACTERS:]}),
    )


def diagnose(outcome: Outcome, timeout_s: float, oom_kills: int) -> Failure:
    """Why a process that said nothing ended."""
    detail = outcome.stderr_tail or None
    if outcome.timed_out:
        return Failure(
            kind="timeout",
            message=f"not done after {timeout_s:g} s; raise run.timeout_s (--timeout) or lower run.runs",
            detail=detail,
        )
    if outcome.returncode == -signal.SIGKILL:
        if oom_kills > 0:
            return Failure(
                kind="out-of-memory",
                message="the kernel killed the process because memory ran out",
                detail=detail,
            )
        return Failure(kind="killed", message="somebody killed the process (SIGKILL)", detail=detail)
    if outcome.returncode < 0:
        name = signal.strsignal(-outcome.returncode) or "unknown"
        return Failure(
            kind="crash", message=f"the process crashed: {name} (signal {-outcome.returncode})", detail=detail
        )
    return Failure(
        kind="crash",
        message=f"the process ended with exit code {outcome.returncode} and no result",
        detail=detail,
    )


def _device_kind(job: Job) -> str | None:
    return (job.device.kind or None) if job.device else None


def _completed(record: Record, job: Job, parent_cpu_s: float) -> Record:
    """What a measuring process does not know of itself: whose kind its device is, and the parent's CPU time."""
    told = {"device_kind": _device_kind(job)}
    timing = record.timing
    if timing is None or timing.sampling_wall_s <= 0:
        return record.model_copy(update=told)
    share = timing.harness_cpu_share + parent_cpu_s / timing.sampling_wall_s
    return record.model_copy(update={**told, "timing": timing.model_copy(update={"harness_cpu_share": share})})
