"""The temporal shift of online TSM (Lin, Gan and Han, ICCV 2019, arxiv.org/abs/1811.08383)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .state import Fill, State, Temporal


class Shift(nn.Module):
    """The first 1 / `share` of the channels from the frame before, the others from this one: no weights, no arithmetic.

    It uses past frames only, and waits for none: that one frame counts as padding. `pad_time` says what the clip form
    (B, C, T, H, W) does with the first frame, which has none before it: fill in zeros, as the authors train (True,
    T frames), or leave it out (False, T - 1 frames), which is what the frame form equals.
    """

    def __init__(self, share: int = 8, *, pad_time: bool = True) -> None:
        super().__init__()
        self.share = share
        self.pad_time = pad_time
        self.state_count = 1

    @property
    def temporal(self) -> Temporal:
        return Temporal(2, padding=1)

    def extra_repr(self) -> str:
        return f"1/{self.share}"

    def _shifted(self, x: Tensor) -> Tensor:
        """Copied, so that keeping them does not keep the whole feature map."""
        return x[:, : x.shape[1] // self.share].clone()

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        kept = self._shifted(x)
        return (kept if fill == "replicate" else torch.zeros_like(kept),)

    def forward(self, clip: Tensor) -> Tensor:
        shifted = clip.shape[1] // self.share
        past, rest = clip[:, :shifted, :-1], clip[:, shifted:]
        if self.pad_time:
            return torch.cat((F.pad(past, (0, 0, 0, 0, 1, 0)), rest), 1)
        return torch.cat((past, rest[:, :, 1:]), 1)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        return torch.cat((state[0], frame[:, frame.shape[1] // self.share :]), 1), (self._shifted(frame),)

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]:
        shifted = clip.shape[1] // self.share
        past = torch.cat((state[0].unsqueeze(2), clip[:, :shifted, :-1]), 2)
        return torch.cat((past, clip[:, shifted:]), 1), (self._shifted(clip[:, :, -1]),)
