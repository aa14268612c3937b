"""What each call has to do, in the terms of a profile: see `bench/profile/work.py`."""

from __future__ import annotations

import math

from ...profile.work import Shape, Work
from .calls import PLAIN, Call, FeatureMap, Kind, table_of

_FLOAT = 4  # bytes
_WORDS = {
    Kind.PACK_PLANES: "copy",
    Kind.PACK_CHANNELS: "copy",
    Kind.UNPACK: "copy",
    Kind.SCALE: "factors, sums, activation",
    Kind.MEAN: "mean",
    Kind.POOL: "pool",
    Kind.SLIDE: "pool in time",
    Kind.GATHER: "gather",
    Kind.ELEMENTWISE: "elementwise",
    Kind.REDUCE: "reduction",
    Kind.PRODUCT: "product of two maps",
}
# Of the plain kinds, in a profile.
PLAIN_WORDS = {_WORDS[kind] for kind in PLAIN}


def work_of(call: Call) -> Work:
    """Multiply-accumulates, without activations; and the bytes of every input, addend, weight and output once."""
    maps = [tap.map for tap in call.taps if call.kind != Kind.SLIDE or tap.map.slots == 1]
    maps = [*dict.fromkeys(maps), *(value for value, _ in call.addends), *call.outputs]
    moved = sum(map(_elements, maps))
    products = 0
    if call.kind in PLAIN:
        products = _plain_products(call)
    elif call.weight is not None:
        out = _elements(call.output) // call.output.channels
        products = out * call.weight.numel()
        moved += call.weight.numel() + (0 if call.bias is None else call.bias.numel())
    elif call.kind in (Kind.SCALE, Kind.MEAN, Kind.POOL):
        products = _elements(call.taps[0].map)
    elif call.kind == Kind.SLIDE:
        seen = -(-call.taps[1].map.slots // call.dilation)
        products = seen * _elements(call.output)
        moved += seen * _elements(call.output)
    added = sum(_elements(value) for value, _ in call.addends)
    return Work(_kind(call), products + added, _FLOAT * moved)


def shapes_of(call: Call) -> tuple[Shape, ...]:
    """(batch, channels, frames, height, width) of every input, and (kernel, ...) of the weights."""
    weights = () if call.weight is None or call.kind in PLAIN else (tuple(call.weight.shape),)
    return (*((t.map.batch, t.map.channels, *t.map.size[1:4]) for t in call.taps), *weights)


def _plain_products(call: Call) -> int:
    if call.kind == Kind.PRODUCT:
        return math.prod(table_of(call))
    return 0 if call.kind == Kind.GATHER else max(map(_elements, (*call.inputs, call.output)))


def _kind(call: Call) -> str:
    if not call.is_convolution:
        return _WORDS[call.kind]
    if call.taps[0].map.is_vector:
        return "matrix product"
    taps = len(call.taps) if call.kind == Kind.DENSE else len(call.taps) * len(call.outputs)
    lengths = (*((taps,) if taps > 1 else ()), *call.window.kernel)
    form = "depthwise " if call.kind == Kind.DEPTHWISE else ""
    return f"{form}convolution {' x '.join(map(str, lengths))}"


def _elements(value: FeatureMap) -> int:
    return math.prod(value.size)
