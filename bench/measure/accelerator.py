"""Where a network computes, and what that means for the passes over a case: the CPU, or a CUDA device (`cuda.py`)."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...devices.host import free_memory_bytes
from ..export.precision import TF32
from ..record.cuda_facts import CudaFacts
from .job import Job
from .probe import peak_rss_bytes, restart_peak_rss, status_bytes

if TYPE_CHECKING:
    from torch import Tensor

    from ..backends import Backend, Runnable

Step = Callable[[Any], Any]


class Memory(Protocol):
    """The memory that limits the batch, for a search."""

    def base_bytes(self) -> int:
        """Bytes in use before the first trial."""
        ...

    def free_bytes(self) -> int:
        """Bytes still free."""
        ...

    def limit_to(self, bytes_more: int) -> None:
        """Let allocations beyond that fail, as a second guard; nothing where the device does so itself."""
        ...

    def restart(self) -> None:
        """Begin a new trial; memory left by the last one is freed."""
        ...

    def peak_bytes(self) -> int:
        """The peak since `restart`, on the same scale as `base_bytes`."""
        ...


class Accelerator(Protocol):
    """The device that a network computes on, for the passes."""

    device: str  # in torch's words

    @property
    def memory(self) -> Memory:
        """What a larger batch may run out of."""
        ...

    def to_device(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """The inputs in the device's memory, so that a prediction copies nothing."""
        ...

    def with_device_clock(self, step: Step) -> Step:
        """The step to be timed: with the device's own clock around each call, if it has one."""
        ...

    def facts(self, runnable: Runnable, inputs: Sequence[Tensor], *, in_torch: bool) -> CudaFacts | None:
        """Facts of the samples, and of one prediction more; `inputs` lie on the host.

        `in_torch`: whether the engine allocates by torch's allocator.
        """
        ...


class HostMemory:
    """Resident memory of this process."""

    def base_bytes(self) -> int:
        return status_bytes("VmRSS") or 0

    def free_bytes(self) -> int:
        return free_memory_bytes()

    def limit_to(self, bytes_more: int) -> None:
        """Also, if memory runs out, have the kernel kill this process first."""
        data = status_bytes("VmData")
        if data:  # else it is not known, and the predicted memory is the only guard
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            with suppress(OSError, ValueError):  # there is a lower limit already
                resource.setrlimit(resource.RLIMIT_DATA, (data + bytes_more, hard))
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")

    def restart(self) -> None:
        restart_peak_rss()

    def peak_bytes(self) -> int:
        return peak_rss_bytes() or 0


class Host:
    """The CPU: inputs are already there, and the host's clock is the only one."""

    device = "cpu"

    def __init__(self) -> None:
        self.memory: Memory = HostMemory()

    def to_device(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        return inputs

    def with_device_clock(self, step: Step) -> Step:
        return step

    def facts(self, runnable: Runnable, inputs: Sequence[Tensor], *, in_torch: bool) -> CudaFacts | None:
        return None


def _cuda(job: Job) -> Accelerator:
    import torch

    from .cuda import Cuda

    unified = job.device is not None and job.device.unified_memory
    return Cuda(torch, tf32=job.case.precision == TF32, unified=unified)


# By torch's word for the kind of device, as profiles have it.
ACCELERATORS: dict[str, Callable[[Job], Accelerator]] = {"cpu": lambda job: Host(), "cuda": _cuda}


def accelerator_of(job: Job, backend: Backend) -> Accelerator:
    """The device of a case; the host's for an external engine, which does not need torch for the device.

    Raises UserError where torch sees no such device.
    """
    return Host() if backend.external else ACCELERATORS[job.torch_device](job)
