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
    """The memory that a larger batch may run out of, for a search."""

    def base_bytes(self) -> int:
        """What is taken before the first trial."""
        ...

    def free_bytes(self) -> int:
        """What could still be had."""
        ...

    def hold_to(self, bytes_more: int) -> None:
        """Let allocations of more than that fail, as a second net; nothing where the device does so itself."""
        ...

    def restart(self) -> None:
        """Measure a new trial: what the last one left behind is given back first."""
        ...

    def peak_bytes(self) -> int:
        """The most that was taken since `restart`, on the same scale as `base_bytes`."""
        ...


class Accelerator(Protocol):
    """What the passes ask of the place that a network computes on."""

    device: str  # in torch's words
    memory: Memory

    def place(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """The inputs where the network reads them, so that a prediction has nothing to fetch."""
        ...

    def clocked(self, step: Step) -> Step:
        """The step as it is to be timed: with the device's own clock around each call, if it has one."""
        ...

    def facts(self, runnable: Runnable, inputs: Sequence[Tensor], *, in_torch: bool) -> CudaFacts | None:
        """What there is to tell of the samples and of one prediction more; `inputs` lie on the host.

        `in_torch` says whether torch's allocator sees what the engine allocates.
        """
        ...


class HostMemory:
    """Resident memory of this process."""

    def base_bytes(self) -> int:
        return status_bytes("VmRSS") or 0

    def free_bytes(self) -> int:
        return free_memory_bytes()

    def hold_to(self, bytes_more: int) -> None:
        """And if memory runs out all the same, let it be us whom the kernel kills."""
        data = status_bytes("VmData")
        if data:  # else the kernel does not tell, and the prediction has to do
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            with suppress(OSError, ValueError):  # a lower limit stands already
                resource.setrlimit(resource.RLIMIT_DATA, (data + bytes_more, hard))
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")

    def restart(self) -> None:
        restart_peak_rss()

    def peak_bytes(self) -> int:
        return peak_rss_bytes() or 0


class Host:
    """The CPU: inputs are where they are read, and the clock of the host is the only one."""

    device = "cpu"

    def __init__(self) -> None:
        self.memory: Memory = HostMemory()

    def place(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        return inputs

    def clocked(self, step: Step) -> Step:
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
    """Where a case computes. What an external engine does, torch need not be able to.

    Raises UserError where torch sees no such device.
    """
    return Host() if backend.external else ACCELERATORS[job.torch_device](job)
