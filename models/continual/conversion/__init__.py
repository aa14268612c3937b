"""A regular 3D CNN into a frame network with the same weights (paper, sections 3.2 to 3.6). See README.md."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import nn

from ..graph import Graph
from ..network import ClipNetwork, FrameNetwork
from ..pool import ClipPool
from ..state import Sequential
from ..tuning import untune
from .checks import check_tensors, copied
from .dispatch import converted
from .flow import Context, ConversionError, Findings, NoFrameForm, Squeeze, Statistics, label
from .flow import shape as axes_shown
from .layout import OVER_CLIP, clip_flow
from .outcome import BY_TESTS, TURNED_OFF, Conversion, differences
from .places import place_of_class, place_of_error
from .proof import Claim, WrongShape, asked_by_harness, known_proof, note, proof_of
from .randomness import draws
from .tracing import in_words

__all__ = ["BY_TESTS", "Conversion", "ConversionError", "NoFrameForm", "convert"]

# Where torch's own wrappers keep the network: DataParallel and its like, and torch.compile.
_WRAPPED = ("module", "_orig_mod")


def convert(
    module: nn.Module,
    *,
    input_shape: tuple[int, ...] | None = None,
    pool_frames: int | None = None,
    squeeze: Squeeze = "frame",
    statistics: Statistics = "clip",
    tuned: bool = True,
    prove: bool = True,
) -> FrameNetwork:
    """The frame network of `module`, a regular 3D CNN that maps clips (B, C, T, H, W) to scores (B, classes).

    Temporal padding is dropped, a temporal stride becomes dilation in all that follows, delays are inserted where
    branches meet, and what averages over the clip averages over the frames seen last. Weights and their names are
    kept, and which layers are in training mode; `module` itself is not changed. `print(net.conversion)` says how the
    result was proven, and what is meant to differ from `module`.

    input_shape: (C, T, H, W) of the clips the network is meant for; by default its own `input_shape`. Needed where a
        layer averages over the whole clip, whatever its length.
    pool_frames: how many frames in a row the last average covers (section 4.2). By default those the regular network
        averages, at their distance.
    squeeze: what attention averages over: the current "frame" (section 3.4), or as many of the last frames as the
        "clip" has.
    statistics: what GroupNorm and InstanceNorm normalise by: the statistics of the whole "clip", which has no frame
        form and is refused, or of each "frame" alone, which is another network until it is trained so.
    tuned: as for FrameNetwork.
    prove: whether to run both forms on random clips, at most 10 s each way (see README.md, The proof).

    Raises ConversionError, which names every layer or line that cannot be carried over and the reason, and nothing
    else; also if the proof finds a difference.
    """
    try:
        with draws():
            return _convert(module, _shape(module, input_shape), Choice(pool_frames, squeeze, statistics, tuned, prove))
    except ConversionError:
        raise
    except Exception as error:  # what no rule and no check expected
        place = place_of_error(error.__traceback__)
        where = f"the network at {place}" if place else "the network"
        raise ConversionError(where, f"not supported yet: {type(error).__name__}: {in_words(error)}") from error


@dataclass(frozen=True)
class Choice:
    """What the user chose."""

    pool_frames: int | None
    squeeze: Squeeze
    statistics: Statistics
    tuned: bool
    prove: bool


def _shape(module: Any, given: Any) -> tuple[int, int, int, int] | None:
    """(C, T, H, W) of a clip. Raises ConversionError for anything else."""
    shape = given if given is not None else getattr(module, "input_shape", None)
    if shape is None:
        return None
    if not isinstance(shape, tuple | list | torch.Size) or len(shape) != 4:
        shown = tuple(shape) if isinstance(shape, list) else shape
        raise ConversionError("input_shape", f"{shown} is not (channels, frames, height, width)")
    if not all(type(length) is int and length > 0 for length in shape):
        raise ConversionError("input_shape", f"{tuple(shape)} is not four whole numbers of at least 1")
    channels, frames, height, width = shape
    return channels, frames, height, width


def _check_choice(module: Any, choice: Choice) -> None:
    if not isinstance(module, nn.Module):
        raise ConversionError(type(module).__name__, "is no torch.nn.Module")
    if isinstance(module, FrameNetwork):
        raise ConversionError(type(module).__name__, "is a frame network already")
    wrapped = next((name for name in _WRAPPED if isinstance(getattr(module, name, None), nn.Module)), None)
    if isinstance(module, torch.jit.ScriptModule):
        raise ConversionError(type(module).__name__, "is compiled by TorchScript; convert the module it was made of")
    if wrapped is not None and type(module).__module__.startswith("torch."):
        raise ConversionError(type(module).__name__, f"wraps a network; convert its .{wrapped}")
    frames = choice.pool_frames
    if frames is not None and (type(frames) is not int or frames < 1):
        raise ConversionError("pool_frames", f"{frames} frames cannot be averaged; at least 1 can")
    if choice.squeeze not in ("frame", "clip"):
        raise ConversionError("squeeze", f"{choice.squeeze!r}: attention averages over the 'frame' or the 'clip'")
    if choice.statistics not in ("frame", "clip"):
        raise ConversionError("statistics", f"{choice.statistics!r}: norms go by those of the 'frame' or the 'clip'")


def _convert(module: nn.Module, shape: tuple[int, int, int, int] | None, choice: Choice) -> FrameNetwork:
    _check_choice(module, choice)
    findings = Findings()
    regular = untune(copied(module)).eval()
    known = known_proof()
    runs = choice.prove and known is None
    reference = copy.deepcopy(regular) if runs else regular
    mine = copy.deepcopy(regular)
    modes = dict(zip(mine.modules(), (layer.training for layer in module.modules()), strict=True))
    # First with padding: only so it is known which averages meet their clip's frames again, as attention.
    context = Context(converted, None, choice.squeeze, choice.statistics, findings)
    clip_form, after = _form(regular, shape, context, regular=True)
    blocks, _ = _form(mine, shape, replace(context, pool_frames=choice.pool_frames, modes=modes))
    findings.check()
    check_tensors(mine, blocks)
    if choice.pool_frames is not None and not any(isinstance(layer, ClipPool) for layer in blocks.modules()):
        raise ConversionError("pool_frames", "the network has no average over its clip that could be made longer")
    net = FrameNetwork(blocks, (shape[0], *shape[2:]) if shape else None, tuned=choice.tuned)
    net.training = module.training  # its layers have theirs
    if len(set(modes.values())) == 1:
        net.train(module.training)  # also what was put in between
    if not asked_by_harness():
        _warn_of_training(modes)
    differs = differences(net, module, findings, choice.pool_frames, choice.squeeze)
    claim = Claim(reference, clip_form, after, net, exact=not differs)
    text = TURNED_OFF if not choice.prove else known or _proven(claim, shape, findings)
    note(text)
    net.conversion = Conversion(text, differs)
    return net


def _proven(claim: Claim, shape: tuple[int, ...] | None, findings: Findings) -> str:
    """How it was proven. Raises ConversionError."""
    try:
        return proof_of(claim, shape)
    except WrongShape:
        raise
    except ConversionError as error:
        findings.refuse(error, "")
        findings.check()
        raise


def _form(
    module: nn.Module, shape: tuple[int, ...] | None, context: Context, *, regular: bool = False
) -> tuple[Sequential | Graph, tuple[str, ...]]:
    """The frame form, or the regular clip form, and the dimensions of what it returns."""
    ours = type(module).forward is ClipNetwork.forward
    convolutions = (layer.in_channels for layer in module.modules() if isinstance(layer, nn.Conv3d | nn.Conv2d))
    start = clip_flow(shape, next(convolutions, 3), regular=regular)
    blocks, after = converted(cast(Any, module).blocks if ours else module, start, context, "")
    merged = [name for name in after.axes if len(name) > 1 and set(name) & OVER_CLIP and set(name) != OVER_CLIP]
    if after.known and merged:
        why = f"returns {axes_shown(after.axes)}, in which frames or clips and other dimensions are one"
        context.findings.refuse(ConversionError(label(module, ""), why), place_of_class(type(module)))
    if not hasattr(blocks, "state_count"):
        blocks = Sequential(blocks)
    return cast("Sequential | Graph", blocks), after.axes


def _warn_of_training(modes: Mapping[nn.Module, bool]) -> None:
    kinds = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
    if any(training and isinstance(layer, kinds) for layer, training in modes.items()):
        message = (
            "convert: the module is in training mode, and so is its frame network: its batch norms use each batch's "
            "statistics, and dropout is on; call .eval() before you predict"
        )
        warnings.warn(message, stacklevel=4)
