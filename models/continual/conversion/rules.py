"""How each kind of layer becomes its frame form: a table from type to rule.

A rule takes a layer, what flows in, the context and the layer's name, and returns the layer's frame form and what flows
out; it converts inner layers by `context.convert`. What pads, skips or averages in time heeds `flow.regular`: see
README.md. To teach `convert` a layer of yours, add its type to `RULES`.
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from ..attention import SqueezeExcitation
from ..blocks import BatchNorm3d, Projection, Residual, Swish
from ..conv import Conv3d
from ..delay import Subsample
from ..kernels import viewed
from ..pool import ClipMean, ClipPool, Pool3d, SpatialMean
from ..state import Sequential
from .each import arranged
from .flow import MAP, Context, ConversionError, Flow, NoFrameForm, Shared, label, shape
from .layout import content, reshaped, runs_over, shape_in, stripped
from .means import clip_pool, global_mean

Rule = Callable[[Any, Flow, Context, str], tuple[nn.Module, Flow]]

PICTURES = ("BT", "C", "H", "W")
ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Tanh),
    *(
        nn.Sigmoid,
        nn.Hardswish,
        nn.Hardsigmoid,
        nn.Hardtanh,
        nn.SELU,
        nn.CELU,
        nn.LogSigmoid,
        nn.Softsign,
        nn.Threshold,
    ),
    *(nn.Tanhshrink, nn.Hardshrink, nn.Softshrink, nn.RReLU),
)


def rule_of(layer: nn.Module) -> Rule | None:
    """The rule for that layer, also for a subclass that only sets options and keeps `forward`."""
    if "forward" in vars(layer):  # put there from outside; its class says nothing about it
        return None
    for base in type(layer).__mro__:
        if base in RULES:
            own = type(layer).forward is not base.forward or (base in _BY_CALLS and _BY_CALLS[base](layer))
            return None if own else RULES[base]
    return None


def _conv(layer: nn.Conv3d, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    padding = _numbers(layer, where)
    stride, dilation = layer.stride, layer.dilation
    try:
        with torch.device("meta"):
            made = Conv3d(
                layer.in_channels,
                layer.out_channels,
                layer.kernel_size,  # type: ignore[arg-type]
                stride=(flow.stride(stride[0]), *stride[1:]),
                padding=(padding[0] * flow.rate, *padding[1:]),
                dilation=(dilation[0] * flow.rate, *dilation[1:]),
                groups=layer.groups,
                bias=layer.bias is not None,
                padding_mode=layer.padding_mode,
                pad_time=flow.regular and getattr(layer, "pad_time", True),
            )
    except ValueError as error:
        raise ConversionError(label(layer, where), str(error)) from error
    made._parameters.update(layer._parameters)
    after = flow.through(kernel=layer.kernel_size[0], stride=stride[0], padding=padding[0], dilation=dilation[0])
    return made, replace(after, channels=layer.out_channels)


def _numbers(layer: Any, where: str) -> tuple[int, ...]:
    """The padding as numbers, also where it was given as a word."""
    if not isinstance(layer.padding, str):
        return tuple(int(length) for length in layer.padding)
    if layer.padding == "valid":
        return (0,) * len(layer.kernel_size)
    spans = [step * (length - 1) for step, length in zip(layer.dilation, layer.kernel_size, strict=True)]
    if any(span % 2 for span in spans):
        raise ConversionError(label(layer, where), "padding='same' pads this kernel more at one end than at the other")
    return tuple(span // 2 for span in spans)


def _batch_norm(layer: nn.BatchNorm3d, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    if layer.running_mean is None:
        raise ConversionError(
            label(layer, where), "normalises by each clip's own statistics (track_running_stats=False)"
        )
    with torch.device("meta"):
        made = BatchNorm3d(layer.num_features, eps=layer.eps, momentum=layer.momentum, affine=layer.affine)
    made._parameters.update(layer._parameters)
    made._buffers.update(layer._buffers)
    return made, flow


def _elementwise(layer: nn.Module, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    made = copy.copy(layer)  # one activation may stand in many places
    if hasattr(made, "inplace"):
        made.inplace = False  # type: ignore[assignment] - where it may overwrite is found in the finished network
    return made, flow


def _unchanged(layer: nn.Module, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    return layer, flow


def _dropout(layer: Any, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    layer.inplace = False
    return layer, flow


def _max_pool(layer: nn.MaxPool3d, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    dilation = _triple(layer.dilation)
    if dilation[1:] != (1, 1):
        raise ConversionError(label(layer, where), f"dilation {dilation} in space is not supported")
    return _pool("max", layer, flow, dilation[0], {"ceil_mode": layer.ceil_mode})


def _avg_pool(layer: nn.AvgPool3d, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    if layer.divisor_override is not None:
        raise ConversionError(label(layer, where), "divisor_override is not supported")
    kernel, padding = _triple(layer.kernel_size), _triple(layer.padding)
    options = {"ceil_mode": layer.ceil_mode, "count_include_pad": layer.count_include_pad}
    if kernel[0] > 1 and kernel[0] == flow.frames and not padding[0]:
        space = nn.AvgPool3d((1, *kernel[1:]), (1, *_triple(layer.stride)[1:]), padding, **options)
        made, after = _pool("avg", space, flow, 1, options)
        over_time, after = clip_pool(kernel[0], after, context)
        return Sequential(made, over_time), after
    return _pool("avg", layer, flow, 1, options)


def _pool(kind: Any, layer: Any, flow: Flow, dilation: int, options: dict[str, Any]) -> tuple[nn.Module, Flow]:
    kernel, stride, padding = _triple(layer.kernel_size), _triple(layer.stride), _triple(layer.padding)
    after = flow.through(
        kernel=kernel[0],
        stride=stride[0],
        padding=padding[0],
        dilation=dilation,
        ceil=options.get("ceil_mode", False),
    )
    if flow.regular and dilation > 1:
        return layer, after  # ours pads no dilated pool
    made = Pool3d(
        kind,
        kernel,
        (flow.stride(stride[0]), *stride[1:]),
        (padding[0] * flow.rate, *padding[1:]),
        dilation * flow.rate,
        pad_time=flow.regular and getattr(layer, "pad_time", True),
        **{name: value for name, value in options.items() if name != "count_include_pad" or not value},
    )
    return made, after


def _triple(value: Any) -> tuple[int, int, int]:
    time, height, width = (value,) * 3 if isinstance(value, int) else value
    return int(time), int(height), int(width)


def _adaptive_mean(layer: nn.AdaptiveAvgPool3d, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    size = layer.output_size
    time, height, width = (size,) * 3 if not isinstance(size, tuple | list) else size
    del height, width  # 1: others go by what the layer calls
    if time not in (1, None, flow.frames):
        raise ConversionError(
            label(layer, where), f"output size {size}: only an average over the whole feature map has a frame form"
        )
    if time is None or (time == flow.frames and time != 1):
        return SpatialMean(), replace(flow, pooled=True)
    return global_mean(flow, context, label(layer, where), squeeze=False)


def _own_pool(layer: Pool3d, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    return _pool(layer.kind, layer, flow, layer.dilation, layer.options)


def _own_clip_pool(layer: ClipPool, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    return clip_pool(layer.kernel_size[0], flow, context)


def _own_clip_mean(layer: ClipMean, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    return global_mean(flow, context, label(layer, where), squeeze=False)


def _spatial_mean(layer: SpatialMean, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    return layer, replace(flow, pooled=True)


def _squeeze_excitation(layer: SqueezeExcitation, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    if any(isinstance(part, ClipMean) for part in layer.pool):  # else it looks at each frame alone, or slides
        pool, _ = global_mean(flow, context, label(layer, where), squeeze=True)
        layer.set_pool(pool)
    return layer, flow


def _subsample(layer: Subsample, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    return layer if flow.regular else nn.Identity(), flow.through(stride=layer.stride)


def _sequential(layer: nn.Sequential, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    children: OrderedDict[str, nn.Module] = OrderedDict()
    shared = Shared()
    for name, child in layer._modules.items():  # named_children() would leave out the second place of a layer
        if child is None:
            continue
        place = f"{where}.{name}" if where else name
        before, flow = arranged(flow, held_for(child, flow) if flow.known else flow.held)
        if before is not None:
            children[f"{name}_arranged"] = before
        made, flow = context.convert(child, flow, context, place)
        children[name] = shared.once(child, made, place)
    return Sequential(children), flow


def _residual(layer: Residual, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    branch2, after = context.convert(layer.branch2, flow, context, f"{where}.branch2")
    shortcut, beside = layer.branch1_conv, flow
    norm = layer.branch1_norm
    if shortcut is not None:
        shortcut, beside = context.convert(shortcut, beside, context, f"{where}.branch1_conv")
    if norm is not None:
        norm, beside = context.convert(norm, beside, context, f"{where}.branch1_norm")
    if beside.rate != after.rate:
        raise ConversionError(
            label(layer, where), f"its branches thin out the frames by {after.rate} and by {beside.rate}"
        )
    activation, after = context.convert(layer.activation, after, context, f"{where}.activation")
    return Residual(cast(Sequential, branch2), activation, cast("Conv3d | None", shortcut), norm), after


def _linear(layer: nn.Linear, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    if isinstance(layer, Projection):
        return _projection(layer), flow
    last = flow.axes[-1]
    if runs_over(last, "B", flow.sizes) or stripped(last, flow.sizes) == "T":
        raise NoFrameForm(label(layer, where), f"mixes the frames of {shape(flow.axes)}; average over time before it")
    if runs_over(last, "T", flow.sizes):
        return _flattened(layer, flow, where)
    return _projection(layer), replace(flow, axes=(*flow.axes[:-1], last))


def _projection(layer: nn.Linear) -> Projection:
    with torch.device("meta"):
        made = Projection(layer.in_features, layer.out_features, bias=layer.bias is not None)
    made._parameters.update(layer._parameters)
    return made


def _flattened(layer: nn.Linear, flow: Flow, where: str) -> tuple[nn.Module, Flow]:
    """On a flattened clip: a convolution by a kernel of the clip's size, where the frames are those seen last."""
    if flow.frames is None:
        raise ConversionError(
            label(layer, where), "flattens the whole clip, whose length is not known: pass input_shape="
        )
    atoms = stripped(flow.axes[-1], flow.sizes)
    inside = atoms.replace("T", "")
    others = [name for name in flow.axes[1:-1] if stripped(name, flow.sizes)]
    if len(inside) > 3 or others or stripped(flow.axes[0], flow.sizes) != "B":
        raise ConversionError(label(layer, where), f"mixes the frames of {shape(flow.axes)}")
    sizes = [layer.out_features, *(flow.sizes[atom] for atom in atoms), *(1,) * (3 - len(inside))]
    content = [1 + atoms.index(atom) for atom in inside] + [*range(1 + len(atoms), len(sizes))]
    order = (0, content[0], 1 + atoms.index("T"), *content[1:])
    made = viewed(layer, sizes, order, dilation=(flow.rate, 1, 1))
    one = replace(flow, rate=1, frames=1, averaged=True, axes=(*flow.axes[:-1], "C"), sizes={**flow.sizes, "T": 1})
    return made, replace(one, held=("C", "", ""))


