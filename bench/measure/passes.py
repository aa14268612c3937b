"""The passes over one case, each on its own so that none disturbs another.

Timing comes first: the first prediction must be the process's first call of the network, and peak resident memory
must be that of loading and timing alone. Verification and counting follow.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...devices.host import HostFacts
from ...models.spec import ModelSpec
from ..backends import Ask, Backend, Runnable
from ..plan.weights import put_into
from ..record.case import WeightsFile
from ..record.facts import reach
from ..record.record import Counters, ReferenceWorkload, Settings, Timing
from ..stats.summary import MAX_BACKGROUND_SHARE
from .accelerator import Accelerator
from .input import Inputs
from .job import Event, phase_event
from .loop import WarmUpRule, sample, warm_up
from .memory import peak_allocated_bytes, tensor_bytes, weights
from .probe import KernelProbe, Use, UseProbe, background_load, peak_rss_bytes
from .reference_workload import workload_for
from .turns import Turns, settled

WEIGHTS_SEED = 0
# How often the parent hears of the sampling. Seldom: each time it wakes, it takes a core for a moment.
REPORT_EVERY_S = 2.0
WARMUP_KEPT = 100
# Where two are interleaved, a noisy machine is so for both: only the network itself has to be warm.
IN_TURN = WarmUpRule(max_predictions=30, max_seconds=1.5)
# Of the time a case may take, when warming up and sampling end at the latest: verification and counting follow.
WARMUP_TIME_SHARE = 0.2
SAMPLING_TIME_SHARE = 0.5

Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Begun:
    """The moment at which a case began, by `time.perf_counter`, and how the cores had been used by then."""

    at_s: float
    use: UseProbe
    used: Use | None

    @classmethod
    def now(cls) -> Begun:
        use = UseProbe()
        return cls(time.perf_counter(), use, use())


@dataclass(frozen=True)
class Loaded:
    """The network in eval mode, and how long it took to build it."""

    net: Any
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Timed:
    """The network, ready and timed, for the passes that follow."""

    net: Any
    runnable: Runnable
    timing: Timing
    peak_rss_bytes: int | None
    output_sha256: str | None


def load(spec: ModelSpec, weights_file: WeightsFile | None = None) -> Loaded:
    """Build the network with seeded weights, and put those of the file into it, if there is one.

    Not in inference mode: a weight made there can neither be exported nor seen by every counter.
    """
    import torch

    start = time.perf_counter()
    torch.manual_seed(WEIGHTS_SEED)
    net = spec.build().eval()
    notes = put_into(net, spec, weights_file) if weights_file else ()
    return Loaded(net, time.perf_counter() - start, notes)


def timing_pass(
    loaded: Loaded,
    spec: ModelSpec,
    backend: Backend,
    ask: Ask,
    inputs: Inputs,
    settings: Settings,
    host: HostFacts,
    accelerator: Accelerator,
    emit: Emit,
    begun: Begun,
    turns: Turns | None = None,
) -> Timed:
    """Predict for the first time, look at the load of others, warm up, take the samples.

    `begun` is when the case was: where calls are so slow that the case would be stopped among them, samples end at half
    of its time, and what was measured is kept; and what others did since then is the load before.
    With `turns` it begins in one, which lasts until it is warm, and from then on samples are taken in turn, each behind
    a call that does not count.
    """
    clock = time.perf_counter
    net = loaded.net
    ring = accelerator.place(inputs.ring)
    start = clock()
    runnable = backend.prepare(net, inputs.ring[0], ask)
    prepare_s = clock() - start

    emit(phase_event("first prediction"))
    start = clock()
    first = runnable.step(ring[0])
    runnable.synchronize()
    first_prediction_s = clock() - start
    output_sha256 = checksum(first)

    use = begun.use
    load_before = background_load(begun.used, use())

    emit(phase_event("warming"))
    runnable.warm(ring[0])
    fill = reach(net) if spec.form == "frame" else 0
    warmed = warm_up(
        runnable.step,
        ring,
        fill=fill,
        clock=clock,
        synchronize=runnable.synchronize,
        rule=IN_TURN if turns else WarmUpRule(),
        until=begun.at_s + WARMUP_TIME_SHARE * settings.timeout_s,
    )

    probe = KernelProbe()
    report = _seldom(emit, settings.runs, clock)
    emit(phase_event("sampling", 0, settings.runs))
    rss_bytes = peak_rss_bytes()  # without what the reference workload allocates

    def uncounted() -> None:
        runnable.step(ring[0])
        runnable.synchronize()

    work = workload_for(accelerator.device)
    read_reference = work.reader() if turns is None else tuple
    before = read_reference()
    hand_over = settled(turns.hand_over, uncounted) if turns else lambda: False
    if not hand_over():
        uncounted()  # the caches are the network's again
    sampling_begin = use()
    sampling = sample(
        runnable.step if backend.own_stream else accelerator.clocked(runnable.step),
        ring,
        settings.runs,
        clock=clock,
        cpu_clock=time.thread_time,
        synchronize=runnable.synchronize,
        probe=probe,
        min_s=settings.min_s,
        until=begun.at_s + SAMPLING_TIME_SHARE * settings.timeout_s,
        on_sample=report,
        hand_over=hand_over,
    )
    load = background_load(sampling_begin, use())
    emit(Event(event="sampled"))
    readings_s = before + read_reference()
    timing = Timing(
        load_s=loaded.seconds,
        prepare_s=prepare_s,
        first_prediction_s=first_prediction_s,
        warmup_predictions=len(warmed.latency_s),
        warmup_s=warmed.seconds,
        warmup_stable=warmed.stable,
        warmup_latency_s=list(warmed.latency_s[-WARMUP_KEPT:]),
        background_load_before=load_before,
        background_load=load,
        samples=sampling.samples,
        reference=ReferenceWorkload(name=work.name, readings_s=readings_s) if readings_s else None,
        sampling_wall_s=sampling.wall_s,
        loop_overhead_s=loop_overhead_s(clock),
        harness_cpu_share=sampling.own_cpu_s / sampling.wall_s,
    )
    return Timed(net, runnable, timing, rss_bytes, output_sha256)


def loop_overhead_s(clock: Callable[[], float], runs: int = 50) -> float:
    """Seconds the timed loop takes for each sample of a network that does nothing, its probe included."""
    empty = sample(
        lambda x: None,
        (None,),
        runs,
        clock=clock,
        cpu_clock=time.thread_time,
        synchronize=lambda: None,
        probe=KernelProbe(),
    )
    return empty.wall_s / runs


def counting_pass(
    spec: ModelSpec, timed: Timed, inputs: Inputs, in_torch: bool, emit: Emit, known: Counters | None = None
) -> tuple[Counters, tuple[str, ...]]:
    """The figures without noise: multiply-accumulates, parameters, bytes; and notes on those that are missing.

    `known` are those of the same network on another engine: operations are taken from there, memory is not.
    Comes after verification, which leaves the state filled: a fresh state may share memory that a filled one does not.
    """
    import torch

    from ...models.continual.ledger import state_by_kind

    emit(phase_event("counting"))
    net, example = timed.net, inputs.ring[0]
    with torch.inference_mode():
        peak = peak_allocated_bytes(timed.runnable, net, example) if in_torch else None
        state = timed.runnable.state_tensors()
        kinds = state_by_kind(net, state)
    counted, notes = known, ()
    if counted is None:
        from .counting import count

        with torch.no_grad():
            counted = count(net, spec)
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
        input_bytes=tensor_bytes([example]),
        peak_allocated_bytes=peak,
    )
    return counters, notes


@contextmanager
def undisturbed(timing: Timing) -> Iterator[None]:
    """For what is not timed: one thread of torch's where other work kept a core busy. Several would wait for the one
    that has lost its core, at every operator, a hundred times as long."""
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


def _seldom(emit: Emit, total: int, clock: Callable[[], float]) -> Callable[[int], None]:
    last = clock()

    def report(done: int) -> None:
        nonlocal last
        now = clock()
        if now - last >= REPORT_EVERY_S:
            last = now
            emit(phase_event("sampling", done, max(done, total)))

    return report
