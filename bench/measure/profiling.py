"""Takes a profile: the network prepared and warmed up as for a case, timed without tracing, then traced.

In a process that has done nothing else: `co3d-bench profile` is one, and calls `prepare_process` before torch loads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ...devices.host import read_host
from ...devices.profile import DeviceProfile
from ...models.spec import ModelSpec
from ..backends import Ask, Backend, Runnable, list_backends
from ..errors import UserError
from ..profile.operator_profile import Ceilings, Profile, between_s, rows_by_kind
from ..profile.trace import (
    SETTLING_STEPS,
    STEP,
    Traced,
    TracedSteps,
    join,
    operators_of,
    timed_steps,
    torch_events,
    tracing,
)
from ..record.case import Case
from ..record.environment import Checkout, make_environment, read_versions
from ..record.facts import model_facts, receptive_field_of
from ..stats.summary import median_absolute_deviation
from .allocator import keep_freed_memory
from .ceilings import measure_ceilings
from .in_force import limit_inter_op
from .input import make_inputs
from .loop import Calls, Clock, WarmUpRule, warm_up
from .passes import load

if TYPE_CHECKING:
    from ..record.case import WeightsFile

STEPS = 20
NO_CHECKOUT = Checkout()
# Above this share of a step between operators, the trace does not show where the time goes.
_UNSEEN_SHARE = 0.5
# Operators below it need no rule.
_NEGLIGIBLE_SHARE = 0.01
# As for the samples of a case.
_NOISY_SHARE = 0.05


def check_backend(backend: Backend) -> None:
    """Raises UserError for a backend that is not installed, or whose operators cannot be traced."""
    if not (backend.in_torch or backend.traces_itself):
        can = ", ".join(each.name for each in list_backends() if each.in_torch or each.traces_itself)
        raise UserError(f"--backend {backend.name}: it does not report its operators; these can be profiled: {can}")
    if lacks := backend.missing():
        raise UserError(f"--backend {backend.name}: {lacks}")


def check_device(profile: DeviceProfile) -> None:
    """Raises UserError for a device other than the CPU: the host only starts its operators, and cannot time them."""
    if profile.torch_device != "cpu":
        raise UserError(
            f"--device {profile.name}: profiles are taken on the CPU, not on {profile.torch_device}, so far"
        )


def prepare_process(threads: int) -> None:
    """Set up a measuring process. Call it before torch is loaded, since its libraries read the settings on loading."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    # Compiled kernels report to the profiler only if they were compiled for it.
    os.environ["TORCHINDUCTOR_CPP_ENABLE_KERNEL_PROFILE"] = "1"
    import torch

    torch.set_num_threads(threads)


def take_profile(
    case: Case,
    spec: ModelSpec,
    backend: Backend,
    *,
    steps: int = STEPS,
    weights: WeightsFile | None = None,
    classes: int | None = None,
    video: Path | None = None,
    checkout: Checkout = NO_CHECKOUT,
    ceilings: Callable[[Clock], Ceilings] = measure_ceilings,
    clock: Clock = time.perf_counter,
) -> Profile:
    """Profile one case. Whatever goes wrong in the network or the backend is raised."""
    allocator = keep_freed_memory()
    import torch

    started = datetime.now(timezone.utc)
    host = read_host()
    loaded = load(spec, weights, classes)
    limit_inter_op()
    inputs = make_inputs(spec, case.batch, case.input, video, loaded.example)
    limits = ceilings(clock)
    with torch.inference_mode():
        ask = Ask(case.precision, case.threads, inputs.ring, traced=backend.traces_itself)
        runnable = backend.prepare(loaded.net, inputs.ring[0], ask)
        runnable.step(inputs.ring[0])
        runnable.warm(inputs.ring[0])
        fill = receptive_field_of(loaded.net) if spec.form == "frame" else 0
        warm_up(Calls(runnable.step, inputs.ring, runnable.synchronize), clock, WarmUpRule(fill))
        # Before and after tracing, so that a machine that becomes slower meanwhile slows both alike.
        plain = timed_steps(runnable, islice(cycle(inputs.ring), steps), clock)
        trace = trace_own_steps if backend.traces_itself else trace_steps
        traced, traced_times = trace(runnable, inputs.ring, steps, clock)
        plain += timed_steps(runnable, islice(cycle(inputs.ring), steps), clock)
    profile = Profile(
        started_at=started.isoformat(timespec="milliseconds"),
        case=case,
        model=model_facts(loaded.spec, loaded.net, weights),
        environment=make_environment(
            host,
            checkout,
            read_versions(),
            intra_op_threads=torch.get_num_threads(),
            inter_op_threads=torch.get_num_interop_threads(),
            allocator=allocator,
        ),
        engine=runnable.engine(),
        ceilings=limits if traced.event_s is None else limits.model_copy(update={"event_s": traced.event_s}),
        steps=steps,
        step_s=median(plain),
        step_mad_s=median_absolute_deviation(plain),
        traced_step_s=median(traced_times),
        events=traced.events,
        operators=traced.operators,
    )
    return profile.model_copy(update={"notes": inputs.notes + loaded.notes + spec.notes() + _notes(profile)})


def trace_steps(runnable: Runnable, ring: Sequence[Any], steps: int, clock: Clock) -> tuple[Traced, list[float]]:
    """The operators of `steps` steps, and how long each step took while it was traced."""
    from torch.profiler import record_function

    found = []
    with tracing() as trace:
        for x in islice(cycle(ring), SETTLING_STEPS):
            runnable.step(x)
        for x in islice(cycle(ring), steps):
            with record_function(STEP):
                start = clock()
                runnable.step(x)
                runnable.synchronize()
                found.append(clock() - start)
    return operators_of(torch_events(trace)), found


def trace_own_steps(runnable: Any, ring: Sequence[Any], steps: int, clock: Clock) -> tuple[Traced, list[float]]:
    """The same from an engine that traces its own calls."""
    traced: TracedSteps = runnable.traced_steps(list(islice(cycle(ring), steps)), clock)
    return Traced(join(traced.steps), float(len(traced.steps[0])), traced.event_s), list(traced.times_s)


def _notes(profile: Profile) -> tuple[str, ...]:
    unknown = [row for row in rows_by_kind(profile) if row.bound is None and row.share > _NEGLIGIBLE_SHARE]
    found = []
    if unknown:
        found.append(f"no rule for the work of {', '.join(name for row in unknown for name in row.names)}")
    if profile.step_mad_s > _NOISY_SHARE * profile.step_s:
        found.append(
            f"noisy: the typical plain step is {100 * profile.step_mad_s / profile.step_s:.0f} % off the median, so "
            "that the time between operators includes background load"
        )
    elif between_s(profile) > _UNSEEN_SHARE * profile.step_s:
        found.append("most of the step lies between the operators: the engine works where the trace does not see it")
    return tuple(found)
