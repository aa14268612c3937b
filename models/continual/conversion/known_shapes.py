"""The shape that a layer makes, by arithmetic, for the layers that most networks are made of.

torch could be asked for all of them (`shapes.py`), but it loads its compiler for that, and looks at each operator: a
network of the zoo would take seconds to be built in every process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from ..attention import SqueezeExcitation
from ..blocks import BatchNorm3d, Projection, Residual, Swish
from ..conv import Conv3d
from ..pool import ClipMean, ClipPool, Pool3d, SpatialMean
from ..state import Sequential

Shape = tuple[int, ...]
# None: not known here, or the layer does not take such a tensor; torch has the words for that.
Known = Shape | None


def known_shape(layer: nn.Module, shape: Shape) -> Known:
    """The shape behind a layer; None where torch is to be asked."""
    rule = _RULES.get(type(layer))
    made = rule(layer, shape) if rule else None
    return made if made and min(made) > 0 else None


def _same(layer: Any, shape: Shape) -> Known:
    return shape


def _norm(layer: Any, shape: Shape) -> Known:
    return shape if len(shape) == 5 and shape[1] == layer.num_features else None


def _windows(lengths: Sequence[int], kernel: Any, stride: Any, padding: Any, dilation: Any) -> Shape:
    sizes = zip(lengths, kernel, stride, padding, dilation, strict=True)
    return tuple((size + 2 * pad - step * (reach - 1) - 1) // skip + 1 for size, reach, skip, pad, step in sizes)


def _conv(layer: Any, shape: Shape) -> Known:
    if isinstance(layer.padding, str) or len(shape) != 5 or shape[1] != layer.in_channels:
        return None
    padding = layer.padding if getattr(layer, "pad_time", True) else (0, *layer.padding[1:])
    behind = _windows(shape[2:], layer.kernel_size, layer.stride, padding, layer.dilation)
    return (shape[0], layer.out_channels, *behind)


def _pool(layer: Any, shape: Shape) -> Known:
    if len(shape) != 5 or layer.options.get("ceil_mode"):
        return None
    padding = layer.padding if layer.pad_time else (0, *layer.padding[1:])
    dilation = (layer.dilation, 1, 1)
    return (*shape[:2], *_windows(shape[2:], layer.kernel_size, layer.stride, padding, dilation))


def _spatial_mean(layer: Any, shape: Shape) -> Known:
    return (*shape[:-2], 1, 1) if len(shape) == 5 else None


def _clip_mean(layer: Any, shape: Shape) -> Known:
    return (*shape[:-3], 1, 1, 1) if len(shape) == 5 else None


def _projection(layer: Any, shape: Shape) -> Known:
    return (shape[0], layer.out_features, *shape[2:]) if shape[1] == layer.in_features else None


def _linear(layer: Any, shape: Shape) -> Known:
    return (*shape[:-1], layer.out_features) if shape[-1] == layer.in_features else None


def _excitation(layer: Any, shape: Shape) -> Known:
    first = next(iter(layer.pool))
    means = len(layer.pool) == 1 and type(first) in (ClipMean, SpatialMean)
    return shape if means and shape[1] == layer.block[0].in_channels else None


def _chain(layers: Iterable[nn.Module], shape: Shape) -> Known:
    made: Known = shape
    for layer in layers:
        made = known_shape(layer, made) if made else None
    return made


def _residual(layer: Residual, shape: Shape) -> Known:
    shortcut = _chain(filter(None, (layer.branch1_conv, layer.branch1_norm)), shape)
    behind = _chain((layer.branch2,), shape)
    return _chain((layer.activation,), behind) if behind and behind == shortcut else None


_RULES: Mapping[type, Callable[[Any, Shape], Known]] = {
    **dict.fromkeys((nn.Identity, nn.ReLU, nn.SiLU, nn.Sigmoid, nn.Hardswish, nn.GELU, Swish), _same),
    **dict.fromkeys((nn.Dropout, nn.Dropout3d), _same),
    **dict.fromkeys((nn.BatchNorm3d, BatchNorm3d), _norm),
    **dict.fromkeys((nn.Conv3d, Conv3d), _conv),
    **dict.fromkeys((Pool3d, ClipPool), _pool),
    **dict.fromkeys((nn.Sequential, Sequential), _chain),
    SpatialMean: _spatial_mean,
    ClipMean: _clip_mean,
    Projection: _projection,
    nn.Linear: _linear,
    SqueezeExcitation: _excitation,
    Residual: _residual,
}
