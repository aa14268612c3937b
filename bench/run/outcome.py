"""The record of a measuring process, from how it ended: figures, or why there are none."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta, timezone

from ...models.spec import ModelSpec
from ..measure.job import Job
from ..record.facts import model_facts
from ..record.failure import wrong_answer
from ..record.record import Failure, Record, Timing
from .child import Outcome

DETAIL_CHARACTERS = 4000


def to_record(job: Job, spec: ModelSpec, outcome: Outcome, oom_kills: int, duration_s: float) -> Record:
    """The record of a case, built here and nowhere else. `oom_kills`: how many processes the kernel killed for memory
    while it ran.

    Where a later pass failed, the timing is kept. A wrong answer has no speed.
    """
    measured, notes = outcome.measurement, outcome.measurement.notes or ()
    failure = None if outcome.done else _failure(job, outcome, oom_kills)
    if failure and measured.timing:
        notes, failure = (*notes, f"not counted ({failure.kind}): {failure.message}"), None
    if measured.verification and not failure:
        failure = wrong_answer(measured.verification)
    started = datetime.now(timezone.utc) - timedelta(seconds=duration_s)
    return Record(
        run_id=job.run_id,
        started_at=measured.started_at or started.isoformat(timespec="milliseconds"),
        duration_s=duration_s if measured.duration_s is None else measured.duration_s,
        case=job.case,
        process=job.process,
        settings=job.settings,
        device_kind=(job.device.kind or None) if job.device else None,
        model=measured.model or model_facts(spec, weights=job.weights),
        environment=measured.environment,
        counters=measured.counters,
        timing=_with_parent(measured.timing, outcome.sampling_cpu_s) if measured.timing and not failure else None,
        peak_rss_bytes=measured.peak_rss_bytes,
        output_sha256=measured.output_sha256,
        verification=measured.verification,
        engine=measured.engine,
        sensors=measured.sensors,
        cuda=measured.cuda,
        energy=measured.energy,
        camera=None if failure else measured.camera,
        evaluation=None if failure else measured.evaluation,
        transient=None if failure else measured.transient,
        batch_search=job.batch_search,
        fleet=job.fleet,
        notes=notes,
        error=failure,
    )


def _with_parent(timing: Timing, parent_cpu_s: float) -> Timing:
    """Add the parent's CPU time, which a measuring process does not know, to the harness's share."""
    if timing.sampling_wall_s <= 0:
        return timing
    share = timing.harness_cpu_share + parent_cpu_s / timing.sampling_wall_s
    return timing.model_copy(update={"harness_cpu_share": share})


def _failure(job: Job, outcome: Outcome, oom_kills: int) -> Failure:
    """What the process reported, or why it ended without a report."""
    reported = outcome.final.failure if outcome.final else None
    if reported is None:
        return diagnose(outcome, job.settings.timeout_s, oom_kills)
    return reported.model_copy(update={"detail": reported.detail and reported.detail[-DETAIL_CHARACTERS:]})


def diagnose(outcome: Outcome, timeout_s: float, oom_kills: int) -> Failure:
    """Why a process that reported nothing ended."""
    code = outcome.returncode
    if outcome.timed_out:
        advice = "raise run.timeout_s (--timeout) or lower run.runs"
        kind, message = "timeout", f"not done after {timeout_s:g} s; {advice}"
    elif code == -signal.SIGKILL and oom_kills > 0:
        kind, message = "out-of-memory", "the kernel killed the process because memory ran out"
    elif code == -signal.SIGKILL:
        kind, message = "killed", "somebody killed the process (SIGKILL)"
    elif code < 0:
        kind, message = "crash", f"the process crashed: {signal.strsignal(-code) or 'unknown'} (signal {-code})"
    elif outcome.unreadable:
        kind, message = "crash", outcome.unreadable.splitlines()[0]
    else:
        kind, message = "crash", f"the process ended with exit code {code} and no result"
    return Failure(
        kind=kind, message=message, detail="\n".join(filter(None, (outcome.stderr_tail, outcome.unreadable))) or None
    )
