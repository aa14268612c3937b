"""What a network is lowered to: feature maps in memory, and the few kinds of calls that `kernels.cpp` knows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# As in kernels.cpp.
MAX_TAPS, MAX_ADDENDS, MAX_OUTPUTS, MAX_SEGMENTS, MAX_LINES = 8, 4, 8, 512, 64
# Floats from pixel to pixel are a multiple of it: half a vector of AVX-512, whole ones of everything narrower.
PITCH = 8


class Kind(IntEnum):
    PACK_PLANES = 0
    PACK_CHANNELS = 1
    DENSE = 2
    DEPTHWISE = 3
    SCALE = 4
    MEAN = 5
    POOL = 6
    SLIDE = 7
    UNPACK = 8
    # Plain: what no other one does. The weight is a table of int32, the bias what constants it needs.
    GATHER = 9
    ELEMENTWISE = 10
    REDUCE = 11
    PRODUCT = 12


class Activation(IntEnum):
    NONE = 0
    RELU = 1
    SILU = 2
    SIGMOID = 3
    HARDSWISH = 4
    HARDSIGMOID = 5
    RELU6 = 6


class Reduction(IntEnum):
    AVERAGE = 0
    MAXIMUM = 1
    AVERAGE_INSIDE = 2  # of what is there, without padding
    SUM = 3
    MINIMUM = 4


class Operation(IntEnum):
    """Of ELEMENTWISE."""

    COPY = 0
    ADD = 1
    SUBTRACT = 2
    MULTIPLY = 3
    DIVIDE = 4
    LARGER = 5
    SMALLER = 6
    POWER = 7
    GREATER = 8
    LESS = 9
    GREATER_EQUAL = 10
    LESS_EQUAL = 11
    EQUAL = 12
    NOT_EQUAL = 13
    WHERE = 14
    NEGATE = 15
    ABSOLUTE = 16
    EXPONENTIAL = 17
    LOGARITHM = 18
    ROOT = 19
    TANH = 20
    ERF = 21
    SINE = 22
    COSINE = 23
    FLOOR = 24
    ROUND = 25
    TRUNCATE = 26
    EXPONENTIAL_LESS_ONE = 27
    LOGARITHM_OF_ONE_MORE = 28


# What can do an activation where it writes.
ACTIVATES = {Kind.DENSE, Kind.DEPTHWISE, Kind.SCALE, Kind.POOL, Kind.SLIDE, Kind.ELEMENTWISE}
PLAIN = {Kind.GATHER, Kind.ELEMENTWISE, Kind.REDUCE, Kind.PRODUCT}


@dataclass(eq=False)
class FeatureMap:
    """Feature maps in memory: (batch, frames, height, width, pitch) floats, of which `channels` count.

    In planes: (batch, channels, frames, height, width), as the input comes.
    """

    batch: int
    frames: int
    height: int
    width: int
    channels: int
    planes: bool = False
    slots: int = 1  # maps of a ring, one after the other
    shared: bool = False  # whether another value of the graph is the same memory
    of: FeatureMap | None = None  # whose memory it is, seen in another size

    @property
    def memory(self) -> FeatureMap:
        """The map that it lies in: itself, but for another size of one."""
        return self.of or self

    @property
    def pitch(self) -> int:
        return self.channels if self.planes else -(-self.channels // PITCH) * PITCH

    @property
    def floats(self) -> int:
        return self.slots * self.batch * self.frames * self.height * self.width * self.pitch

    @property
    def is_vector(self) -> bool:
        """Whether there is one pixel for each of the batch, so that any order of the dimensions is the same memory."""
        return self.frames == self.height == self.width == 1

    @property
    def size(self) -> tuple[int, int, int, int, int]:
        return self.batch, self.frames, self.height, self.width, self.channels


@dataclass(frozen=True)
class Window:
    """What a kernel does in space, (height, width) each."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Tap:
    """One input; in a clip it is read `shift` frames later."""

    map: FeatureMap
    shift: int = 0


@dataclass(eq=False)
class Call:
    """One call of a kernel: activation(kernel(taps) + addends), all in one pass.

    Weights are float32: dense (taps x height x width x channels in, channels out), depthwise
    (outputs, taps x height x width, channels); biases (outputs, channels). Of a plain kind the weight is its table,
    int32 looked at as float32, and the bias its constants.
    """

    kind: Kind
    name: str  # the operators of the graph that it stands for
    taps: list[Tap]
    outputs: list[FeatureMap]
    window: Window = Window()
    frame_stride: int = 1
    addends: list[tuple[FeatureMap, int]] = field(default_factory=list)  # and to which output
    weight: Tensor | None = None
    bias: Tensor | None = None
    activation: Activation = Activation.NONE
    reduction: Reduction = Reduction.AVERAGE
    dilation: int = 1  # in time, of a ring

    @property
    def output(self) -> FeatureMap:
        return self.outputs[0]

    @property
    def inputs(self) -> list[FeatureMap]:
        return [*(tap.map for tap in self.taps), *(value for value, _ in self.addends)]

    @property
    def is_convolution(self) -> bool:
        return self.kind in (Kind.DENSE, Kind.DEPTHWISE)

    def may_merge(self, other: Call) -> bool:
        """Whether both are one convolution over more taps."""
        a, b = self.taps[0].map, other.taps[0].map
        taps = len(self.taps) + len(other.taps)
        return (
            self.is_convolution
            and self.kind == other.kind
            and not (a.planes or b.planes)
            and (self.window, self.frame_stride, a.size) == (other.window, other.frame_stride, b.size)
            and taps <= MAX_TAPS
            and taps * self.window.kernel[0] <= MAX_LINES
            and len(self.addends) + len(other.addends) <= MAX_ADDENDS
        )

    def merged(self, other: Call) -> Call:
        import torch

        assert self.weight is not None and other.weight is not None  # noqa: S101, PT018 - for the type checker
        both = [bias for bias in (self.bias, other.bias) if bias is not None]
        return replace(
            self,
            taps=[*self.taps, *other.taps],
            addends=[*self.addends, *other.addends],
            weight=torch.cat((self.weight, other.weight), 0 if self.kind == Kind.DENSE else 1),
            bias=sum(both[1:], start=both[0]) if both else None,
        )


def as_weight(table: Tensor) -> Tensor:
    """The table of a plain kind, as kernels take it."""
    import torch

    return table.to(torch.int32).contiguous().view(torch.float32)


def table_of(call: Call) -> list[int]:
    """The table of a plain kind."""
    import torch

    return [] if call.weight is None else call.weight.view(torch.int32).tolist()