def _picture_conv(layer: nn.Conv2d, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    """A convolution of pictures, frame by frame."""
    height, width = _numbers(layer, where)
    options: dict[str, Any] = {"stride": (1, *layer.stride), "padding": (0, height, width), "groups": layer.groups}
    if not runs_over(flow.axes[1], "T", flow.sizes):
        sizes = (layer.out_channels, layer.in_channels // layer.groups, 1, *layer.kernel_size)
        return viewed(layer, sizes, (0, 1, 2, 3, 4), dilation=(1, *layer.dilation), **options), flow
    atoms = stripped(flow.axes[1], flow.sizes)
    if layer.groups > 1 or len(atoms) != 2 or flow.frames is None:
        raise ConversionError(label(layer, where), f"mixes the frames of {shape(flow.axes)}")
    sizes = (layer.out_channels, *(flow.sizes[atom] for atom in atoms), *layer.kernel_size)
    order = (0, 1, 2, 3, 4) if atoms[1] == "T" else (0, 2, 1, 3, 4)
    made = viewed(layer, sizes, order, dilation=(flow.rate, *layer.dilation), **options)
    axes = (flow.axes[0], "C", *flow.axes[2:])
    one = replace(
        flow, rate=1, frames=1, averaged=True, axes=axes, sizes={**flow.sizes, "T": 1, "C": layer.out_channels}
    )
    return made, replace(one, held=("C", *flow.held[1:]))


def _series_conv(layer: nn.Conv1d, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    """A convolution of series: over time where they run over it, or over what a frame has."""
    (padding,) = _numbers(layer, where)
    (kernel,), (stride,), (dilation,) = layer.kernel_size, layer.stride, layer.dilation
    outputs, inputs = layer.out_channels, layer.in_channels // layer.groups
    if not runs_over(flow.axes[2], "T", flow.sizes):
        options: dict[str, Any] = {"stride": (1, stride, 1), "padding": (0, padding, 0), "dilation": (1, dilation, 1)}
        return viewed(layer, (outputs, inputs, 1, kernel, 1), (0, 1, 2, 3, 4), groups=layer.groups, **options), flow
    if layer.padding_mode != "zeros":
        raise ConversionError(
            label(layer, where), f"padding_mode={layer.padding_mode!r} has no frame form; only zeros has"
        )
    made = viewed(
        layer,
        (outputs, inputs, kernel, 1, 1),
        (0, 1, 2, 3, 4),
        stride=(flow.stride(stride), 1, 1),
        padding=(padding * flow.rate, 0, 0),
        dilation=(dilation * flow.rate, 1, 1),
        groups=layer.groups,
    )
    made.pad_time = flow.regular
    return made, flow.through(kernel=kernel, stride=stride, padding=padding, dilation=dilation)


def _flatten(layer: nn.Flatten, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    rank = len(flow.axes)
    start, end = layer.start_dim % rank, layer.end_dim % rank
    length = shape_in(flow)
    after = reshaped(flow, (*length[:start], math.prod(length[start : end + 1]), *length[end + 1 :]))
    if after is None:
        raise ConversionError(label(layer, where), f"flattens {shape(flow.axes)} in a way that tears frames apart")
    return nn.Identity(), after


RULES: dict[type[nn.Module], Rule] = {
    nn.Conv3d: _conv,
    Conv3d: _conv,
    nn.BatchNorm3d: _batch_norm,
    BatchNorm3d: _batch_norm,
    nn.SyncBatchNorm: _batch_norm,
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d), _batch_norm),
    nn.Conv2d: _picture_conv,
    nn.Conv1d: _series_conv,
    nn.MaxPool3d: _max_pool,
    nn.AvgPool3d: _avg_pool,
    nn.AdaptiveAvgPool3d: _adaptive_mean,
    nn.Linear: _linear,
    Projection: _linear,
    nn.Flatten: _flatten,
    nn.Identity: _unchanged,
    nn.Sequential: _sequential,
    Sequential: _sequential,
    Residual: _residual,
    SqueezeExcitation: _squeeze_excitation,
    Swish: _unchanged,
    SpatialMean: _spatial_mean,
    ClipMean: _own_clip_mean,
    Pool3d: _own_pool,
    ClipPool: _own_clip_pool,
    Subsample: _subsample,
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys((nn.Dropout, nn.Dropout1d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout), _dropout),
}


def _sizes_of(layer: Any) -> tuple[Any, ...]:
    size = layer.output_size
    return tuple(size) if isinstance(size, tuple | list) else (size,) * 3


# Layers of these kinds that are converted by what their `forward` calls.
_BY_CALLS: dict[type[nn.Module], Callable[[Any], bool]] = {
    nn.AdaptiveAvgPool3d: lambda layer: _sizes_of(layer)[1:] != (1, 1),
    **dict.fromkeys((nn.Conv1d, nn.Conv2d), lambda layer: layer.padding_mode != "zeros"),
}

# Which dimensions a layer takes; the others take any. How a frame holds them then is `held_for`.
_CHANNELS_SECOND = {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, BatchNorm3d, nn.PReLU}
_ANY = {_linear, _flatten, _unchanged, _dropout, _elementwise, _sequential, _batch_norm}
MAPS: set[Rule] = {rule for rule in RULES.values() if rule not in {*_ANY, _picture_conv, _series_conv}}


def misfit(layer: nn.Module, rule: Rule, flow: Flow) -> str | None:
    """Why the dimensions that flow in are not those that the layer works on frame by frame."""
    axes, sizes = flow.axes, flow.sizes
    if getattr(layer, "return_indices", False):
        return "returns indices into the clip, which a frame network does not have"
    if rule in MAPS:
        clip = len(axes) == 5 and stripped(axes[0], sizes) == "B" and stripped(axes[2], sizes) in ("T", "")
        fits = clip and not any(runs_over(axes[dim], "BT", sizes) for dim in (1, 3, 4))
        return None if fits else f"receives {shape(axes)}, but takes {shape(MAP)}"
    if rule is _picture_conv:
        fits = len(axes) == 4 and not any(runs_over(name, "BT", sizes) for name in axes[2:])
        fits = fits and not runs_over(axes[1], "B", sizes) and stripped(axes[1], sizes) != "T"
        return None if fits else f"receives {shape(axes)}, but takes pictures: frames as a batch ({shape(PICTURES)})"
    if rule is _series_conv:
        over = len(axes) == 3 and not runs_over(axes[1], "BT", sizes) and not runs_over(axes[2], "B", sizes)
        fits = over and (stripped(axes[2], sizes) == "T" or not runs_over(axes[2], "T", sizes))
        return None if fits else f"receives {shape(axes)}, but takes ({MAP[0]}, {MAP[1]}, T)"
    if _channels_second(layer) and (len(axes) < 2 or runs_over(axes[1], "BT", sizes)):
        return f"receives {shape(axes)}, whose second dimension is not the channels"
    return None


def _channels_second(layer: nn.Module) -> bool:
    if isinstance(layer, nn.PReLU):
        return layer.num_parameters > 1
    return any(isinstance(layer, kind) for kind in _CHANNELS_SECOND)


def held_for(layer: nn.Module, flow: Flow) -> tuple[str, ...]:
    """How a frame holds its numbers when the layer gets it."""
    rule, axes = rule_of(layer), flow.axes
    if rule is None or (misfit(layer, rule, flow) if rule is not _linear else False):
        return flow.held
    inside = [content(name) for name in axes]
    if rule in MAPS or rule is _picture_conv:
        return inside[1], inside[-2], inside[-1]
    if rule is _series_conv:
        beside = inside[0]
        return (inside[1], beside, "") if runs_over(axes[2], "T", flow.sizes) else (inside[1], inside[2], beside)
    if rule is _linear and not isinstance(layer, Projection):
        if runs_over(axes[-1], "T", flow.sizes):
            parts = tuple(stripped(inside[-1], flow.sizes))
            return (parts + ("",) * (3 - len(parts)))[: max(3, len(parts))]
        return _padded(inside[-1], *_named(inside[:-1]))
    if _channels_second(layer):
        return _padded(inside[1], *_named([inside[0], *inside[2:]]))
    return flow.held


def _named(names: list[str]) -> list[str]:
    return [name for name in names if name]


def _padded(*names: str) -> tuple[str, ...]:
    return names + ("",) * (3 - len(names))


_WHY_NOT: dict[type[nn.Module], str] = {
    nn.RNNBase: "is recurrent: it carries state already, and has no clip form without it",
    nn.RNNCellBase: "is recurrent: it carries state already, and has no clip form without it",
    **dict.fromkeys(
        (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.Transformer),
        "attends to all frames at once",
    ),
}


def attends_within_frames(layer: nn.Module, flow: Flow) -> bool:
    """Whether a layer of torch's own attends to what is in one frame: frames are a batch there."""
    return not isinstance(layer, nn.RNNBase | nn.RNNCellBase) and runs_over(flow.axes[0], "T", flow.sizes)


def why_not(layer: nn.Module) -> str | None:
    """Why a layer of torch's own is refused as it stands; None if what it calls decides."""
    return next((why for kind, why in _WHY_NOT.items() if isinstance(layer, kind)), None)
