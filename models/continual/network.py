"""The two kinds of network: one that answers for a clip, and one that answers for every frame.

Both are made of the same blocks with the same weights; `zoo/` builds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .graph import Graph
from .state import Fill, Sequential, State, as_continual, temporal_of
from .training import transient
from .tuning import tune

if TYPE_CHECKING:
    from .conversion.outcome import Conversion


class ClipNetwork(nn.Module):
    """A regular 3D CNN: `net(clip)` maps (B, C, T, H, W) to (B, classes), scores before softmax.

    Its layers are tuned (`tuning.py`) unless `tuned` is False: then each runs the plain function it names.
    """

    def __init__(self, blocks: nn.Module, input_shape: tuple[int, int, int, int], *, tuned: bool = True) -> None:
        super().__init__()
        self.blocks = tune(blocks) if tuned else blocks
        self.input_shape = input_shape

    @property
    def receptive_field(self) -> int:
        """Frames one prediction depends on: the clip, since time is padded at its ends."""
        return self.input_shape[1]

    @property
    def padding(self) -> int:
        """Temporal padding of all layers together, in frames (section 3.5)."""
        return temporal_of(self.blocks).padding

    @property
    def delay(self) -> int:
        """Frames to collect before the first prediction: a whole clip less the newest one."""
        return self.input_shape[1] - 1

    def forward(self, clip: Tensor) -> Tensor:
        check_shape(clip, "clip", ("B", self.input_shape[0], "T", "H", "W"))
        return self.blocks(clip.contiguous(memory_format=torch.channels_last_3d)).flatten(1)


class FrameNetwork(nn.Module):
    """A continual 3D CNN (ECCV 2022): a prediction for every frame, the same weights, no repeated work.

        state = net.initial_state(batch_size)
        scores, state = net.step(frame, state)     # (B, C, H, W) -> (B, classes)

    The state is a flat tuple of tensors, passed in and handed back; one network serves any number of streams.
    `input_shape` is (C, H, W) of one frame; where it is None, `initial_state` needs the first frame.
    Every step returns scores. Before `delay` frames were seen they rest mostly on the fill, and until
    `receptive_field` frames were seen partly: transient values (section 4.2), never None.
    `tuned` is as for `ClipNetwork`.
    """

    def __init__(
        self, blocks: Sequential | Graph, input_shape: tuple[int, int, int] | None = None, *, tuned: bool = True
    ) -> None:
        super().__init__()
        self.blocks = tune(blocks) if tuned else blocks
        self.input_shape = input_shape
        self.conversion: Conversion | None = None  # how it was proven, where `convert` made it

    @property
    def unbounded(self) -> bool:
        """Whether a recurrent layer remembers, ever less, all that came before the receptive field."""
        return self.blocks.temporal.unbounded

    @property
    def receptive_field(self) -> int | None:
        """Frames one prediction depends on (section 3.6); None with a cumulative mean, which forgets nothing."""
        reach = self.blocks.temporal
        return None if reach.endless else reach.receptive_field

    @property
    def padding(self) -> int:
        """Temporal padding the regular network has in all layers together, in frames (section 3.6)."""
        return self.blocks.temporal.padding

    @property
    def delay(self) -> int:
        """Frames before the first settled prediction, r - p - 1 (section 3.6)."""
        return self.blocks.temporal.delay

    @property
    def _channels(self) -> int | str:
        return self.input_shape[0] if self.input_shape else "C"

    def initial_state(self, batch_size: int = 1, fill: Fill = "zeros", frame: Tensor | None = None) -> State:
        """State before the first frame.

        `zeros` starts from nothing; `replicate` as if the first `frame` (B, C, H, W) had been shown for ever
        (section 3.6), so it needs that frame. With a frame, the batch is the frame's; the state does not hold it.
        Raises ValueError if it is missing or no frame, or if no frame's size is known.
        """
        if fill not in ("zeros", "replicate"):
            raise ValueError(f"fill={fill!r}: it is either 'zeros' or 'replicate'")
        if frame is None:
            if fill == "replicate":
                raise ValueError("fill='replicate' repeats the first frame: pass it as frame=")
            if self.input_shape is None:
                raise ValueError("the size of a frame is not known: pass the first one as frame=")
            like = next(self.parameters(), torch.empty(0))
            frame = like.new_zeros((batch_size, *self.input_shape))
        with transient(self):  # in training, statistics do not learn from what fills the state
            return self.blocks.initial_state(self._copied(frame), fill)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        """One frame (B, C, H, W) in, scores (B, classes) and the next state out.

        Pure: neither `state` nor `frame` is changed, and the next state does not hold `frame`. Raises ValueError for a
        frame of another shape and for a state of another number of tensors.
        """
        x = self._copied(frame)
        self._check_state(state)
        y, after = self.blocks.step(x, state)
        return y.flatten(1), after

    def steps(self, clip: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Many frames (B, C, T, H, W) at once: the scores of each one (B, classes, T) and the state after the last.

        The same as stepping through them, in fewer and larger calls. Without `state` it is that of `zeros`.
        """
        y, after = self._steps(clip, state)
        return y.movedim(2, -1).flatten(1, -2), after

    def prefill(self, clip: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """As `steps`, but the scores (B, classes) of the last frame only."""
        y, after = self._steps(clip, state)
        return y[:, :, -1].flatten(1), after

    def _steps(self, clip: Tensor, state: State | None) -> tuple[Tensor, State]:
        check_shape(clip, "clip", ("B", self._channels, "T", "H", "W"))
        if state is None:
            state = self.initial_state(frame=torch.zeros_like(clip[:, :, 0]))
        self._check_state(state)
        return self.blocks.steps(clip.contiguous(memory_format=torch.channels_last_3d), state)

    def _copied(self, frame: Tensor) -> Tensor:
        """The frame in `channels_last`. Never the caller's tensor, in which the next frame may arrive."""
        check_shape(frame, "frame", ("B", self._channels, "H", "W"))
        x = frame.contiguous(memory_format=torch.channels_last)
        return x.clone() if x is frame else x

    def _check_state(self, state: State) -> None:
        if len(state) != self.blocks.state_count:
            raise ValueError(
                f"expected a state of {self.blocks.state_count} tensors, got {len(state)}; `initial_state` makes one"
            )

    def forward(self, clip: Tensor) -> Tensor:
        """The regular form without temporal padding: (B, C, T, H, W) -> (B, classes) for the clip's last frame.

        That of a causal network, which pads before the first frame alone, is its steps through the clip from zeros.

        Differentiable like any 3D CNN: a frame network can be trained so, unrolled (section 3.8).
        Raises ValueError for fewer than `receptive_field` frames.
        """
        check_shape(clip, "clip", ("B", self._channels, "T", "H", "W"))
        if self.receptive_field is not None and clip.shape[2] < self.receptive_field:
            raise ValueError(
                f"a clip of {clip.shape[2]} frames does not fill the receptive field of {self.receptive_field}; "
                "give more frames, or step through them"
            )
        return self.blocks(clip.contiguous(memory_format=torch.channels_last_3d))[:, :, -1].flatten(1)


def check_shape(x: Tensor, what: str, expected: tuple[str | int, ...]) -> None:
    """Raises ValueError unless `x` has that many dimensions and the numbers where numbers are given."""
    fits = x.dim() == len(expected) and all(
        isinstance(want, str) or want == have for want, have in zip(expected, x.shape, strict=True)
    )
    if not fits:
        names = ", ".join(str(part) for part in expected)
        raise ValueError(f"expected a {what} of shape ({names}), got {tuple(x.shape)}")


@contextmanager
def steps_as_calls(net: nn.Module) -> Iterator[None]:
    """While `net` is stepped inside, each step of a layer is a call of the layer, which hooks see.

    Those who count operations hang on hooks. Of a network that is not ours, the parts that are.
    """
    ours = [part for part in net.modules() if isinstance(part, FrameNetwork)]
    layers: dict[Any, None] = dict.fromkeys(layer for part in ours for layer in part.blocks.modules())
    layers = {layer: None for layer in layers if as_continual(layer)}
    for layer in layers:
        layer.step = _called(layer, layer.step)
    try:
        yield
    finally:
        for layer in layers:
            del layer.step


def _called(layer: Any, step: Callable[..., Any]) -> Callable[..., Any]:
    """A call of the layer that does what `step` does; other calls are what they were."""

    def call(*args: Any) -> Any:
        layer.forward = step
        try:
            return layer(*args)
        finally:
            del layer.forward

    return call
