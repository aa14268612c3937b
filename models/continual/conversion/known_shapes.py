"""The shape that a layer or a call makes, by arithmetic, for those that most networks are made of.

torch could be asked for all of them (`shapes.py`), but it loads its compiler for that, and looks at each operator: a
network of the zoo would take seconds to be built in every process.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..attention import SqueezeExcitation
from ..blocks import BatchNorm3d, Projection, Residual, Swish
from ..conv import Conv3d
from ..delay import Subsample
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


def known_result(called: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Known:
    """The shape of what a called function, or method by its name, makes; None where torch is to be asked."""
    rule = _CALLS.get(called) if isinstance(called, str) or callable(called) else None
    return rule(*args, **kwargs) if rule and args else None


def _sum(*terms: Any, **others: Any) -> Known:
    if others or len(terms) != 2 or not all(isinstance(term, Tensor) for term in terms):
        return None
    return tuple(terms[0].shape) if _alike(*((term, term.shape) for term in terms)) else None


def _cat(tensors: Any, dim: Any = 0, **others: Any) -> Known:
    if others or type(dim) is not int or not isinstance(tensors, list | tuple) or not tensors:
        return None
    if not all(isinstance(each, Tensor) and -each.dim() <= dim < each.dim() for each in tensors):
        return None
    shape = list(tensors[0].shape)
    at = dim % len(shape)
    if not _alike(*((each, (*each.shape[:at], *each.shape[at + 1 :])) for each in tensors)):
        return None
    shape[at] = sum(each.shape[at] for each in tensors)
    return tuple(shape)


def _alike(*given: tuple[Tensor, Sequence[int]]) -> bool:
    """Whether all tensors have the same type and device, and those shapes are equal."""
    return len({(tensor.dtype, tensor.device, tuple(shape)) for tensor, shape in given}) == 1


_CALLS: Mapping[Any, Callable[..., Known]] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), _sum),
    torch.cat: _cat,
}


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


def _subsample(layer: Any, shape: Shape) -> Known:
    if len(shape) != 5:
        return None
    frames = shape[2] // layer.stride if layer.to_the_end else -(-shape[2] // layer.stride)
    return (*shape[:2], frames, *shape[3:])


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
    Subsample: _subsample,
    Projection: _projection,
    nn.Linear: _linear,
    SqueezeExcitation: _excitation,
    Residual: _residual,
}
