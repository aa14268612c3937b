"""A regular 3D CNN into a frame network with the same weights (paper, sections 3.2 to 3.6). See README.md."""

from __future__ import annotations

import copy

from torch import nn

from ..network import ClipNetwork, FrameNetwork
from ..pool import ClipPool
from ..state import Sequential
from ..tuning import untune
from .dispatch import converted
from .flow import Context, ConversionError, Squeeze, Statistics
from .layout import clip_flow

__all__ = ["ConversionError", "convert"]


def convert(
    module: nn.Module,
    *,
    input_shape: tuple[int, ...] | None = None,
    pool_frames: int | None = None,
    squeeze: Squeeze = "frame",
    statistics: Statistics = "clip",
    tuned: bool = True,
) -> FrameNetwork:
    """The frame network of `module`, a regular 3D CNN that maps clips (B, C, T, H, W) to scores (B, classes).

    Temporal padding is dropped, a temporal stride becomes dilation in all that follows, delays are inserted where
    branches meet, and what averages over the clip averages over the frames seen last. Weights and their names are
    kept; `module` itself is not changed.

    input_shape: (C, T, H, W) of the clips the network is meant for; by default its own `input_shape`. Needed where a
        layer averages over the whole clip, whatever its length.
    pool_frames: how many frames in a row the last average covers (section 4.2). By default those the regular network
        averages, at their distance.
    squeeze: what attention averages over: the current "frame" (section 3.4), or as many of the last frames as the
        "clip" has.
    statistics: what GroupNorm and InstanceNorm normalise by: the statistics of the whole "clip", which has no frame form
        and is refused, or of each "frame" alone, which is another network until it is trained so.
    tuned: as for FrameNetwork.

    Raises ConversionError, which names the layer and the reason, for what has no frame form.
    """
    shape = input_shape if input_shape is not None else getattr(module, "input_shape", None)
    if shape is not None and len(shape) != 4:
        raise ConversionError("input_shape", f"{tuple(shape)} is not (channels, frames, height, width)")
    if pool_frames is not None and pool_frames < 1:
        raise ConversionError("pool_frames", f"{pool_frames} frames cannot be averaged; at least 1 can")
    if squeeze not in ("frame", "clip"):
        raise ConversionError("squeeze", f"{squeeze!r}: attention averages over the 'frame' or the 'clip'")
    module = untune(copy.deepcopy(module))
    layers = module.blocks if isinstance(module, ClipNetwork) else module
    convolutions = (layer.in_channels for layer in layers.modules() if isinstance(layer, nn.Conv3d | nn.Conv2d))
    start = clip_flow(shape, next(convolutions, 3))
    blocks, _ = converted(layers, start, Context(converted, pool_frames, squeeze, statistics), "")
    if pool_frames is not None and not any(isinstance(layer, ClipPool) for layer in blocks.modules()):
        raise ConversionError("pool_frames", "the network has no average over its clip that could be made longer")
    if not hasattr(blocks, "state_count"):
        blocks = Sequential(blocks)
    net = FrameNetwork(blocks, (shape[0], *shape[2:]) if shape else None, tuned=tuned)  # type: ignore[arg-type]
    net.training = module.training  # its layers have theirs
    modes = {layer.training for layer in module.modules()}
    return net.train(modes.pop()) if len(modes) == 1 else net  # also what was put in between
