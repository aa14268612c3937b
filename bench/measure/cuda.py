"""What a CUDA device adds to a case: switches that are set and recorded, its own clock, its memory, its copies.

Untested on hardware. The figure of a prediction stays the wall clock around a synchronised call, as a user waits for
it: kernels alone leave out the launches, which on a board's slow cores are most of a small step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ...devices.host import free_memory_bytes
from ...models.inputs import moved
from ...models.outputs import tensors_in
from ..errors import UserError
from ..record.cuda_facts import CudaFacts, CudaMemory
from .gpu import DeviceClock, device_facts, memory_of, set_flags, time_copies
from .loop import median


class DeviceMemory:
    """The memory of the device, by any allocator; on a board that which CPU and GPU share."""

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self._free_before, _ = cuda.mem_get_info()

    def base_bytes(self) -> int:
        return 0

    def free_bytes(self) -> int:
        free, _ = self._cuda.mem_get_info()
        return int(free)

    def limit_to(self, bytes_more: int) -> None:
        """An allocation that does not fit fails by itself."""

    def restart(self) -> None:
        self._cuda.synchronize()
        self._cuda.empty_cache()

    def peak_bytes(self) -> int:
        """Allocators keep what they took, so what is used now is the peak."""
        self._cuda.synchronize()
        return max(0, self._free_before - self.free_bytes())


class Cuda:
    """The first CUDA device, for the passes over a case. Create it before the network, so that loading the network does
    not include creating the device's context.

    Raises UserError where torch sees no device.
    """

    def __init__(
        self,
        torch: Any,
        *,
        tf32: bool = False,
        unified: bool = False,
        device: str = "cuda",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not torch.cuda.is_available():
            raise UserError(
                f"torch {torch.__version__} sees no CUDA device; install a build of torch for CUDA "
                "(docs/boards.md), and see what `co3d-bench doctor` reports"
            )
        self.device = device
        self._torch, self._clock, self._unified = torch, clock, unified
        self._available_before = free_memory_bytes()
        set_flags(torch, tf32)
        torch.cuda.init()
        torch.cuda.synchronize()
        self.memory = DeviceMemory(torch.cuda)
        self._timed: DeviceClock | None = None

    def to_device(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Copies on the device."""
        return [moved(x, self.device) for x in inputs]

    def with_device_clock(self, step: Callable[[Any], Any]) -> DeviceClock:
        """Events around each call."""
        self._timed = DeviceClock(self._torch.cuda, step)
        return self._timed

    def facts(self, runnable: Any, inputs: Sequence[Any], *, in_torch: bool) -> CudaFacts:
        """The device's time for each sample; then copies, and the memory of one prediction, measured now."""
        cuda = self._torch.cuda
        device_s = self._timed.seconds() if self._timed else []
        (x,) = self.to_device(inputs[:1])
        answer = tensors_in(runnable.step(x))
        there, back = time_copies(cuda, self.device, inputs, answer, self._clock)
        del answer
        before = self._available_before if self._unified else None
        memory = memory_of(cuda, partial(runnable.step, x), free_memory_bytes, before, in_torch=in_torch)
        return CudaFacts(
            **device_facts(self._torch),
            device_s=device_s,
            to_device_s=median(there),
            to_host_s=median(back),
            memory=CudaMemory(**memory),
        )
