"""What averages over a whole clip, by frames: an average over the frames seen last."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from ..attention import sliding_mean
from ..pool import ClipMean, ClipPool, SpatialMean
from ..state import Sequential
from .flow import Context, ConversionError, Flow


def global_mean(flow: Flow, context: Context, where: str, *, squeeze: bool) -> tuple[nn.Module, Flow]:
    """The mean over a whole clip: at the network's end, or (`squeeze`) the input of attention."""
    if flow.regular and (squeeze or flow.frames is None):
        return ClipMean(), replace(flow, pooled=True, averaged=True, frames=None if flow.frames is None else 1)
    if squeeze:
        mean = SpatialMean() if context.squeeze == "frame" else sliding_mean(_frames(flow, where), flow.rate)
        return mean, replace(flow, pooled=True)
    over_time, after = clip_mean(flow, context, where)
    return Sequential(SpatialMean(), over_time), replace(after, pooled=True)


def clip_mean(flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    """The mean over a clip's frames, pixels kept."""
    return clip_pool(_frames(flow, where), flow, context)


def clip_pool(frames: int, flow: Flow, context: Context) -> tuple[nn.Module, Flow]:
    """The mean over that many frames, or over as many as the user chose."""
    # one answer, at every frame
    after = replace(flow, rate=1, frames=None if flow.frames is None else 1, averaged=True)
    chosen = None if flow.regular else context.pool_frames
    if flow.averaged or (frames == 1 and chosen is None):
        return nn.Identity(), after
    return ClipPool(chosen or frames, 1 if chosen else flow.rate), after


def _frames(flow: Flow, where: str) -> int:
    if flow.frames is None:
        raise ConversionError(where, "averages over the whole clip, whose length is not known: pass input_shape=")
    return flow.frames
