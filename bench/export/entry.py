"""A network as a function of tensors alone, which is what exporters take: names, example inputs, one module.

A clip network is `clip -> scores`. A frame network is one step:
`frame, state_0 .. state_N-1 -> scores, new_state_0 .. new_state_N-1`, the new ones in the order of the old ones.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.outputs import tensors_in
from ...models.spec import is_frame_network

if TYPE_CHECKING:
    from torch import Tensor, nn

FRAME, CLIP, SCORES, STATE = "frame", "clip", "scores", "state"


@dataclass(frozen=True)
class Entry:
    """What is exported. Shapes are those of `inputs`, the batch too."""

    module: nn.Module  # tensors in, a tuple of tensors out; in eval mode
    inputs: tuple[Tensor, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    # For each place of the next state the place of this one that it is, unchanged; None if it is made anew.
    sources: tuple[int | None, ...] = ()

    @property
    def state(self) -> tuple[Tensor, ...]:
        """What a stream begins with, no two in the same memory; empty for a clip network."""
        return self.inputs[1:]

    @property
    def answers(self) -> int:
        """How many outputs are the answer; what is new of the state follows them."""
        return sum(name.startswith(SCORES) for name in self.output_names)


def entry(net: Any, example: Tensor, *, plain: bool = False, moves: bool = True) -> Entry:
    """The network, batch norm folded, for inputs like `example`: a clip (B, C, T, H, W) or a frame (B, C, H, W).

    A copy; the network stays as it is. If its answer is not one tensor, the outputs are `scores_0`, `scores_1`, ...
    `plain` is for engines that read a graph and not for PyTorch (`models/continual/plain.py`). Without `moves`, tensors
    of the state that only change their place are no outputs; `sources` tells where they come from.
    """
    import torch

    from ...models.continual import fold_batch_norm
    from ...models.continual.plain import plain_form

    net = fold_batch_norm(net)
    net = plain_form(net) if plain else net
    with torch.no_grad():
        if not is_frame_network(net):
            with _shapes(example):
                scores = _names(SCORES, len(tensors_in(net(example))))
            return Entry(_clip_module(net), (example,), (CLIP,), scores)
        # A fresh state may be one tensor many times over; inputs of a graph are each their own.
        state = tuple(tensor.clone() for tensor in net.initial_state(len(example)))
        with _shapes(example):
            answer, after = net.step(example, state)
    scores = _names(SCORES, len(tensors_in(answer)))
    sources = _sources(state, after)
    kept = tuple(place for place, source in enumerate(sources) if moves or source is None)
    return Entry(
        _step_module(net, kept),
        (example, *state),
        (FRAME, *(f"{STATE}_{place}" for place in range(len(state)))),
        (*scores, *(f"new_{STATE}_{place}" for place in kept)),
        sources,
    )


def write_initial_state(made: Entry, path: Path) -> tuple[Path, ...]:
    """Beside `path`, in numpy's .npz, what a stream begins with, by the names of the inputs; nothing for clip networks.

    Not always zeros: a convolution that keeps sums begins with its bias. In float32, which numpy can hold.
    """
    import numpy as np

    if not made.state:
        return ()
    file = path.with_suffix(".state.npz")
    with file.open("wb") as out:
        arrays: Any = {f"{STATE}_{place}": tensor.float().numpy() for place, tensor in enumerate(made.state)}
        np.savez_compressed(out, **arrays)
    return (file,)


def _shapes(example: Tensor) -> contextlib.AbstractContextManager[object]:
    """In half precisions a network is asked for its shapes alone: CPUs lack some of its operators, others take minutes.

    Not in float32, where the call costs little, and networks of others may look at their numbers.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    return contextlib.nullcontext() if example.dtype == torch.float32 else FakeTensorMode(allow_non_fake_inputs=True)


def _names(name: str, count: int) -> tuple[str, ...]:
    return (name,) if count == 1 else tuple(f"{name}_{index}" for index in range(count))


def _sources(state: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> tuple[int | None, ...]:
    """A tensor that goes to two places moves to the first only: each place has its own memory."""
    places = {id(tensor): place for place, tensor in enumerate(state)}
    return tuple(places.pop(id(tensor), None) for tensor in after)


def _clip_module(net: nn.Module) -> nn.Module:
    from torch import nn

    class Clip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, clip: Tensor) -> tuple[Tensor, ...]:
            return tuple(tensors_in(self.net(clip)))

    return Clip().eval()


def _step_module(net: Any, kept: tuple[int, ...]) -> nn.Module:
    from torch import nn

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, frame: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
            scores, after = self.net.step(frame, state)
            return (*tensors_in(scores), *(after[place] for place in kept))

    return Step().eval()
