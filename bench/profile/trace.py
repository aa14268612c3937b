"""From the events of a trace to operators: which of them do the work, how often, and how long.

Operators call operators (`conv2d` calls `convolution` calls ...), and each is an event inside the other. Counted is
the outermost one whose work is known (`work.py`), once, with all that lies inside. Of what has no rule, the outermost
that holds none with a rule is counted, without work. The rest of a step is between operators.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from .operator_profile import Operator
from .work import VIEWS, Argument, Call, Shape, Work, moves_nothing, work_of

# The mark around each traced step.
STEP = "co3d-bench step"
# Steps before the traced ones: tracing is slow at first.
SETTLING_STEPS = 2

Clock = Callable[[], float]  # seconds from any origin


@dataclass(frozen=True)
class Event:
    """One operator as it was recorded; nanoseconds from any origin."""

    name: str
    start_ns: int
    end_ns: int
    arguments: tuple[Argument, ...] = ()


@dataclass
class _Node:
    event: Event
    inside: list[_Node] = field(default_factory=list)

    def all_inside(self) -> Iterator[_Node]:
        for node in self.inside:
            yield node
            yield from node.all_inside()


@dataclass(frozen=True)
class TracedCall:
    """One call that counts, in one step."""

    name: str  # as the engine calls it
    shapes: tuple[Shape, ...]  # of the tensors it was given
    work: Work | None  # None where no rule knows
    kind: str
    time_ns: int
    events: int = 0  # recorded inside it

    @property
    def identity(self) -> tuple[Any, ...]:
        """Calls that agree in this are one operator of the profile."""
        return self.name, self.shapes, self.work, self.kind


@dataclass(frozen=True)
class TracedSteps:
    """Steps as an engine traced them by its own clock."""

    steps: tuple[Sequence[TracedCall], ...]  # the calls of each step, or one step with the mean of all
    times_s: tuple[float, ...]  # that each step took while it was traced
    event_s: float | None = None  # cost of one event inside a call; None where there are none


# (state to go on from, inputs of the steps, clock) -> steps as the engine traced them
TraceFrom = Callable[[Sequence[Any], Sequence[Any], Clock], TracedSteps]


@dataclass(frozen=True)
class Traced:
    """The operators of one step, and how many events a step recorded."""

    operators: tuple[Operator, ...]
    events: float
    event_s: float | None = None  # cost of one event, where it differs from that of torch


def timed_steps(runnable: Any, xs: Iterable[Any], clock: Clock) -> list[float]:
    """Seconds of a step on each of the inputs."""
    found = []
    for x in xs:
        start = clock()
        runnable.step(x)
        runnable.synchronize()
        found.append(clock() - start)
    return found


def operators_of(events: Iterable[Event]) -> Traced:
    """The operators inside the steps; times are medians over the steps, calls and events are means.

    `events` are of one thread; those outside the steps are left out.
    """
    steps = [node for node in _tree(events) if node.event.name == STEP]
    if not steps:
        return Traced((), 0.0)
    recorded = sum(1 for step in steps for _ in step.all_inside())
    return Traced(join([list(_counted(step.inside)) for step in steps]), recorded / len(steps))


def join(steps: Sequence[Sequence[TracedCall]]) -> tuple[Operator, ...]:
    """The calls of all steps as the operators of one step, the most expensive first."""
    alike: dict[tuple[Any, ...], TracedCall] = {found.identity: found for step in steps for found in step}
    times = [_totals(step, lambda found: found.time_ns) for step in steps]
    calls = _totals((found for step in steps for found in step), lambda found: 1)
    inside = _totals((found for step in steps for found in step), lambda found: found.events)
    operators = [
        Operator(
            name=found.name,
            kind=found.kind,
            shapes=found.shapes,
            calls=calls[same] / len(steps),
            traced_s=median(step[same] for step in times) / 1e9,
            events=inside[same] / len(steps),
            macs=found.work.macs if found.work else None,
            moved_bytes=found.work.moved_bytes if found.work else None,
        )
        for same, found in alike.items()
    ]
    return tuple(sorted(operators, key=lambda operator: -operator.traced_s))


def _totals(found: Iterable[TracedCall], value: Callable[[TracedCall], int]) -> Counter[tuple[Any, ...]]:
    total: Counter[tuple[Any, ...]] = Counter()
    for each in found:
        total[each.identity] += value(each)
    return total


def _tree(events: Iterable[Event]) -> list[_Node]:
    """Events inside events, by their times; the outermost ones."""
    outermost: list[_Node] = []
    open_: list[_Node] = []
    for event in sorted(events, key=lambda event: (event.start_ns, -event.end_ns)):
        node = _Node(event)
        while open_ and (open_[-1].event.end_ns < event.end_ns or open_[-1].event.end_ns <= event.start_ns):
            open_.pop()
        (open_[-1].inside if open_ else outermost).append(node)
        open_.append(node)
    return outermost


def _counted(nodes: Iterable[_Node]) -> Iterator[TracedCall]:
    for node in nodes:
        event = node.event
        work = _work(event)
        if work is not None:
            shapes = tuple(shape for argument in event.arguments for shape in argument.shapes)
            yield _call(node, event.name, shapes, work, work.kind)
        elif any(_work(inner.event) is not None for inner in node.all_inside()):
            yield from _counted(node.inside)
        elif moves_nothing(event.name):
            yield _call(node, VIEWS, (), Work(VIEWS, 0, 0), VIEWS)
        else:
            shapes = tuple(shape for argument in event.arguments for shape in argument.shapes)
            yield _call(node, event.name, shapes, None, event.name)


def _call(node: _Node, name: str, shapes: tuple[Shape, ...], work: Work | None, kind: str) -> TracedCall:
    event = node.event
    inside = sum(1 for _ in node.all_inside())
    return TracedCall(name, shapes, work, kind, event.end_ns - event.start_ns, inside)


def _work(event: Event) -> Work | None:
    return work_of(Call(event.name, event.arguments))


@contextmanager
def tracing() -> Iterator[Any]:
    """torch's profiler with what a profile needs: operators of the CPU, with their shapes."""
    from torch.profiler import ProfilerActivity, profile

    with _silent_stderr(), profile(activities=[ProfilerActivity.CPU], record_shapes=True) as trace:
        yield trace


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discards what the profiler writes to standard error when it starts and stops."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def torch_events(trace: Any) -> list[Event]:
    """The events of a finished `torch.profiler.profile` with shapes, of the thread that ran the steps."""
    raw = trace.profiler.kineto_results.events()
    threads = {event.start_thread_id() for event in raw if event.name() == STEP}
    return [
        Event(event.name(), event.start_ns(), event.start_ns() + event.duration_ns(), _arguments(event))
        for event in raw
        if event.start_thread_id() in threads
    ]


# Element types as the profiler writes them.
_ITEMSIZES = {
    "float": 4,
    "double": 8,
    "int": 4,
    "long int": 8,
    "long": 8,
    "short": 2,
    "signed char": 1,
    "unsigned char": 1,
    "bool": 1,
    "c10::Half": 2,
    "c10::BFloat16": 2,
}


def _arguments(event: Any) -> tuple[Argument, ...]:
    # Only newer versions of torch give the shapes of each tensor of a list.
    shapes = getattr(event, "structured_input_shapes", event.shapes)()
    return tuple(_argument(*each) for each in zip(shapes, event.dtypes(), event.concrete_inputs(), strict=False))


def _argument(shape: Sequence[Any], dtype: str, value: Any) -> Argument:
    if shape and isinstance(shape[0], list | tuple):
        return Argument(tuple(tuple(each) for each in shape), _ITEMSIZES.get(dtype, 4))
    if dtype in _ITEMSIZES and value in (None, ""):
        return Argument((tuple(shape),), _ITEMSIZES[dtype])
    return Argument(value=tuple(value) if isinstance(value, list) else None if value == "" else value)
