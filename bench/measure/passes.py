"""The passes over one case, each on its own so that none disturbs another.

Timing comes first: the first prediction must be the process's first call of the network, and peak resident memory
must be that of loading and timing alone. Verification and counting follow.
"""

from __future__ import annotations

import gc
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psutil

from ...models.custom import SEED
from ...models.inputs import tensors_of
from ...models.spec import THE_EXAMPLE, ModelSpec
from ..backends import Ask, Backend, Runnable
from ..plan.weights import fit
from ..record.case import WeightsFile
from ..record.facts import receptive_field_of
from ..record.garbage import paused_collector
from ..record.record import Counters, ReferenceWorkload, Settings, Timing
from ..stats.summary import MAX_BACKGROUND_SHARE
from .accelerator import Accelerator
from .in_force import hold_threads, threads_in_force
from .input import Inputs
from .interleaved import Turns, with_uncounted_call
from .job import PREPARING, Event, phase_event
from .loop import (
    SAMPLING_TIME_SHARE,
    WARMUP_TIME_SHARE,
    Calls,
    Instruments,
    Sampling,
    SamplingRule,
    WarmUpRule,
    loop_overhead_s,
    sample,
    seldom,
    timing_fields,
    warm_up,
)
from .memory import peak_allocated_bytes, tensor_bytes, weights
from .probe import KernelProbe, Use, UseProbe, background_load, peak_rss_bytes, thread_seconds
from .reference_workload import workload_for

if TYPE_CHECKING:
    from ...models.example import Example

# For two interleaved processes: a noisy machine affects both, so only the network itself has to be warm.
INTERLEAVED_WARM_UP = WarmUpRule(max_predictions=30, max_seconds=1.5)

Emit = Callable[[Event], None]


@dataclass(frozen=True)
class CaseClock:
    """The time of a running case: when it began (`time.perf_counter`), how the cores had been used by then, and its
    settings."""

    at_s: float
    settings: Settings
    use: UseProbe
    used: Use | None

    @classmethod
    def now(cls, settings: Settings) -> CaseClock:
        use = UseProbe(process_tree_seconds)
        return cls(time.perf_counter(), settings, use, use())

    def until(self, share: float) -> float:
        """The moment at which this share of its time is over."""
        return self.at_s + share * self.settings.timeout_s

    def passed_s(self) -> float:
        return time.perf_counter() - self.at_s


def process_tree_seconds() -> float:
    """CPU time of this process and of all that it started, e.g. a finished compiler, a running reader of sensors."""
    alive = 0.0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            times = child.cpu_times()
            alive += times.user + times.system
    return sum(os.times()[:4]) + alive


