"""How each kind of layer becomes its frame form: a table from type to rule.

A rule takes a layer, what flows in, the context and the layer's name, and returns the layer's frame form and what flows
out; it converts inner layers by `context.convert`. What pads, skips or averages in time heeds `flow.regular`: see
README.md. To teach `convert` a layer of yours, add its type to `RULES`.
"""

from __future__ import annotations

import copy
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
from ..pool import ClipMean, ClipPool, Pool3d, SpatialMean
from ..state import Sequential
from .flow import MAP, VECTOR, Context, ConversionError, Flow, NoFrameForm, Shared, label, shape
from .means import clip_pool, global_mean

Rule = Callable[[Any, Flow, Context, str], tuple[nn.Module, Flow]]

ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Tanh),
    *(nn.Sigmoid, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh),
)


def rule_of(layer: nn.Module) -> Rule | None:
    """The rule for that layer, also for a subclass that only sets options and keeps `forward`."""
    if "forward" in vars(layer):  # put there from outside; its class says nothing about it
        return None
    for base in type(layer).__mro__:
        if base in RULES:
            return RULES[base] if type(layer).forward is base.forward else None
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


def _numbers(layer: nn.Conv3d, where: str) -> tuple[int, ...]:
    """The padding as numbers, also where it was given as a word."""
    if not isinstance(layer.padding, str):
        return tuple(int(length) for length in layer.padding)
    if layer.padding == "valid":
        return (0, 0, 0)
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


def _vector_norm(layer: nn.BatchNorm1d, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    return _batch_norm(layer, flow, context, where)  # type: ignore[arg-type]


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
    if layer.return_indices:
        raise ConversionError(label(layer, where), "returns indices into the clip, which a frame network does not have")
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
    if (height, width) != (1, 1) or time not in (1, None, flow.frames):
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
    if flow.axes[-1] != "C" and not isinstance(layer, Projection):
        raise ConversionError(
            label(layer, where),
            f"receives {shape(flow.axes)}, whose last dimension is not the channels: "
            "average over height, width and time and flatten before it",
        )
    if flow.channels is not None and layer.in_features != flow.channels:
        raise ConversionError(
            label(layer, where),
            f"takes {layer.in_features} numbers, but each frame has {flow.channels} channels there: "
            "average over height, width and time before it",
        )
    if flow.channels is None and not flow.pooled:
        raise ConversionError(label(layer, where), "stands before any average over height and width")
    with torch.device("meta"):
        made = Projection(layer.in_features, layer.out_features, bias=layer.bias is not None)
    made._parameters.update(layer._parameters)
    return made, replace(flow, channels=layer.out_features)


def _flatten(layer: nn.Flatten, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    if (layer.start_dim, layer.end_dim) != (1, -1):
        raise ConversionError(label(layer, where), "flattens only some dimensions")
    return nn.Identity(), replace(flow, axes=VECTOR)


def _softmax(layer: Any, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    dim = 1 if layer.dim is None else layer.dim
    if not -len(flow.axes) <= dim < len(flow.axes) or flow.axes[dim] != "C":
        raise ConversionError(
            label(layer, where), f"runs over dimension {dim} of {shape(flow.axes)}, which is not the channels"
        )
    return type(layer)(dim=1), flow


RULES: dict[type[nn.Module], Rule] = {
    nn.Conv3d: _conv,
    Conv3d: _conv,
    nn.BatchNorm3d: _batch_norm,
    BatchNorm3d: _batch_norm,
    nn.SyncBatchNorm: _batch_norm,
    nn.BatchNorm1d: _vector_norm,
    nn.MaxPool3d: _max_pool,
    nn.AvgPool3d: _avg_pool,
    nn.AdaptiveAvgPool3d: _adaptive_mean,
    nn.Linear: _linear,
    Projection: _linear,
    nn.Flatten: _flatten,
    nn.Softmax: _softmax,
    nn.LogSoftmax: _softmax,
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

# The dimensions that a rule needs; the others take any.
_ANY_AXES = {_linear, _softmax, _flatten, _unchanged, _dropout, _elementwise, _sequential}
AXES: dict[Rule, tuple[str, ...]] = {rule: MAP for rule in RULES.values() if rule not in _ANY_AXES}
AXES[_vector_norm] = VECTOR

_BY_CLIP = "normalises by statistics over the whole clip; only running statistics (BatchNorm3d) work by frames"
_WHY_NOT: dict[type[nn.Module], str] = {
    nn.RNNBase: "is recurrent: it carries state already, and has no clip form without it",
    nn.GroupNorm: _BY_CLIP,
    nn.InstanceNorm3d: _BY_CLIP,
    nn.LayerNorm: "normalises over dimensions that a frame does not have",
    nn.MultiheadAttention: "attends to all frames at once",
    nn.ConvTranspose3d: "makes several frames of one",
    nn.Conv2d: "works on pictures; in a 3D CNN use Conv3d with a kernel of (1, k, k)",
    nn.BatchNorm2d: "works on pictures; in a 3D CNN use BatchNorm3d",
    nn.AdaptiveMaxPool3d: "takes the maximum of a whole clip; use MaxPool3d with a size, or an average",
}


def why_not(layer: nn.Module, where: str) -> ConversionError:
    """Why a layer of torch's own has no rule."""
    for kind, why in _WHY_NOT.items():
        if isinstance(layer, kind):
            return NoFrameForm(label(layer, where), why)
    return ConversionError(
        label(layer, where),
        "there is no rule for this layer; add one to co3d_bench.models.continual.conversion.rules.RULES",
    )
