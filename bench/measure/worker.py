"""The measuring process: `python -m co3d_bench.bench.measure.worker`. One job on standard input, one case.

Its events go to a private copy of standard output, so that nothing a library prints can end up between them.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from ...devices.host import HostFacts, free_memory_bytes, read_host
from ...devices.processes import Channel
from ...models.spec import ModelSpec, is_frame_network
from ...models.zoo import find_model
from ..backends import Ask, get_backend
from ..plan.custom_models import check_code, load_code
from ..record.cuda_facts import CudaFacts
from ..record.environment import Checkout, make_environment, read_versions
from ..record.facts import assumptions, model_facts
from ..record.failure import failure_of
from ..record.garbage import paused_collector
from ..record.record import REFERENCE, Counters, Environment, Verification
from ..record.sensing import Energy
from .accelerator import accelerator_of
from .allocator import keep_freed_memory
from .answers import checked
from .energy import energy_pass, find_meter
from .external import MeasuredEngine, external_pass, verify_answers
from .in_force import limit_inter_op, note_of, weights_notes
from .input import make_inputs
from .interleaved import WAITING, Turns
from .job import Event, Job, Measurement, TurnPipes, phase_event
from .loop import Calls
from .passes import CaseClock, Emit, Subject, TimedNetwork, counting_pass, load, timing_pass, undisturbed
from .search import search_batches
from .sensors import SensorWatch
from .verify import AnswersToSend, compare, unpack_answers, verify

FindModel = Callable[[str], ModelSpec]

_PACKAGES = {"site-packages", "dist-packages"}  # folders into which packages are installed
# Shares of the free memory, and of the time of a case, for verification.
_VERIFY_SHARE = 0.5
_VERIFY_TIME_SHARE = 0.25
# How long an engine is compared with the reference where that is called beside it, beyond a receptive field of frames,
# which reaches every state buffer. Short: a wrong kernel shows at once, and the first page waits for this. In float32
# it is off by rounding alone, on every input alike; elsewhere the share of equal best classes is known the better the
# more there are.
_COMPARE_S = {"fp32": 0.25}
_COMPARE_ROUNDED_S = 1.0


def measure_case(job: Job, emit: Emit, find_model: FindModel = find_model) -> Event:
    """All passes over one case, each reported as it ends; returns the last event. Errors of the network or the backend
    are raised."""
    case_clock = CaseClock.now(job.settings)  # before torch is imported: the load check covers that time
    allocator = keep_freed_memory()
    with paused_collector():  # importing torch leaves little to collect, and the search for it takes a tenth as long
        import torch
    gc.freeze()  # nor is it searched again while the network is built

    started = datetime.now(timezone.utc)
    environ = dict(os.environ)  # as torch has read it; the network's code may change it
    torch.set_num_threads(job.case.threads)
    watch = SensorWatch(job.device, emit) if job.device else None
    emit = watch.emit if watch else emit
    host = read_host()
    subject = subject_of(job, emit, find_model)
    if watch:
        watch.ready()
    with torch.inference_mode():
        timed = _timed(subject, job, case_clock, emit)
        check_code(job.own)
        sensors = watch.stop() if watch else None
        if job.prove is not None:
            emit(Event(event="loaded", modules=modules_in(job.prove)))
        cuda = subject.accelerator.facts(timed.runnable, subject.inputs.ring, in_torch=subject.backend.in_torch)
        verification = None if job.timing_only else _verification(job, subject, timed, emit)
    threads = job.case.threads if timed.threads is None else timed.threads
    notes = subject.inputs.notes + subject.loaded.notes + assumptions(subject.spec, timed.net)
    notes += note_of(threads, job.case.threads)
    measurement = Measurement(
        started_at=started.isoformat(timespec="milliseconds"),
        duration_s=case_clock.passed_s(),
        model=model_facts(subject.spec, timed.net, job.weights),
        environment=environment_of(job, host, cuda, Process(threads, allocator, environ)),
        timing=timed.timing,
        peak_rss_bytes=timed.peak_rss_bytes,
        output_sha256=timed.output_sha256,
        verification=verification,
        sensors=sensors,
        cuda=cuda,
        engine=timed.runnable.engine(),
        notes=notes,
    )
    if job.timing_only:
        return Event(event="done", measurement=measurement)
    emit(Event(event="measured", measurement=measurement))
    if (verification is None or verification.passed) and (energy := _energy(job, subject, timed, case_clock, emit)):
        emit(Event(event="measured", measurement=Measurement(energy=energy)))
    counters, uncounted = _counters(job, subject, timed, cuda, emit)
    counted = Measurement(counters=counters, duration_s=case_clock.passed_s(), notes=notes + uncounted)
    return Event(event="done", measurement=counted)


def subject_of(job: Job, emit: Emit, find_model: FindModel) -> Subject:
    """The network of a job, with its engine, inputs and device."""
    case = job.case
    spec, backend = spec_of(job, find_model), get_backend(case.backend)
    emit(phase_event("loading"))
    accelerator = accelerator_of(job, backend)
    loaded = load(spec, job.weights, job.classes)
    limit_inter_op()
    loaded = replace(loaded, notes=loaded.notes + weights_notes(loaded.net))
    inputs = make_inputs(spec, case.batch, case.input, Path(job.video) if job.video else None, loaded.example)
    ask = Ask(case.precision, case.threads, calibration=inputs.ring, device=accelerator.device)
    return Subject(loaded.spec, loaded, backend, ask, inputs, accelerator)


def _timed(subject: Subject, job: Job, case_clock: CaseClock, emit: Emit) -> TimedNetwork:
    """Timed by us, or by an external engine itself."""
    external = subject.backend.external
    if external:
        return external_pass(external, subject, job.settings, emit, verify=not job.timing_only)
    return timing_pass(subject, case_clock, emit, _first_turn(job.in_turn, emit) if job.in_turn else None)


@dataclass(frozen=True)
class Process:
    """What held in this process while samples were taken."""

    threads: int
    allocator: str | None
    environ: Mapping[str, str]


def environment_of(job: Job, host: HostFacts, cuda: CudaFacts | None, process: Process) -> Environment:
    """The environment, for the record."""
    import torch

    return make_environment(
        host,
        Checkout(job.git_commit, job.git_dirty),
        read_versions(),
        intra_op_threads=process.threads,
        inter_op_threads=torch.get_num_interop_threads(),
        allocator=process.allocator,
        cuda=cuda,
        environ=process.environ,
    )


def _energy(job: Job, subject: Subject, timed: TimedNetwork, case_clock: CaseClock, emit: Emit) -> Energy | None:
    """The energy, if this process measures it; if a later one does, only the reason why no sensor can."""
    if job.device is None or not (job.energy or job.energy_later):
        return None
    if isinstance(timed.runnable, MeasuredEngine):
        return Energy(reason="an external engine is timed by its own tool: its calls cannot be repeated for a sensor")
    if not job.energy:
        found = find_meter(job.device)
        return Energy(reason=found) if isinstance(found, str) else None
    emit(phase_event("energy"))
    import torch

    time_left_s = job.settings.timeout_s - case_clock.passed_s()
    runnable = timed.runnable
    with torch.inference_mode():
        calls = Calls(runnable.step, subject.accelerator.to_device(subject.inputs.ring), runnable.synchronize)
        return energy_pass(job.device, calls, time_left_s=time_left_s / 2)


def _counters(
    job: Job, subject: Subject, timed: TimedNetwork, cuda: CudaFacts | None, emit: Emit
) -> tuple[Counters, tuple[str, ...]]:
    """The counters, from an earlier process of the case or counted now; and notes on the missing ones."""
    counters, uncounted = job.counters, ()
    if counters is None:
        emit(phase_event("counting"))
        in_torch = subject.backend.in_torch and cuda is None
        example, known = subject.inputs.ring[0], job.operations
        with undisturbed(timed.timing):
            counters, uncounted = counting_pass(
                subject.spec,
                timed.net,
                timed.runnable,
                example,
                in_torch=in_torch,
                known=known,
                given=subject.loaded.example,
            )
    if cuda and cuda.memory:  # the device's own count; that of the CPU's allocator would be of the host
        counters = counters.model_copy(update={"peak_allocated_bytes": cuda.memory.peak_allocated_bytes})
    return counters, uncounted


def modules_in(folders: Sequence[str]) -> tuple[str, ...]:
    """The files of all loaded modules in these folders, links resolved; without packages that are installed there."""
    roots = tuple(Path(os.path.realpath(folder)) for folder in folders)
    library = Path(sysconfig.get_path("stdlib")).resolve()
    named = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    # Some name a file that does not exist (torch's `_classes.py`).
    files = {Path(os.path.realpath(file)) for file in named if isinstance(file, str) and os.path.isfile(file)}  # noqa: PTH113
    return tuple(sorted(str(file) for file in files if _belongs(file, roots) and not file.is_relative_to(library)))


def _belongs(file: Path, roots: Sequence[Path]) -> bool:
    inside = (file.relative_to(root).parts for root in roots if file.is_relative_to(root))
    return any(not _PACKAGES.intersection(parts) for parts in inside)


def _first_turn(pipes: TurnPipes, emit: Emit) -> Turns:
    """Wait for the first turn of this process."""
    turns = Turns(pipes.take, pipes.give)
    emit(phase_event(WAITING))
    turns.wait()
    return turns


def _verification(job: Job, subject: Subject, timed: TimedNetwork, emit: Emit) -> Verification:
    """The reference is compared with the other form of the network; every other engine and precision with the
    reference.

    A verification by an earlier process of the case is reused if this one's first prediction is the same.
    """
    if job.verified and job.verified.output_sha256 == timed.output_sha256:
        return job.verified.verification
    emit(phase_event("verifying"))
    with undisturbed(timed.timing):
        compared, custom = partial(_compared, job, subject, timed, emit), subject.spec.source is not None
        return checked(compared, timed.net, subject.loaded.example, job.case.batch, custom=custom)


def _compared(job: Job, subject: Subject, timed: TimedNetwork, emit: Emit) -> Verification:
    backend, example = subject.backend, subject.inputs.ring[0]
    tolerance = backend.tolerance[job.case.precision]
    if isinstance(timed.runnable, MeasuredEngine) and timed.runnable.result.answers:
        return verify_answers(timed.runnable.result.answers, tolerance)
    like = subject.loaded.example
    if (backend.name, job.case.precision) == REFERENCE:
        return _verified(subject, timed, tolerance, emit)
    budget_s = min(_COMPARE_S.get(job.case.precision, _COMPARE_ROUNDED_S), _VERIFY_TIME_SHARE * job.settings.timeout_s)
    against = partial(compare, timed.runnable, timed.net, example, tolerance, budget_s=budget_s, like=like)
    if job.answers and (found := against(known=unpack_answers(job.answers))).passed:
        return found
    return against()  # with the network as it is here: in another process it may have been another one


def _verified(subject: Subject, timed: TimedNetwork, tolerance: float, emit: Emit) -> Verification:
    """The reference, compared with its definition; what it answered to a stream is sent where it is right."""
    answers = AnswersToSend()
    found = verify(
        timed.runnable,
        timed.net,
        subject.inputs.ring[0],
        tolerance,
        memory_for_clip_bytes=_VERIFY_SHARE * free_memory_bytes(),
        like=subject.loaded.example,
        on_answer=answers.add,
    )
    if found.passed and is_frame_network(timed.net) and (packed := answers.packed()):
        emit(Event(event="answered", answers=packed))
    return found


def _as_python_does(job: Job) -> int:
    return 0


def main(find_model: FindModel = find_model, end: Callable[[Job], int] = _as_python_does) -> int:
    """Measure the job on standard input, or search for its batches."""

    def work(job: Job, emit: Emit) -> Event:
        if job.search:
            return Event(event="done", search=search_batches(job, spec_of(job, find_model), emit))
        return measure_case(job, emit, find_model)

    return serve(work, end)


def serve(work: Callable[[Job, Emit], Event], end: Callable[[Job], int] = _as_python_does) -> int:
    """Read a job, do its work, report, and `end`. Returns 0 also where the case failed: the failure is an event."""
    channel = Channel()

    def emit(event: Event) -> None:
        channel.send(event.line())

    job = Job.model_validate_json(sys.stdin.buffer.readline())
    try:
        emit(work(job, emit))
    except Exception as error:  # noqa: BLE001 - whatever a network raises is reported
        emit(Event(event="failed", failure=failure_of(error)))
    gc.freeze()  # Python would search all of torch for circles once more before it ends, a second on a slow core
    return end(job)


def leave(job: Job) -> int:
    """End this process once what others registered for its end is done, without taking torch apart piece by piece.

    That of a custom network ends as Python does, which writes the rest of files that its code left open.
    """
    if job.own:
        return 0
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed by the network's code
            stream.flush()
    os._exit(0)


def spec_of(job: Job, find_model: FindModel) -> ModelSpec:
    """The network of a job."""
    return load_code(job.own) if job.own else find_model(job.case.model)


if __name__ == "__main__":
    sys.exit(main(end=leave))