@dataclass(frozen=True)
class Loaded:
    """The network in eval mode, its spec with the classes that it has now, and how long it took to build it."""

    spec: ModelSpec
    net: Any
    seconds: float
    example: Example
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What is measured: a network, its engine, its inputs, and its device."""

    spec: ModelSpec
    loaded: Loaded
    backend: Backend
    ask: Ask
    inputs: Inputs
    accelerator: Accelerator


@dataclass(frozen=True)
class TimedNetwork:
    """A timed network, for the passes that follow."""

    net: Any
    runnable: Runnable
    timing: Timing
    peak_rss_bytes: int | None
    output_sha256: str | None
    threads: int | None = None  # of torch, when the last sample was taken; None: not by torch


def load(spec: ModelSpec, weights_file: WeightsFile | None = None, classes: int | None = None) -> Loaded:
    """Build the network with seeded weights, and load those of the file, if there is one; `classes`: for so many.

    Not in inference mode: weights created there cannot be exported, and some counters miss them.
    """
    import torch

    from ...models.example import Example, as_called

    start = time.perf_counter()
    torch.manual_seed(SEED)
    if spec.build_with_example:
        net, example = spec.build_with_example()
        example = replace(example, fixed=spec.input_values == THE_EXAMPLE)
    else:
        net, example = spec.build(), Example.of_shape(spec.input_shape)
    fitted, notes = fit(net.eval(), spec, weights_file, classes)
    return Loaded(fitted, as_called(net, example).eval(), time.perf_counter() - start, example, notes)


def timing_pass(subject: Subject, case_clock: CaseClock, emit: Emit, turns: Turns | None = None) -> TimedNetwork:
    """First prediction, load check, warm-up, samples.

    Sampling ends at half of the case's time at the latest, so that slow calls do not end the case. `turns`: it is this
    process's turn until it is warm; from then on samples are interleaved, each after a call that does not count.
    """
    clock = time.perf_counter
    net = subject.loaded.net
    ring = subject.accelerator.to_device(subject.inputs.ring)
    emit(phase_event(PREPARING))
    start = clock()
    runnable = subject.backend.prepare(net, subject.inputs.ring[0], subject.ask)
    prepare_s = clock() - start

    emit(phase_event("first prediction"))
    start = clock()
    first = runnable.step(ring[0])
    runnable.synchronize()
    first_prediction_s = clock() - start
    output_sha256 = checksum(first)
    load_before = background_load(case_clock.used, case_clock.use())

    emit(phase_event("warming"))
    runnable.warm(ring[0])
    calls = Calls(runnable.step, ring, runnable.synchronize)
    fill = receptive_field_of(net) if subject.spec.form == "frame" else 0
    rule = (INTERLEAVED_WARM_UP if turns else WarmUpRule())._replace(
        fill=fill, until=case_clock.until(WARMUP_TIME_SHARE)
    )
    warmed = warm_up(calls, clock, rule)

    hold_threads(subject.ask.threads)
    series = _take_series(calls, subject, case_clock, emit, turns)
    timing = Timing(
        load_s=subject.loaded.seconds,
        prepare_s=prepare_s,
        first_prediction_s=first_prediction_s,
        background_load_before=load_before,
        background_load=series.background_load,
        reference=series.reference,
        loop_overhead_s=series.loop_overhead_s,
        **timing_fields(warmed, series.sampling),
    )
    return TimedNetwork(net, runnable, timing, series.peak_rss_bytes, output_sha256, series.threads)


@dataclass(frozen=True)
class _Series:
    """The samples of a case, with their evidence."""

    sampling: Sampling
    background_load: float | None
    reference: ReferenceWorkload | None
    loop_overhead_s: float
    peak_rss_bytes: int | None  # before the samples
    threads: int  # of torch, when the last sample was taken


def _take_series(calls: Calls, subject: Subject, case_clock: CaseClock, emit: Emit, turns: Turns | None) -> _Series:
    """Take the samples of a network that is warm."""
    settings, accelerator = case_clock.settings, subject.accelerator
    instruments = Instruments(time.perf_counter, thread_seconds, KernelProbe())
    report = seldom(lambda done: emit(phase_event("sampling", done, max(done, settings.runs))), instruments.clock)
    emit(phase_event("sampling", 0, settings.runs))
    rss_bytes = peak_rss_bytes()  # without what the reference workload allocates

    def uncounted() -> None:
        calls.step(calls.inputs[0])
        calls.synchronize()

    work = workload_for(accelerator.device)
    read_reference = work.reader() if turns is None else tuple
    before_s = read_reference()
    hand_over = with_uncounted_call(turns.hand_over, uncounted) if turns else lambda: False
    if not hand_over():
        uncounted()  # the caches are the network's again
    timed = calls if subject.backend.own_stream else calls._replace(step=accelerator.with_device_clock(calls.step))
    rule = SamplingRule(settings.runs, settings.min_s, case_clock.until(SAMPLING_TIME_SHARE))
    gc.collect()
    with paused_collector():
        used = case_clock.use()
        sampling = sample(timed, instruments, rule, report, hand_over)
    threads = threads_in_force()
    load = background_load(used, case_clock.use())
    emit(Event(event="sampled"))
    readings_s = before_s + read_reference()
    with paused_collector():
        overhead_s = loop_overhead_s(instruments)
    reference = ReferenceWorkload(name=work.name, readings_s=readings_s) if readings_s else None
    return _Series(sampling, load, reference, overhead_s, rss_bytes, threads)


def counting_pass(
    spec: ModelSpec,
    net: Any,
    runnable: Runnable,
    example: Any,
    *,
    in_torch: bool = False,
    known: Counters | None = None,
    given: Example | None = None,
) -> tuple[Counters, tuple[str, ...]]:
    """The figures without noise: multiply-accumulates, parameters, bytes; and notes on those that are missing.

    The peak of allocated memory is only known of an engine that is `in_torch`. `known` are the counters of the same
    network on another engine: operations are taken from there, memory is not. `given` is the author's example.
    Comes after verification, which leaves the state filled: a fresh state may share memory that a filled one does not.
    """
    import torch

    from ...models.continual.ledger import state_by_kind

    with torch.inference_mode():
        peak = peak_allocated_bytes(runnable, net, example) if in_torch else None
        state = runnable.state_tensors()
        kinds = state_by_kind(net, state)
    counted, notes = known, ()
    if counted is None:
        from .counting import count

        with torch.no_grad():
            counted = count(net, spec, given)
        notes = counted.notes
    counters = Counters(
        macs=counted.macs,
        macs_once=counted.macs_once,
        macs_functional=counted.macs_functional,
        macs_aten=counted.macs_aten,
        flops_torch=counted.flops_torch,
        counter=counted.counter,
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        weights_bytes=tensor_bytes(weights(net)),
        state_bytes=tensor_bytes(state),
        state_bytes_by_kind={kind: share.bytes for kind, share in kinds.items()} if kinds else None,
        input_bytes=tensor_bytes(tensors_of(example)),
        peak_allocated_bytes=peak,
    )
    return counters, notes


@contextmanager
def undisturbed(timing: Timing) -> Iterator[None]:
    """For passes that are not timed: one thread of torch where other work keeps a core busy. Several would wait, at
    every operator, for the one that lost its core, which takes up to a hundred times as long."""
    import torch

    threads = torch.get_num_threads()
    if (timing.background_load or 0.0) > MAX_BACKGROUND_SHARE * len(os.sched_getaffinity(0)):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def checksum(output: Any) -> str | None:
    """The sha256 of a prediction as float32; None where it is not one tensor."""
    import torch

    if not isinstance(output, torch.Tensor):
        return None
    return hashlib.sha256(output.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest()
