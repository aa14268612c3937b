"""Functions on the pictures of a clip: convolutions, pools, resizing, padding, norms with weights of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx, nn

from .calls import Calls, Result, Value, argument
from .each import Constant, Direct, Slot
from .flow import ConversionError, Flow, NoFrameForm, shape
from .frame_calls import Operands, each_frame, refuse_mixing, tensor_of
from .layout import length, runs_over
from .means import clip_mean, global_mean
from .rearranging import Offset, window
from .shapes import shape_of

Dims = Callable[[fx.Node, int], tuple[int, ...]]


@dataclass(frozen=True)
class Within:
    """A call that runs over the dimensions `dims` says, all of one frame."""

    dims: Dims

    def __call__(self, calls: Calls, node: fx.Node) -> Result:
        operands = Operands.of(calls, node)
        flow = operands.values[0].flow
        refuse_mixing(calls, node, flow, self.dims(node, len(flow.axes)))
        return frame_by_frame(calls, node, operands, operands.call)


def frame_by_frame(calls: Calls, node: fx.Node, operands: Operands, call: Direct) -> Value:
    """The call's dimensions are those of its input; frames and clips are neither more nor fewer."""
    flow, into = operands.values[0].flow, shape_of(node)
    for dim, (name, made) in enumerate(zip(flow.axes, into, strict=True)):
        over = set(name) & set("BT")
        if over and made != length(flow, name):
            raise NoFrameForm(
                calls.label(node), f"makes {made} of {length(flow, name)} in dimension {dim}, which is time"
            )
    return each_frame(calls, node, operands.values, call, flow.axes, into)


def _after_batch(node: fx.Node, rank: int) -> tuple[int, ...]:
    return tuple(range(1, rank))


def _normalised(node: fx.Node, rank: int) -> tuple[int, ...]:
    given = argument(node, 1, "normalized_shape")
    return tuple(range(rank - (1 if isinstance(given, int) else len(given)), rank))


def _last(node: fx.Node, rank: int) -> tuple[int, ...]:
    return (rank - 1,)


def _channels(node: fx.Node, rank: int) -> tuple[int, ...]:
    return (1,)


def clip_shaped(
    picture: Within, check: Callable[[Calls, fx.Node], dict[str, Any] | None]
) -> Callable[[Calls, fx.Node], Result]:
    """A call on (B, C, T, H, W) that does nothing in time; `check` gives its arguments for one frame, or refuses."""

    def rule(calls: Calls, node: fx.Node) -> Result:
        operands = Operands.of(calls, node)
        flow = operands.values[0].flow
        if len(flow.axes) != 5 or not runs_over(flow.axes[2], "T", flow.sizes):
            return picture(calls, node)
        refuse_mixing(calls, node, flow, (1, 3, 4))
        changed = check(calls, node)
        call = operands.call
        if changed is not None:
            call = Direct(call.function, call.args[:1], {**_named(node, call), **changed})
        return frame_by_frame(calls, node, operands, call)

    return rule


_NAMES = {
    F.interpolate: ("input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias"),
    F.adaptive_avg_pool3d: ("input", "output_size"),
    F.adaptive_max_pool3d: ("input", "output_size", "return_indices"),
}


def _named(node: fx.Node, call: Direct) -> dict[str, Any]:
    names = _NAMES[node.target]  # type: ignore[index]
    return {**dict(zip(names[1:], call.args[1:], strict=False)), **call.kwargs}


def _resized(calls: Calls, node: fx.Node) -> dict[str, Any]:
    flow = tensor_of(calls, node).flow
    size, scale = argument(node, 1, "size"), argument(node, 2, "scale_factor")
    if shape_of(node)[2] != flow.sizes["T"]:
        raise NoFrameForm(
            calls.label(node), f"makes {shape_of(node)[2]} frames of {flow.sizes['T']}; resize height and width alone"
        )
    if size is not None:
        return {"size": (1, *shape_of(node)[3:])}
    return {"scale_factor": (1.0, *scale[1:])}


