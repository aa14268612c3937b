"""The two kinds of network: one that answers for a clip, and one that answers for every frame.

Both are made of the same blocks with the same weights; `zoo/` builds them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .graph import Graph
from .state import Fill, Sequential, State, temporal_of
from .training import transient


class ClipNetwork(nn.Module):
    """A regular 3D CNN: `net(clip)` maps (B, C, T, H, W) to (B, classes), scores before softmax."""

    def __init__(self, blocks: nn.Module, input_shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.blocks = blocks
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
    `input_shape` is (C, H, W) of one frame; where it is None, `initial_state` is told by its first frame.
    Every step returns scores. Before `delay` frames were seen they rest mostly on the fill, and until
    `receptive_field` frames were seen partly: transient values (section 4.2), never None.
    """

    def __init__(self, blocks: Sequential | Graph, input_shape: tuple[int, int, int] | None = None) -> None:
        super().__init__()
        self.blocks = blocks
        self.input_shape = input_shape

    @property
    def unbounded(self) -> bool:
        """Whether a recurrent layer remembers, ever less, all that came before the receptive field."""
        return self.blocks.temporal.unbounded

    @property
    def receptive_field(self) -> int:
        """Frames one prediction depends on (section 3.6)."""
        return self.blocks.temporal.receptive_field

    @property
    def padding(self) -> int:
        """Temporal padding the regular network has in all layers together, in frames (section 3.6)."""
        return self.blocks.temporal.padding

    @property
    def delay(self) -> int:
        """Frames before the first steady prediction, r - p - 1 (section 3.6)."""
        return self.blocks.temporal.delay

    @property
    def _channels(self) -> int | str:
        return self.input_shape[0] if self.input_shape else "C"

    def initial_state(self, batch_size: int = 1, fill: Fill = "zeros", frame: Tensor | None = None) -> State:
        """State before the first frame.

        `zeros` starts from nothing; `replicate` as if the first `frame` (B, C, H, W) had been shown for ever
        (section 3.6), so it needs that frame. Raises ValueError if it is missing, or if no frame's size is known.
        """
        if fill not in ("zeros", "replicate"):
            raise ValueError(f"fill={fill!r}: it is either 'zeros' or 'replicate'")
        if frame is None:
            if fill == "replicate":
                raise ValueError("fill='replicate' repeats the first frame: pass it as frame=")
            if self.input_shape is None:
                raise ValueError("the size of a frame is not known: pass the first one as frame=")
            weight = next(self.parameters())
            frame = weight.new_zeros((batch_size, *self.input_shape))
        with transient(self):  # in training, statistics do not learn from what fills the state
            return self.blocks.initial_state(frame.contiguous(memory_format=torch.channels_last), fill)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        """One frame (B, C, H, W) in, scores (B, classes) and the next state out.

        Pure: neither `state` nor `frame` is changed, and the next state does not hold `frame`.
        """
        check_shape(frame, "frame", ("B", self._channels, "H", "W"))
        x = frame.contiguous(memory_format=torch.channels_last)
        y, after = self.blocks(x.clone() if x is frame else x, state)
        return y.flatten(1), after

    def prefill(self, clip: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """A whole clip (B, C, T, H, W) at once: the scores of its last frame and the state after it.

        The same as stepping through its frames, in fewer and larger calls.
        """
        check_shape(clip, "clip", ("B", self._channels, "T", "H", "W"))
        if state is None:
            frame = clip.new_zeros((clip.shape[0], clip.shape[1], *clip.shape[3:]))
            state = self.initial_state(frame=frame)
        y, after = self.blocks(clip.contiguous(memory_format=torch.channels_last_3d), state)
        return y[:, :, -1].flatten(1), after

    def forward(self, clip: Tensor) -> Tensor:
        """The regular form without temporal padding: (B, C, T, H, W) -> (B, classes) for the clip's last frame.

        Differentiable like any 3D CNN: a frame network can be trained so, unrolled (section 3.8).
        Raises ValueError for fewer than `receptive_field` frames.
        """
        check_shape(clip, "clip", ("B", self._channels, "T", "H", "W"))
        if clip.shape[2] < self.receptive_field:
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
