"""Recurrence instead of a kernel in time: a layer that remembers, ever less, every frame it has seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .conv import Conv3d
from .state import Fill, State, Temporal


class RecurrentUnit(nn.Module):
    """h_t = (W h_{t-1} + x_t) / 2, with a 1 x 1 convolution W (Singh and Cuzzolin, arxiv.org/abs/1811.07157).

    As a clip it starts from h = 0, as `zeros` does; the authors start from h = x of the first frame (their code:
    gurkirt/3D-RetinaNet, models/blocks.py), which is `replicate` where W is the identity.

    Stable where the spectral norm of W is below 2: a frame's weight shrinks by at least norm / 2 with each frame that
    follows, so by a half as initialised here, and nothing fades either: what never changes comes through. The authors
    initialise W with the identity; a random orthogonal one has the same norm, 1, and shows if it is applied wrongly.

    Its output is its state: what stands behind it must not overwrite it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden = Conv3d(channels, channels, 1, bias=False)
        self.state_count = 1
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw W anew, from torch's global generator."""
        nn.init.orthogonal_(self.hidden.weight)

    @property
    def temporal(self) -> Temporal:
        return Temporal(unbounded=True)

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        if fill == "zeros":
            return (torch.zeros_like(x),)
        # Where it comes to rest: h = (W h + x) / 2, so (2 - W) h = x in every pixel.
        weight = self.hidden.weight.flatten(1).float()
        rest = 2 * torch.eye(len(weight), device=weight.device) - weight
        h = torch.linalg.solve(rest, x.flatten(2).float()).to(x.dtype).unflatten(2, x.shape[2:])
        return (h.contiguous(memory_format=torch.channels_last),)

    def forward(self, clip: Tensor) -> Tensor:
        return self.steps(clip, (torch.zeros_like(clip[:, :, 0]),))[0]

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        h = self.hidden.step(state[0], ())[0].add_(frame).mul_(0.5)
        return h, (h,)

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]:
        outputs = []
        for frame in clip.unbind(2):
            h, state = self.step(frame, state)
            outputs.append(h)
        return torch.stack(outputs, 2), state