def _convolved(calls: Calls, node: fx.Node) -> None:
    """A convolution over time by a weight of the network's own is another matter."""
    weight = calls.values.get(argument(node, 1, "weight"))
    kernel = weight.shape[2] if isinstance(weight, Constant) else 0
    transposed = "transpose" in getattr(node.target, "__name__", "")
    given = [argument(node, 3, "stride", 1), argument(node, 4, "padding", 0)]
    given += [argument(node, 5, "output_padding", 0)] if transposed else []
    stride, *padding = (one[0] if isinstance(one, tuple | list) else one for one in given)
    if transposed and (stride != 1 or kernel != 1):
        raise NoFrameForm(
            calls.label(node), "makes several frames of one; in space alone (kernel and stride 1 in time) it converts"
        )
    if kernel != 1 or stride != 1 or any(one not in (0, "same", "valid") for one in padding):
        raise ConversionError(calls.label(node), "convolves over time as a function; use the layer nn.Conv3d")


def _pool_size(node: fx.Node, flow: Flow) -> tuple[Any, Any, Any]:
    size = argument(node, 1, "output_size")
    return tuple(size) if isinstance(size, tuple | list) else (size,) * 3  # type: ignore[return-value]


def adaptive_pool(calls: Calls, node: fx.Node) -> Result:
    """An adaptive pool: in space frame by frame, and in time the average over the clip."""
    operands = Operands.of(calls, node)
    value = operands.values[0]
    flow = value.flow
    time, *space = _pool_size(node, flow)
    refuse_mixing(calls, node, flow, (1, 3, 4))
    average = node.target is F.adaptive_avg_pool3d
    if average and space == [1, 1] and time == 1 and len(flow.held) == 3:
        made, after = global_mean(flow, calls.context, calls.label(node), squeeze=node in calls.squeezes)
        return calls.made(node, value, made, _ones(after, (2, 3, 4)))
    frames = flow.sizes["T"] if "T" in flow.axes[2] else 1
    if time not in (1, None, frames) or (time == frames != 1 and flow.frames is None):
        raise NoFrameForm(calls.label(node), f"output size {(time, *space)} makes {time} frames of {frames}")
    if time == 1 != frames and not average:
        raise NoFrameForm(
            calls.label(node), "takes the maximum of a whole clip; use MaxPool3d with a size, or an average"
        )
    call = Direct(operands.call.function, (Slot(0), (1, *space)), {})
    into = (*shape_of(node)[:2], frames, *shape_of(node)[3:])
    value = each_frame(calls, node, [value], call, flow.axes, into)
    if time == 1 != frames:
        made, after = clip_mean(value.flow, calls.context, calls.label(node))
        return calls.made(node, value, made, _ones(after, (2,)))
    return value


def _ones(flow: Flow, dims: tuple[int, ...]) -> Flow:
    sizes = dict(flow.sizes)
    for dim in dims:
        sizes |= dict.fromkeys(flow.axes[dim], 1)
    return replace(flow, sizes=sizes)


class TimePad(nn.Module):
    """Frames put around a clip: the regular form of a padding in time."""

    def __init__(self, before: int, after: int, mode: str, value: float) -> None:
        super().__init__()
        self.pads, self.mode, self.value = (before, after), mode, value

    def forward(self, clip: Tensor) -> Tensor:
        pads = (*(0,) * 2 * (clip.dim() - 3), *self.pads)
        if self.mode == "constant":
            return F.pad(clip, pads, value=self.value)
        ends = [clip[:, :, :1].expand(-1, -1, self.pads[0], *clip.shape[3:])] if self.mode == "replicate" else []
        if not ends:
            raise ValueError(f"padding in time by {self.mode!r}")
        import torch

        last = clip[:, :, -1:].expand(-1, -1, self.pads[1], *clip.shape[3:])
        return torch.cat((*ends, clip, last), 2)


