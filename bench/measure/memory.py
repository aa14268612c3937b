"""How many bytes are allocated at once while one prediction is made: from the allocator's own events.

What it counts: every tensor PyTorch's allocator hands out on the CPU. What it does not: buffers that a library
takes from the system by itself, code, the interpreter. Those are in the resident memory, a figure of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ...models.inputs import tensors_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ...models.inputs import Input

_MEMORY_EVENT = "[memory]"


def tensor_bytes(tensors: Iterable[Tensor]) -> int:
    """The size of the elements, each tensor counted."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def held_bytes(tensors: Iterable[Tensor]) -> int:
    """The memory behind the tensors, each storage counted once; more than `tensor_bytes` where views hold more."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def weights(net: nn.Module) -> list[Tensor]:
    """Parameters and buffers."""
    return [*net.parameters(), *net.buffers()]


def peak_transient_bytes(call: Callable[[], Any]) -> int:
    """The most bytes that were allocated above the level before the call, at any moment of `call()`.

    Deterministic, because sizes and order of the calling thread's allocations are: the same to the byte on every
    run. Call the network once before, so that what is allocated only once is not counted.
    """
    # What `torch.profiler.profile` wraps: that one loads torch's compiler first, which takes a second or two.
    from torch.autograd.profiler import profile

    trace: Any
    with profile(use_cpu=True, profile_memory=True) as trace:
        result = call()
    del result
    # The events as they were recorded; torch's public summaries keep only sums by operator.
    raw = trace.kineto_results
    events = [event for event in raw.events() if event.name() == _MEMORY_EVENT]
    level = highest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        level += event.nbytes()
        highest = max(highest, level)
    return highest


def peak_allocated_bytes(runnable: Any, net: nn.Module, example: Input) -> int:
    """Weights, state and input, plus the highest transient of one `runnable.step(example)`.

    The state is counted as it is, so let the runnable see its receptive field first.
    """
    runnable.step(example)
    runnable.synchronize()

    def call() -> None:
        runnable.step(example)
        runnable.synchronize()

    persistent = held_bytes([*weights(net), *runnable.state_tensors(), *tensors_of(example)])
    return persistent + peak_transient_bytes(call)
