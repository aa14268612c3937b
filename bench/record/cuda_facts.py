"""The part of a record that only cases on a CUDA device have."""

from __future__ import annotations

from pydantic import Field

from .case import Count, Duration, Frozen, Whole


class CudaFlags(Frozen):
    """Switches of torch that change speed or answers, as every run sets them."""

    cudnn_benchmark: bool
    cudnn_tf32: bool
    matmul_tf32: bool


class CudaMemory(Frozen):
    """Memory of one prediction, from a separate pass: the card's and, where CPU and GPU share it, the machine's."""

    peak_allocated_bytes: Count | None = Field(
        default=None, description="live tensors: weights, state, input and the highest transient; None: not from torch"
    )
    peak_reserved_bytes: Count | None = Field(
        default=None, description="what torch's allocator took for them from the device; None: not from torch"
    )
    available_drop_bytes: Whole | None = Field(
        default=None,
        description="by how much MemAvailable fell, on boards whose GPU shares it: context and libraries are in it",
    )


class CudaFacts(Frozen):
    """Facts and figures of a case on a CUDA device."""

    name: str
    capability: str
    cuda: str | None
    cudnn: str | None
    flags: CudaFlags
    device_s: list[Duration] = Field(default_factory=list, description="of each timed call, by events on its stream")
    to_device_s: Duration | None = Field(default=None, description="median copy of one input to the device")
    to_host_s: Duration | None = Field(default=None, description="median copy of one answer back")
    memory: CudaMemory | None = None
