"""The proof that a frame network is the network it was made of, run once when it is made.

1. The traced network, rebuilt by the same rules as a clip network *with* padding, temporal strides and averages over
   the clip, answers as the module itself does: with its weights, and with weights drawn so that every layer counts.
2. The frame network's steps answer as its own clip form does; and, where nothing was meant to differ, as the module.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..network import ClipNetwork, FrameNetwork
from .flow import ConversionError, NoFrameForm, has_tensors, label
from .layout import as_kept
from .places import place_of_class, place_of_error
from .randomness import draws
from .tracing import in_words

TOLERANCE = 1e-4  # relative to the largest number of the answer
LIMIT_S = 10.0  # of each of the two comparisons
_RUNS = (7, 3)  # how often each runs over all of its frames
_TRIES = 5  # steps that are timed before a proof is called too long: other work may hold one up
_SMALLEST = 32  # pixels; where a proof would take longer it is run on smaller pictures, down to these
_GUESSES = (64, 112, 224)  # pixels of a clip whose size is not known
_GUESSED_FRAMES = 16
_LOW = (torch.float16, torch.bfloat16)  # compared in float32

# How the same code was proven before, by a process that described it; and what is noted of the proofs here.
_KNOWN: ContextVar[str | None] = ContextVar("known", default=None)
_NOTED: ContextVar[list[str] | None] = ContextVar("noted", default=None)

Shape = tuple[int, ...]


@contextmanager
def proven_before(text: str | None) -> Iterator[None]:
    """Conversions inside are of code that was proven before: they note that proof and do not run it again."""
    token = _KNOWN.set(text)
    try:
        yield
    finally:
        _KNOWN.reset(token)


@contextmanager
def noted_proofs() -> Iterator[list[str]]:
    """How each conversion inside was proven. Those around it get them too."""
    found: list[str] = []
    around = _NOTED.get()
    token = _NOTED.set(found)
    try:
        yield found
    finally:
        _NOTED.reset(token)
        if around is not None:
            around += found


def known_proof() -> str | None:
    """How the code that runs now was proven before; None if it was not."""
    return _KNOWN.get()


def asked_by_harness() -> bool:
    """Whether this runs inside one of the two: there networks are put into eval mode whatever they are in."""
    return _KNOWN.get() is not None or _NOTED.get() is not None


def as_one(proofs: Sequence[str]) -> str | None:
    """The sentence for a network in which these were noted; None where nothing was converted."""
    return "; ".join(dict.fromkeys(proofs)) or None


def note(text: str) -> None:
    """Tells `noted_proofs`."""
    if (noted := _NOTED.get()) is not None:
        noted.append(text)


@dataclass(frozen=True)
class Claim:
    """What is to be proven. The proof draws other weights for the first two."""

    module: nn.Module  # a copy of what was converted, in eval mode
    clip_form: nn.Module  # the traced network with its padding, of another copy
    axes: tuple[str, ...]  # the dimensions of the module's answer
    net: FrameNetwork
    exact: bool  # whether nothing was meant to differ, so that the steps' answer is the module's

    @property
    def layers(self) -> nn.Module:
        """The part of the module whose names the other two have."""
        ours = type(self.module).forward is ClipNetwork.forward
        return cast(ClipNetwork, self.module).blocks if ours else self.module


def proof_of(claim: Claim, shape: Shape | None, clock: Callable[[], float] = time.thread_time) -> str:
    """How the claim was proven, as a sentence. Raises ConversionError where it is wrong.

    `clock` is CPU time of one thread: what else runs on the machine does not decide what is proven.
    """
    kind = next(iter(claim.module.parameters()), torch.empty(0))
    if kind.device.type == "meta":
        return "not proven: its weights are on the meta device, without numbers"
    probe = copy.deepcopy(claim.net).eval()
    if kind.dtype in _LOW:
        claim = Claim(claim.module.float(), claim.clip_form.float(), claim.axes, claim.net, claim.exact)
        probe, kind = probe.float(), torch.empty(0, device=kind.device)
    with torch.no_grad(), torch.autocast(kind.device.type, enabled=False):
        shape = shape or _guessed(claim, kind)
        if shape is None:
            return "not proven: no clip is known that it takes; pass input_shape="
        clips = _Clips(shape, kind, probe, clock)
        _check_step(claim, clips)
        first = _compared_clips(claim, clips)
        give_weights(claim.layers, probe.blocks)
        second = _compared_steps(claim, clips)
    parts = [part for part in (first, second) if part]
    if len(parts) == 2:
        return f"proven: {first}; {second}"
    cut = "in part: " + parts[0] if parts else ""
    return f"{'proven ' + cut + '; the rest' if parts else 'not proven: it'} would take longer than 10 s"


class WrongShape(ConversionError):
    """The module itself cannot be called with a clip of the shape that was given."""

    def __init__(self, why: str, place: str) -> None:
        super().__init__("input_shape", f"{why} (at {place})" if place else why)


class _Clips:
    """Random clips of the largest size that time allows."""

    def __init__(self, shape: Shape, kind: Tensor, probe: FrameNetwork, clock: Callable[[], float]) -> None:
        self.shape, self.kind, self.probe, self.clock = shape, kind, probe, clock

    def size(self, frames: int, runs: int, limit_s: float) -> tuple[int, int] | None:
        """Height and width on which `runs` times that many frames take no longer; None if none does."""
        height, width = self.shape[2:]
        while True:
            try:
                if self._fits(frames * runs, limit_s, height, width):
                    return height, width
            except Exception:  # noqa: BLE001 - whatever its layers raise: a smaller picture is none for this network
                return None
            if min(height, width) < 2 * _SMALLEST:
                return None
            height, width = height // 2, width // 2

    def random(self, frames: int, size: tuple[int, int], *, signed: bool = True) -> Tensor:
        generator = torch.Generator("cpu").manual_seed(int(signed))
        shape = (1, self.shape[0], frames, *size)
        make = torch.randn if signed else torch.rand
        return make(shape, generator=generator, device="cpu", dtype=torch.float64).to(self.kind)

    def _fits(self, frames: int, limit_s: float, height: int, width: int) -> bool:
        """Whether that many frames at the time of the quickest of a few steps stay within the limit."""
        frame = self.kind.new_zeros(1, self.shape[0], height, width)
        _, state = self.probe.step(frame, self.probe.initial_state(frame=frame))  # the first one is slow
        for _ in range(_TRIES):
            start = self.clock()
            self.probe.step(frame, state)
            if (self.clock() - start) * frames <= limit_s:
                return True
        return False


def _check_step(claim: Claim, clips: _Clips) -> None:
    """Raises ConversionError if the frame form, or the module itself, cannot be run at all."""
    frame = clips.random(1, (clips.shape[2], clips.shape[3]))[:, :, 0]
    try:
        clips.probe.step(frame, clips.probe.initial_state(frame=frame))
    except Exception as error:  # whatever its layers raise
        _answers(claim.module, [clips.random(clips.shape[1], (clips.shape[2], clips.shape[3]))])
        raise ConversionError("the frame form", f"fails in a step: {in_words(error)}") from error


def _compared_clips(claim: Claim, clips: _Clips) -> str | None:
    frames = clips.shape[1]
    size = clips.size(frames, _RUNS[0], LIMIT_S)
    if size is None:
        return None
    both = [clips.random(frames, size, signed=signed) for signed in (True, False)]
    wanted = _answers(claim.module, both)
    finite = [(clip, want) for clip, want in zip(both, wanted, strict=True) if bool(want.isfinite().all())]
    if not finite:
        raise ConversionError("the network", f"answers a random clip of {_sizes(both[0])} with nan or inf")
    worst = max(_difference(claim, clip, want) for clip, want in finite)
    weights = {name: tensor.clone() for name, tensor in _tensors(claim.layers).items()}
    draw_weights(claim.layers)
    try:
        want = claim.module(both[0].clone())
    except Exception:  # noqa: BLE001 - what refuses other weights is proven with its own
        want = both[0].new_full((), math.nan)
    if bool(want.isfinite().all()):
        give_weights(claim.layers, claim.clip_form)
        worst = max(worst, _difference(claim, both[0], want))
    else:
        _copy(weights, claim.layers)
    return f"answers as the module does on clips of {_sizes(both[0])} (relative difference {worst:.0e})"


def _compared_steps(claim: Claim, clips: _Clips) -> str | None:
    net = clips.probe
    frames = net.blocks.temporal.receptive_field + 1
    size = clips.size(frames, _RUNS[1], LIMIT_S)
    if size is None:
        return None
    clip = clips.random(max(frames, clips.shape[1]), size)
    asked, clip = clip[:, :, : clips.shape[1]], clip[:, :, :frames]
    module = claim.module
    try:
        worst, answers = _stepped(net, clip)
        if not worst <= TOLERANCE:  # rounding alone may make so much of drawn weights; not in float64
            net, module, clip = net.double(), module.double(), clip.double()
            worst, answers = _stepped(net, clip)
    except Exception as error:
        raise ConversionError("the frame form", f"fails in a step: {in_words(error)}") from error
    if not worst <= TOLERANCE:
        why = f"its steps are {worst:.1g} off from its clips (relative); please report this network"
        raise ConversionError("the frame form", why)
    if claim.exact and frames - 1 <= asked.shape[2]:
        apart = relative_difference(answers[-2], _first_frame(module(asked.to(clip, copy=True)), claim.axes))
        if not apart <= TOLERANCE:
            why = f"answers a clip of {_sizes(asked)} otherwise than its frame form does: {apart:.1g} off (relative)"
            raise ConversionError(label(claim.module, ""), why, place_of_class(type(claim.module)))
    return f"{frames} steps as its clip form of {_sizes(clip)} (relative difference {worst:.0e})"


def _stepped(net: FrameNetwork, clip: Tensor) -> tuple[float, list[Tensor]]:
    """How far steps are from the clip form, relative; and the answer of each."""
    expected, (together, _) = net(clip), net.steps(clip)
    state, answers = net.initial_state(frame=torch.zeros_like(clip[:, :, 0])), []
    for frame in clip.unbind(2):
        y, state = net.step(frame, state)
        answers.append(y)
    return max(relative_difference(got, expected) for got in (answers[-1], together[..., -1])), answers


def _answers(module: nn.Module, clips: Sequence[Tensor]) -> list[Tensor]:
    """The module's answer to each clip. Raises ConversionError if it has none, or another one to the first at last."""
    try:
        with draws() as drawn:
            answers = [module(clip.clone()) for clip in (*clips, clips[0])]
    except Exception as error:
        why = f"the network itself fails on a clip of {_sizes(clips[0])}: {in_words(error)}"
        raise WrongShape(why, place_of_error(error.__traceback__)) from error
    place = place_of_class(type(module))
    if drawn:
        raise NoFrameForm(label(module, ""), f"draws random numbers ({', '.join(drawn)}) in eval mode", place)
    for answer in answers:
        if not isinstance(answer, Tensor):
            raise ConversionError(
                label(module, ""), f"returns {type(answer).__name__}, not one tensor of scores", place
            )
    *first, again = answers
    if not torch.equal(first[0].nan_to_num(), again.nan_to_num()) and relative_difference(again, first[0]) > TOLERANCE:
        why = "answers the same clip differently after another one: it remembers, or draws random numbers"
        raise NoFrameForm(label(module, ""), why, place)
    return first