def pad(calls: Calls, node: fx.Node) -> Result:
    """Padding: in space frame by frame; frames before the clip align what follows, as the padding of a layer does."""
    operands = Operands.of(calls, node)
    value = operands.values[0]
    axes = value.flow.axes
    pads = list(argument(node, 1, "pad"))
    mode, number = argument(node, 2, "mode", "constant"), argument(node, 3, "value", None) or 0.0
    for back in range(len(pads) // 2):
        name = axes[-1 - back]
        ends = pads[2 * back : 2 * back + 2]
        if any(ends) and runs_over(name, "BT", value.flow.sizes):
            if name != "T":
                raise NoFrameForm(
                    calls.label(node), f"pads dimension {len(axes) - 1 - back} of {shape(axes)}, which runs over clips"
                )
            value = _time_pad(calls, node, value, ends, mode, number)
            pads[2 * back : 2 * back + 2] = [0, 0]
    if not any(pads):
        return value
    while len(pads) > 2 and pads[-2:] == [0, 0] and mode == "constant":
        pads = pads[:-2]
    into = list(shape_of(node))
    call = Direct(F.pad, (Slot(0), pads, mode, number), {})
    return each_frame(calls, node, [value], call, axes, into)


def _time_pad(calls: Calls, node: fx.Node, value: Value, ends: list[int], mode: str, number: float) -> Value:
    before, after = ends
    if before < 0 or after < 0:
        cut = slice(max(0, -before), value.flow.sizes["T"] + min(0, after))
        value = window(calls, node, value, cut)
        before, after = max(0, before), max(0, after)
    if not before and not after:
        return value
    flow = value.flow
    if mode not in ("constant", "replicate"):
        raise ConversionError(calls.label(node), f"pads time by mode {mode!r}")
    frames = None if flow.frames is None else flow.frames + before + after
    padded = replace(flow, frames=frames, sizes={**flow.sizes, "T": flow.sizes["T"] + before + after})
    if flow.regular:
        return calls.made(node, value, TimePad(before, after, mode, number), padded)
    return calls.made(node, value, Offset(before * flow.rate), padded) if before else value.with_flow(padded)


def clip_norm(calls: Calls, node: fx.Node) -> Result:
    """group_norm and instance_norm: by a frame's statistics where frames are a batch, or where the user chose it."""
    operands = Operands.of(calls, node)
    value = operands.values[0]
    flow = value.flow
    over_time = [dim for dim in range(1, len(flow.axes)) if runs_over(flow.axes[dim], "T", flow.sizes)]
    if not over_time:
        return Within(_after_batch)(calls, node)
    if calls.context.statistics != "frame":
        raise NoFrameForm(
            calls.label(node),
            "normalises by statistics over the whole clip; statistics='frame' takes those of each frame instead, "
            "which is another network until it is trained so",
        )
    refuse_mixing(calls, node, flow, [dim for dim in range(1, len(flow.axes)) if dim not in over_time])
    calls.context.findings.norms[calls.label(node)] = None
    if flow.regular and flow.axes[2] == "T" and len(flow.axes) == 5:
        return calls.joined(node, [value], operands.call, flow)
    return each_frame(calls, node, [value], operands.call, flow.axes, shape_of(node))


def batch_norm(calls: Calls, node: fx.Node) -> Result:
    if argument(node, 5, "training", False):
        raise NoFrameForm(calls.label(node), "normalises by each clip's own statistics")
    return Within(_channels)(calls, node)


PICTURES = Within(_after_batch)
WITHIN: dict[str, Within] = {
    **dict.fromkeys(("layer_norm", "rms_norm"), Within(_normalised)),
    "linear": Within(_last),
    **dict.fromkeys(("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "unfold"), PICTURES),
    **dict.fromkeys(
        ("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "lp_pool2d", "local_response_norm"), PICTURES
    ),
    **dict.fromkeys(
        ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d"), PICTURES
    ),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle", "grid_sample"), PICTURES),
    **dict.fromkeys(("channel_shuffle", "native_channel_shuffle"), Within(_channels)),
}
CLIPS: dict[Any, Callable[[Calls, fx.Node], Result]] = {
    F.interpolate: clip_shaped(PICTURES, _resized),
    **dict.fromkeys((F.conv3d, F.conv_transpose3d), clip_shaped(PICTURES, _convolved)),
}
