"""What tests do with every network: make it small, show it clips, step it through them."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache

import torch

from co3d_bench.models.zoo import find_model

from ..reference import continual_inference, randomise_batch_norm


@lru_cache(maxsize=3)
def _built(name):
    torch.manual_seed(0)
    return randomise_batch_norm(find_model(name).build()).eval()


def built(name):
    """The network of that name in eval mode, with random batch-norm statistics; each caller's own."""
    return deepcopy(_built(name))


def shapes_of(name, **options):
    """The network of that name without numbers, for what its shapes determine."""
    with torch.device("meta"):
        return find_model(name).build(**options).eval()


def clip_of(frames, batch=1, pixels=48, seed=1):
    """Seeded noise (batch, 3, frames, pixels, pixels)."""
    return torch.randn(batch, 3, frames, pixels, pixels, generator=torch.Generator().manual_seed(seed))


def empty_state(net, clip):
    """The state before the first frame of `clip`, whatever its size."""
    return net.initial_state(frame=torch.zeros_like(clip[:, :, 0]))


def step_through(net, clip, state):
    """Scores of the last frame, and the state after it."""
    scores, state = step_through_all(net, clip, state)
    return scores[..., -1], state


def by_continual_inference(net, clip):
    """The last scores (B, classes) of the same network, built from `continual-inference` and stepped through a clip."""
    reference = continual_inference(net.blocks).eval()
    for frame in clip.unbind(2):
        scores = reference.forward_step(frame)
    return scores.flatten(1)


def step_through_all(net, clip, state):
    """Scores of every frame (B, classes, T), and the state after the last one."""
    scores = []
    for frame in clip.unbind(2):
        y, state = net.step(frame, state)
        scores.append(y)
    return torch.stack(scores, -1), state


def parameters(net):
    """How many there are."""
    return sum(parameter.numel() for parameter in net.parameters())
