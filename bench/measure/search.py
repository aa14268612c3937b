"""The search behind `--batch auto`, in a process of its own: 1, 2, 4, ... until memory or time would run out.

Each batch is tried as a case would run it: its inputs, its engine, a few timed calls, and the eager network for
verification. Memory is predicted before it is allocated (`bench/stats/batch.py`); a limit on the process is a second
guard, which makes an allocation fail before the kernel kills a process.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.inputs import batch_of, call
from ...models.spec import ModelSpec, is_frame_network
from ..backends import Ask, Backend, get_backend
from ..errors import UserError
from ..record.facts import receptive_field_of
from ..record.failure import failure_of
from ..record.record import BatchSearch, BatchTrial
from ..stats.batch import Limits, why_not
from .accelerator import Accelerator, Memory, accelerator_of
from .allocator import keep_freed_memory
from .answers import why_not_by_rows
from .in_force import limit_inter_op
from .input import make_inputs
from .job import Event, Job, phase_event
from .passes import Emit, Loaded, load
from .probe import peak_rss_bytes

if TYPE_CHECKING:
    from ...models.inputs import Input

# Share of the free memory that a search may take; the rest is for the system and the other passes of a case.
MEMORY_SHARE = 0.9
# Share of a case's time limit for its predictions; the rest is for verification and counting.
TIME_SHARE = 0.5
FIRST_BATCH = 2  # the smallest that can be answered row by row
WARM_CALLS = 2
TIMED_CALLS = 5
TRIAL_S = 5.0  # beyond this a trial ends with two timed calls
# A case warms up by about so many predictions besides a frame network's receptive field.
_WARM_UP = 12


def search_batches(job: Job, spec: ModelSpec, emit: Emit) -> BatchSearch:
    """Try batches by doubling. An error at batch 1 is raised; at a larger one it ends the search."""
    keep_freed_memory()  # as a case does: else its calls would be slower here
    import torch

    torch.set_num_threads(job.case.threads)
    backend = get_backend(job.case.backend)
    if backend.external:
        raise UserError(f"--batch auto: {backend.name} is an external engine; name the batches to measure")
    emit(phase_event("loading"))
    accelerator = accelerator_of(job, backend)
    loaded = load(spec, job.weights, job.classes)
    net = loaded.net
    limit_inter_op()
    limits = _limits(job, net, accelerator.memory)
    accelerator.memory.limit_to(limits.memory_bytes - limits.base_bytes)
    trials: list[BatchTrial] = []
    batch = 1
    while True:
        emit(phase_event(f"trying batch {batch}"))
        try:
            trial = _run_trial(job, spec, loaded, backend, accelerator, batch)
        except Exception as error:
            if not trials:
                raise
            failure = failure_of(error)
            stopped = f"{batch} failed ({failure.kind}): {failure.message}"
            break
        emit(Event(event="tried", trial=trial))
        trials.append(trial)
        if why := why_not(trial, limits):
            stopped = why
            break
        batch *= 2
        gc.collect()
    return BatchSearch(trials=tuple(trials), memory_bytes=limits.memory_bytes, stopped=stopped)


def _run_trial(
    job: Job, spec: ModelSpec, loaded: Loaded, backend: Backend, accelerator: Accelerator, batch: int
) -> BatchTrial:
    import torch

    net = loaded.net
    accelerator.memory.restart()
    clock = time.perf_counter
    latencies: list[float] = []
    with torch.inference_mode():
        if batch == FIRST_BATCH and (cause := why_not_by_rows(net, loaded.example, batch)):
            raise UserError(cause.text)
        inputs = make_inputs(spec, batch, job.case.input, Path(job.video) if job.video else None, loaded.example).ring
        ask = Ask(job.case.precision, job.case.threads, calibration=inputs, device=accelerator.device)
        runnable = backend.prepare(net, inputs[0], ask)
        ring = accelerator.to_device(inputs)
        begin = clock()
        for call in range(WARM_CALLS + TIMED_CALLS):
            start = clock()
            runnable.step(ring[call % len(ring)])
            runnable.synchronize()
            end = clock()
            if call == 0:
                runnable.warm(ring[0])
            if call >= WARM_CALLS:
                latencies.append(end - start)
            if len(latencies) > 1 and end - begin > TRIAL_S:
                break
        _call_eager(net, inputs[0])
        held = accelerator.memory.peak_bytes()
    device_bytes = None if job.torch_device == "cpu" else held
    return BatchTrial(
        batch=batch, latency_s=latencies, peak_rss_bytes=peak_rss_bytes() or 0, peak_device_bytes=device_bytes
    )


def _call_eager(net: Any, x: Input) -> None:
    """Call the network as verification does, since that takes memory as well."""
    if is_frame_network(net):
        net.step(x, net.initial_state(batch_of(net, x)))
    else:
        call(net, x)


def _limits(job: Job, net: Any, memory: Memory) -> Limits:
    base = memory.base_bytes()
    # A frame network fills its receptive field before it is timed and again while it is verified.
    fill = 2 * receptive_field_of(net) if is_frame_network(net) else 0
    return Limits(
        base_bytes=base,
        memory_bytes=base + int(MEMORY_SHARE * memory.free_bytes()),
        calls=job.settings.runs + _WARM_UP + fill,
        seconds=TIME_SHARE * job.settings.timeout_s,
    )
