"""What tests do with every network: make it small, show it clips, step it through them."""

from __future__ import annotations

import torch

from co3d_bench.models.zoo import find_model

from ..reference import randomise_batch_norm


def built(name, seed=0):
    """The network of that name in eval mode, with random batch-norm statistics."""
    torch.manual_seed(seed)
    return randomise_batch_norm(find_model(name).build()).eval()


def clip_of(frames, batch=1, pixels=48, seed=1):
    """Seeded noise (batch, 3, frames, pixels, pixels)."""
    return torch.randn(batch, 3, frames, pixels, pixels, generator=torch.Generator().manual_seed(seed))


def empty_state(net, clip):
    """The state before the first frame of `clip`, whatever its size."""
    return net.initial_state(frame=torch.zeros_like(clip[:, :, 0]))


def step_through(net, clip, state):
    """Scores of the last frame, and the state after it."""
    y = None
    for frame in clip.unbind(2):
        y, state = net.step(frame, state)
    return y, state


def parameters(net):
    """How many there are."""
    return sum(parameter.numel() for parameter in net.parameters())
