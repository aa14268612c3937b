"""What a CUDA device adds to a case: switches that are set and recorded, its own clock, its memory, its copies.

Every function takes the module it works on (`torch`, or a stand-in), so that tests need no card. Untested on hardware.
The figure of a prediction stays the wall clock around a synchronised call, as a user waits for it: kernels alone leave
out the launches, which on a board's slow cores are most of a small step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..devices.host import free_memory_bytes
from ..devices.root import THIS_MACHINE, Root
from .cuda_facts import CudaFacts, CudaFlags, CudaMemory
from .stats import median

# Copies of an input and of an answer, each synchronised.
COPIES = 20


def set_flags(torch: Any, *, tf32: bool = False, benchmark: bool = True) -> CudaFlags:
    """Say explicitly what torch would otherwise decide by its version; what then holds.

    TF32 is off: with it, fp32 on an Ampere card computes with 10 bits of mantissa. cuDNN's benchmark is on: shapes do
    not change, and it chooses during the warm-up.
    """
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = benchmark
    return CudaFlags(
        cudnn_benchmark=torch.backends.cudnn.benchmark,
        cudnn_tf32=torch.backends.cudnn.allow_tf32,
        matmul_tf32=torch.backends.cuda.matmul.allow_tf32,
    )


def read_facts(torch: Any, flags: CudaFlags) -> CudaFacts:
    """The current device and its software."""
    major, minor = torch.cuda.get_device_capability()
    version = torch.backends.cudnn.version()
    return CudaFacts(
        name=torch.cuda.get_device_name(),
        capability=f"{major}.{minor}",
        cuda=torch.version.cuda,
        cudnn=None if version is None else str(version),
        flags=flags,
    )


class DeviceClock:
    """Events around each call of a step, on the current stream. They are read when all is over: asking would wait."""

    def __init__(self, cuda: Any, step: Callable[[Any], Any]) -> None:
        self._cuda = cuda
        self._step = step
        self._pairs: list[tuple[Any, Any]] = []

    def __call__(self, x: Any) -> Any:
        begin, end = self._cuda.Event(enable_timing=True), self._cuda.Event(enable_timing=True)
        begin.record()
        y = self._step(x)
        end.record()
        self._pairs.append((begin, end))
        return y

    def seconds(self) -> list[float]:
        """What the device took for each call so far."""
        self._cuda.synchronize()
        return [begin.elapsed_time(end) / 1e3 for begin, end in self._pairs]  # it is in milliseconds


def start_memory(cuda: Any, root: Root = THIS_MACHINE) -> int:
    """Count peaks from now on; the memory that is available now, in bytes.

    Call it before the network is loaded for the drop of that, and `cuda.reset_peak_memory_stats()` once more after the
    warm-up: cuDNN tries algorithms with large workspaces there.
    """
    cuda.synchronize()
    cuda.reset_peak_memory_stats()
    return free_memory_bytes(root)


def read_memory(cuda: Any, available_before: int, unified: bool, root: Root = THIS_MACHINE) -> CudaMemory:
    """The peaks since `start_memory`. The drop of what is available is told only where the GPU shares it."""
    cuda.synchronize()
    drop = max(0, available_before - free_memory_bytes(root)) if unified else None
    return CudaMemory(
        peak_allocated_bytes=int(cuda.max_memory_allocated()),
        peak_reserved_bytes=int(cuda.max_memory_reserved()),
        available_drop_bytes=drop,
    )


def time_copies(
    cuda: Any, inputs: Sequence[Any], answer: Any, clock: Callable[[], float], copies: int = COPIES
) -> tuple[float, float]:
    """Median seconds of a copy of an input to the device, and of an answer back; each waits until it is done.

    `inputs` lie on the host, as a camera gives them (not in pinned memory), `answer` on the device.
    """

    def timed(copy: Callable[[], Any]) -> float:
        cuda.synchronize()
        begin = clock()
        copy()
        cuda.synchronize()
        return clock() - begin

    there = [timed(partial(inputs[number % len(inputs)].to, "cuda")) for number in range(copies)]
    back = [timed(partial(answer.to, "cpu")) for _ in range(copies)]
    return median(there), median(back)
