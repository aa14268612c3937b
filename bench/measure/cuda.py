"""What a CUDA device adds to a case: switches that are set and recorded, its own clock, its memory, its copies.

Every function takes the module it works on (`torch`, or a stand-in), so that tests need no card. Untested on hardware.
The figure of a prediction stays the wall clock around a synchronised call, as a user waits for it: kernels alone leave
out the launches, which on a board's slow cores are most of a small step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ...devices.host import free_memory_bytes
from ...devices.root import THIS_MACHINE, Root
from ...models.outputs import tensors_in
from ..errors import UserError
from ..record.cuda_facts import CudaFacts, CudaFlags, CudaMemory
from ..stats.summary import median
from .accelerator import Memory

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


def memory_of(
    cuda: Any,
    predict: Callable[[], Any],
    available_before: int,
    *,
    in_torch: bool = True,
    unified: bool = False,
    root: Root = THIS_MACHINE,
) -> CudaMemory:
    """What one prediction needs, by torch's allocator: all that is alive while it is made, and what is held for that.

    What earlier calls left in the allocator's hands, as cuDNN's trials of algorithms do, is given back before. An
    engine that is not `in_torch` has an allocator of its own, which tells nothing. The drop of what is available since
    `available_before` is told only where the GPU shares that memory.
    """
    cuda.synchronize()
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    answer = predict()
    cuda.synchronize()
    del answer
    return CudaMemory(
        peak_allocated_bytes=int(cuda.max_memory_allocated()) if in_torch else None,
        peak_reserved_bytes=int(cuda.max_memory_reserved()) if in_torch else None,
        available_drop_bytes=max(0, available_before - free_memory_bytes(root)) if unified else None,
    )


def time_copies(
    cuda: Any,
    device: str,
    inputs: Sequence[Any],
    answer: Sequence[Any],
    clock: Callable[[], float],
    copies: int = COPIES,
) -> tuple[float, float]:
    """Median seconds of a copy of an input to the device, and of an answer back; each waits until it is done.

    `inputs` lie on the host, as a camera gives them (not in pinned memory), the tensors of the `answer` on the device.
    """

    def timed(copy: Callable[[], Any]) -> float:
        cuda.synchronize()
        begin = clock()
        copy()
        cuda.synchronize()
        return clock() - begin

    there = [timed(partial(inputs[number % len(inputs)].to, device)) for number in range(copies)]
    back = [timed(lambda: [tensor.to("cpu") for tensor in answer]) for _ in range(copies)]
    return median(there), median(back)


class DeviceMemory:
    """The memory of the device, whoever's allocator takes it; on a board the one that CPU and GPU share."""

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self._free_before, _ = cuda.mem_get_info()

    def base_bytes(self) -> int:
        return 0

    def free_bytes(self) -> int:
        free, _ = self._cuda.mem_get_info()
        return int(free)

    def hold_to(self, bytes_more: int) -> None:
        """An allocation that does not fit fails by itself."""

    def restart(self) -> None:
        self._cuda.synchronize()
        self._cuda.empty_cache()

    def peak_bytes(self) -> int:
        """Allocators keep what they took, so what is missing now is the most that was needed."""
        self._cuda.synchronize()
        return max(0, self._free_before - self.free_bytes())


class Cuda:
    """The first CUDA device, as the passes over a case take it. Made before the network is, so that the device's
    context is no part of loading one.

    Raises UserError where torch sees no device.
    """

    def __init__(
        self,
        torch: Any,
        *,
        tf32: bool = False,
        unified: bool = False,
        device: str = "cuda",
        root: Root = THIS_MACHINE,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not torch.cuda.is_available():
            raise UserError(
                f"torch {torch.__version__} sees no CUDA device; install a build of torch for CUDA "
                "(README, CUDA and Jetson), and see what `co3d-bench doctor` says"
            )
        self.device = device
        self._torch, self._root, self._clock, self._unified = torch, root, clock, unified
        self._available_before = free_memory_bytes(root)
        self._flags = set_flags(torch, tf32=tf32)
        torch.cuda.init()
        torch.cuda.synchronize()
        self.memory: Memory = DeviceMemory(torch.cuda)
        self._timed: DeviceClock | None = None

    def place(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Copies on the device."""
        return [x.to(self.device) for x in inputs]

    def clocked(self, step: Callable[[Any], Any]) -> DeviceClock:
        """Events around each call."""
        self._timed = DeviceClock(self._torch.cuda, step)
        return self._timed

    def facts(self, runnable: Any, inputs: Sequence[Any], *, in_torch: bool) -> CudaFacts:
        """The device's time for each sample; then copies, and the memory of one prediction, measured now."""
        cuda = self._torch.cuda
        device_s = self._timed.seconds() if self._timed else []
        (x,) = self.place(inputs[:1])
        answer = tensors_in(runnable.step(x))
        to_device_s, to_host_s = time_copies(cuda, self.device, inputs, answer, self._clock)
        del answer
        memory = memory_of(
            cuda,
            partial(runnable.step, x),
            self._available_before,
            in_torch=in_torch,
            unified=self._unified,
            root=self._root,
        )
        return read_facts(self._torch, self._flags).model_copy(
            update={"device_s": device_s, "to_device_s": to_device_s, "to_host_s": to_host_s, "memory": memory}
        )