def _difference(claim: Claim, clip: Tensor, want: Tensor) -> float:
    """The relative difference of the clip form's answer. Raises ConversionError if it is too large."""
    want = _ordered(want, claim.axes)
    try:
        got = claim.clip_form(clip.clone()).flatten(1)
    except Exception as error:
        why = f"cannot be rebuilt from its traced calls: {in_words(error)}"
        raise ConversionError(label(claim.module, ""), why, place_of_class(type(claim.module))) from error
    found = f"its answer has {want.numel()} numbers, the rebuilt one {got.numel()}"
    if got.shape == want.shape:
        worst = relative_difference(got, want)
        if worst <= TOLERANCE:
            return worst
        found = f"on a random clip of {_sizes(clip)} they are {worst:.1g} apart (relative)"
    where, what, place = _first_difference(claim, clip)
    raise ConversionError(where, f"{what} from what its traced calls do: {found}", place)


def _first_difference(claim: Claim, clip: Tensor) -> tuple[str, str, str]:
    """The first layer whose output differs, and the place of its class; else the whole module."""
    theirs = _outputs(claim.module, claim.layers, clip)
    ours = _outputs(claim.clip_form, claim.clip_form, clip)
    layers = dict(claim.layers.named_modules())
    for key, want in theirs.items():
        got = ours.get(key)
        if got is not None and max(abs(a - b) for a, b in zip(got, want, strict=True)) > 1e-3 * max(want[-1], 1e-30):
            layer = layers[key[0]]
            return label(layer, key[0]), "computes something different", place_of_class(type(layer))
    return label(claim.module, ""), "computes something different", place_of_class(type(claim.module))


