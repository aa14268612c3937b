"""The passes over one case, each on its own so that none disturbs another.

Timing comes first: the first prediction must be the process's first call of the network, and peak resident memory
must be that of loading and timing alone. Verification and counting follow.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..devices.host import HostFacts
from ..models.spec import ModelSpec
from .accelerator import Accelerator
from .backends import Ask, Backend, Runnable
from .case import WeightsFile
from .facts import reach
from .input import Inputs
from .job import Event, phase_event
from .measure import WarmUpRule, sample, warm_up
from .memory import peak_allocated_bytes, tensor_bytes, weights
from .pace import Pace, memory_file, pace_key, remember, remembered, usual
from .pace_work import pace_work
from .probe import KernelProbe, UseProbe, others, peak_rss_bytes
from .record import Counters, Settings, Timing
from .resample import further, middle_of_most
from .stats import MAX_OTHERS
from .turns import Turns, settled
from .weights import put_into

WEIGHTS_SEED = 0
# How often the parent hears of the sampling. Seldom: each time it wakes, it takes a core for a moment.
REPORT_EVERY_S = 2.0
# How long other processes are listened to before the warm-up: 50 ticks of the kernel's.
LISTEN_S = 0.5
WARMUP_KEPT = 100
# Where two take turns, a machine that is restless is so for both: only the network itself has to come to rest.
IN_TURN = WarmUpRule(max_predictions=30, max_seconds=1.5)
# Of the time a case may take, when warming up and sampling end at the latest: verification and counting follow.
WARMUP_TIME_SHARE = 0.2
SAMPLING_TIME_SHARE = 0.5

Emit = Callable[[Event], None]


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
    begun: float,
    turns: Turns | None = None,
) -> Timed:
    """Predict for the first time, listen to what others do, warm up, take the samples.

    `begun` is when the case was, by `time.perf_counter`: where calls are so slow that the case would be stopped among
    them, samples end at half of its time, and what was measured is kept. With `turns` it begins in one, which lasts
    until it is warm, and from then on samples are taken in turn, each behind a call that does not count.
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

    use = UseProbe()
    others_before = None
    if turns is None:  # else whatever others do meets both alike
        emit(phase_event("listening"))
        quiet_begin = use()
        time.sleep(LISTEN_S)
        others_before = others(quiet_begin, use())

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
        until=begun + WARMUP_TIME_SHARE * settings.timeout_s,
    )

    probe = KernelProbe()
    report = _seldom(emit, settings.runs, clock)
    emit(phase_event("sampling", 0, settings.runs))
    rss_bytes = peak_rss_bytes()  # without what the pace allocates
    work = pace_work(accelerator.device)
    key = pace_key(host, backend.name, ask.threads, work.name)
    usual_pace_s = usual(remembered(key, memory_file()))

    def uncounted() -> None:
        runnable.step(ring[0])
        runnable.synchronize()

    hand_over = settled(turns.hand_over, uncounted) if turns else lambda: False
    hand_over()
    sampling_begin = use()
    sampling = sample(
        runnable.step if backend.own_stream else accelerator.clocked(runnable.step),
        ring,
        settings.runs,
        clock=clock,
        cpu_clock=time.thread_time,
        synchronize=runnable.synchronize,
        probe=probe,
        pace=Pace(work),
        work_clock=time.process_time if accelerator.device == "cpu" else None,
        usual_pace_s=usual_pace_s,
        further=further(settings),
        until=begun + SAMPLING_TIME_SHARE * settings.timeout_s,
        on_sample=report,
        hand_over=hand_over,
    )
    others_meanwhile = others(sampling_begin, use())
    samples = sampling.samples
    if samples.pace_s:
        remember(key, middle_of_most(samples.pace_s), usual_pace_s, memory_file())
    emit(Event(event="sampled"))
    timing = Timing(
        load_s=loaded.seconds,
        prepare_s=prepare_s,
        first_prediction_s=first_prediction_s,
        warmup_predictions=len(warmed.latency_s),
        warmup_s=warmed.seconds,
        warmup_steady=warmed.steady,
        warmup_latency_s=list(warmed.latency_s[-WARMUP_KEPT:]),
        others_before=others_before,
        others_meanwhile=others_meanwhile,
        samples=samples,
        pace_work=work.name if samples.pace_s else None,
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
    spec: ModelSpec, timed: Timed, inputs: Inputs, in_torch: bool, emit: Emit
) -> tuple[Counters, tuple[str, ...]]:
    """The figures without noise: multiply-accumulates, parameters, bytes; and notes on those that are missing.

    Comes after verification, which leaves the state filled: a fresh state may share memory that a filled one does not.
    """
    import torch

    from ..models.continual.ledger import state_by_kind
    from .counting import count

    emit(phase_event("counting"))
    net, example = timed.net, inputs.ring[0]
    with torch.inference_mode():
        peak = peak_allocated_bytes(timed.runnable, net, example) if in_torch else None
        state = timed.runnable.state_tensors()
        kinds = state_by_kind(net, state)
    with torch.no_grad():
        counted = count(net, spec)
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
    return counters, counted.notes


@contextmanager
def undisturbed(timing: Timing) -> Iterator[None]:
    """For what is not timed: one thread of torch's where other work kept a core busy. Several would wait for the one
    that has lost its core, at every operator, a hundred times as long."""
    import torch

    threads = torch.get_num_threads()
    if (timing.others_meanwhile or 0.0) > MAX_OTHERS:
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
