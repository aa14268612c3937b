"""Training a frame network (paper, section 3.8): in steps, or unrolled.

Unrolled is `net(clip)`: the regular form without temporal padding, differentiable like any 3D CNN. Its batch norms see
whole clips, so nothing here is needed.

In steps, batch norms see one frame at a time, so they must forget slower, and not learn from the transient:

    set_step_momentum(net, timesteps=16)
    state = net.initial_state(batch_size)
    with transient(net), torch.no_grad():
        for frame in frames[: net.delay]:
            _, state = net.step(frame, state)
    for frame in frames[net.delay :]:
        scores, state = net.step(frame, state)  # and a loss on the scores

The state holds the graph of all frames before; `tuple(part.detach() for part in state)` cuts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def step_momentum(clip_momentum: float, timesteps: int) -> float:
    """The momentum of a batch norm that receives, one by one, the `timesteps` frames of what was a clip.

    2 / (1 + T (2 / m - 1)): a moving average of momentum m spans N = 2 / m - 1 updates, and N clips are T N frames.
    After T frames it has forgotten as much as before after one clip: (1 - m), up to a share of 2 / (3 N^3), 1e-4 at
    m = 0.1. Raises ValueError for a momentum outside (0, 1], and for fewer than one frame.
    """
    if not 0 < clip_momentum <= 1:
        raise ValueError(f"a momentum of {clip_momentum} is no share of a moving average; it lies in (0, 1]")
    if timesteps < 1:
        raise ValueError(f"a clip has at least 1 frame, not {timesteps}")
    return 2 / (1 + timesteps * (2 / clip_momentum - 1))


def set_step_momentum(net: nn.Module, timesteps: int, clip_momentum: float | None = None) -> None:
    """Gives every batch norm of `net` the momentum for training in steps; clips have `timesteps` frames.

    `clip_momentum` is that of training by clips; None takes each layer's own, as it is now, so call it only once.
    Raises ValueError for a layer that averages over its whole history (momentum None).
    """
    for name, layer in _norms(net):
        own = layer.momentum if clip_momentum is None else clip_momentum
        if own is None:
            raise ValueError(f"{name} has no momentum: it averages over all frames ever seen; pass clip_momentum=")
        layer.momentum = step_momentum(own, timesteps)


@contextmanager
def transient(net: nn.Module) -> Iterator[None]:
    """While the first `net.delay` frames are stepped through, running statistics are not updated.

    Features are still normalised by the batch's statistics, as in the rest of the training: what they leave in the
    state is added to frames to come.
    """
    tracked = [layer for _, layer in _norms(net) if layer.track_running_stats]
    for layer in tracked:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in tracked:
            layer.track_running_stats = True


def _norms(net: nn.Module) -> Iterator[tuple[str, _BatchNorm]]:
    return ((name, layer) for name, layer in net.named_modules() if isinstance(layer, _BatchNorm))