def _outputs(module: nn.Module, layers: nn.Module, clip: Tensor) -> dict[tuple[str, int], tuple[float, ...]]:
    """Of each call of a layer with weights of its own: mean, mean size and largest number, whatever the layout."""
    found: dict[tuple[str, int], tuple[float, ...]] = {}
    hooks = []

    def record(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                number = sum(known == name for known, _ in found)
                numbers = (output.mean(), output.abs().mean(), output.abs().max())
                found[name, number] = tuple(float(one) for one in numbers)

        return hook

    for name, layer in layers.named_modules():
        if has_tensors(layer, recurse=False):
            hooks.append(layer.register_forward_hook(record(name)))
    try:
        module(clip.clone())
    except Exception:  # noqa: BLE001 - its outputs so far are what is asked for
        return found
    finally:
        for hook in hooks:
            hook.remove()
    return found


def draw_weights(module: nn.Module) -> None:
    """Weights under which every layer changes the answer: what is zero or one in a new network is neither."""
    generator = torch.Generator("cpu").manual_seed(2)

    def like(tensor: Tensor, draw: Callable[..., Tensor]) -> Tensor:
        return draw(tensor.shape, generator=generator, device="cpu", dtype=torch.float64).to(tensor)

    parameters = set(module.parameters())
    for tensor in _tensors(module).values():
        if not tensor.is_floating_point():
            continue
        if tensor in parameters and tensor.dim() > 1:
            tensor.data.copy_(like(tensor, torch.randn) * math.sqrt(2 / max(tensor[0].numel(), 1)))
        else:
            tensor.data.mul_(0.8 + 0.4 * like(tensor, torch.rand)).add_(0.05 + 0.2 * like(tensor, torch.rand))


def give_weights(source: nn.Module, target: nn.Module) -> None:
    """Copies weights and buffers, by name."""
    _copy(_tensors(source), target)


def _copy(tensors: dict[str, Tensor], target: nn.Module) -> None:
    for name, tensor in _tensors(target, every_name=True).items():
        if name in tensors:
            tensor.data.copy_(tensors[name])


def _tensors(module: nn.Module, *, every_name: bool = False) -> dict[str, Tensor]:
    """Parameters and buffers by name; without `every_name` each one once."""
    once = not every_name
    return {
        **dict(module.named_parameters(remove_duplicate=once)),
        **dict(module.named_buffers(remove_duplicate=once)),
    }


def relative_difference(got: Tensor, want: Tensor) -> float:
    """The largest difference, as a share of the largest number; nan if either has one."""
    scale = float(want.abs().max())
    return float((got - want).abs().max()) / (scale or 1.0)


def _first_frame(answer: Tensor, axes: tuple[str, ...]) -> Tensor:
    """Of the module's answer, what it says of the first frames."""
    whole = answer.dim() == len(axes)
    return _ordered(answer.narrow(axes.index("T"), 0, 1) if whole and "T" in axes else answer, axes)


def _ordered(answer: Tensor, axes: tuple[str, ...]) -> Tensor:
    """(B, ...), the rest flat in the order in which our layers keep their dimensions."""
    if answer.dim() == len(axes):
        answer = as_kept(answer, axes)
    return answer.flatten(1) if answer.dim() > 1 else answer.reshape(1, -1)


def _guessed(claim: Claim, kind: Tensor) -> Shape | None:
    """The shape of a clip that the module takes, where nobody said it."""
    convolutions = (layer for layer in claim.module.modules() if isinstance(layer, nn.Conv3d))
    channels = next((layer.in_channels for layer in convolutions), 3)
    frames = max(claim.net.blocks.temporal.receptive_field, _GUESSED_FRAMES)
    for pixels in _GUESSES:
        try:
            claim.module(kind.new_zeros(1, channels, frames, pixels, pixels))
        except Exception:  # noqa: BLE001, S112 - then it takes another size
            continue
        return (channels, frames, pixels, pixels)
    return None


def _sizes(clip: Tensor) -> str:
    return " x ".join(str(length) for length in clip.shape[1:])
