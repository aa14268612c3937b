"""What a record has of a case on a CUDA device, beside what every record has."""

from __future__ import annotations

from pydantic import Field

from .case import Frozen


class CudaFlags(Frozen):
    """Switches of torch that change speed or answers. What they were before does not matter: they are set."""

    cudnn_benchmark: bool
    cudnn_tf32: bool
    matmul_tf32: bool


class CudaMemory(Frozen):
    """Of one prediction, in a pass of its own; a card's and, where CPU and GPU share it, the machine's."""

    peak_allocated_bytes: int | None = Field(
        default=None, description="live tensors: weights, state, input and the highest transient; None: not torch's"
    )
    peak_reserved_bytes: int | None = Field(
        default=None, description="what torch's allocator took for them from the device; None: not torch's"
    )
    available_drop_bytes: int | None = Field(
        default=None,
        description="by how much MemAvailable fell, on boards whose GPU shares it: context and libraries are in it",
    )


class CudaFacts(Frozen):
    """A case on a CUDA device, beside what every case has."""

    name: str
    capability: str
    cuda: str | None
    cudnn: str | None
    flags: CudaFlags
    device_s: list[float] = Field(default_factory=list, description="of each timed call, by events on its stream")
    to_device_s: float | None = Field(default=None, description="median copy of one input to the device")
    to_host_s: float | None = Field(default=None, description="median copy of one answer back")
    memory: CudaMemory | None = None
