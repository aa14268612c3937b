"""A network as a function of tensors alone, which is what exporters take: names, example inputs, one module.

A clip network is `clip -> scores`. A frame network is one step:
`frame, state_0 .. state_N-1 -> scores, new_state_0 .. new_state_N-1`, the new ones in the order of the old ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.inputs import batch_of, call, tensors_of
from ...models.outputs import tensors_in
from ...models.spec import is_frame_network, keeps_state
from ..errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ...models.inputs import Input

FRAME, CLIP, SCORES, STATE = "frame", "clip", "scores", "state"


@dataclass(frozen=True)
class Entry:
    """A module of tensors to be exported. Shapes are those of `inputs`, the batch too."""

    module: nn.Module  # tensors in, a tuple of tensors out; in eval mode
    inputs: tuple[Tensor, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    given: int = 1  # inputs before the state: several where the network takes several tensors
    # For each tensor of the next state: the index of this state's tensor that it is, unchanged; None if it is new.
    sources: tuple[int | None, ...] = ()

    @property
    def state(self) -> tuple[Tensor, ...]:
        """What a stream begins with, no two in the same memory; empty for a clip network."""
        return self.inputs[self.given :]

    @property
    def answers(self) -> int:
        """How many outputs are the answer; what is new of the state follows them."""
        return sum(name.startswith(SCORES) for name in self.output_names)


def make_entry(net: Any, example: Input, *, plain: bool = False, moves: bool = True) -> Entry:
    """The network, batch norm folded, for inputs like `example`: a clip (B, C, T, H, W) or a frame (B, C, H, W).

    A copy; the network is not changed. If its answer is not one tensor, the outputs are `scores_0`, `scores_1`, ...
    `plain` is for engines that read a graph and not for PyTorch (`models/continual`). Without `moves`, tensors of the
    state that only change their index are not outputs; `sources` gives their old index. Several tensors have the names
    of the author's arguments. Raises UserError for a network that keeps its state inside.
    """
    import torch

    from ...models.continual import fold_batch_norm, make_plain

    refuse_kept_state(net)
    inputs = tensors_of(example)

    net = fold_batch_norm(net)  # a copy
    net = make_plain(net) if plain else net
    with torch.no_grad():
        if not is_frame_network(net):
            with _shapes(example):
                scores = _names(SCORES, len(tensors_in(call(net, example))))
            return Entry(_clip_module(net), inputs, _input_names(net, example, CLIP), scores, len(inputs))
        # A fresh state may hold one tensor several times; inputs of a graph must be separate.
        state = tuple(tensor.clone() for tensor in net.initial_state(batch_of(net, example)))
        with _shapes(example):
            answer, after = net.step(example, state)
    scores = _names(SCORES, len(tensors_in(answer)))
    sources = _sources(state, after)
    kept = tuple(index for index, source in enumerate(sources) if moves or source is None)
    return Entry(
        _step_module(net, kept, len(inputs) if isinstance(example, tuple) else None),
        (*inputs, *state),
        (*_input_names(net, example, FRAME), *(f"{STATE}_{index}" for index in range(len(state)))),
        (*scores, *(f"new_{STATE}_{index}" for index in kept)),
        len(inputs),
        sources,
    )


def write_initial_state(entry: Entry, path: Path) -> tuple[Path, ...]:
    """Beside `path`, in numpy's .npz, what a stream begins with, by the names of the inputs; nothing for clip networks.

    Not always zeros: a convolution that keeps sums begins with its bias. In float32, which numpy can hold.
    """
    import numpy as np

    if not entry.state:
        return ()
    file = path.with_suffix(".state.npz")
    with file.open("wb") as out:
        arrays: Any = {f"{STATE}_{index}": tensor.float().numpy() for index, tensor in enumerate(entry.state)}
        np.savez_compressed(out, **arrays)
    return (file,)


def answers_of(
    call: Callable[[tuple[Tensor, ...]], Sequence[Tensor]], files: tuple[Path, ...]
) -> Callable[[Input], Sequence[Tensor]]:
    """The answers of a file whose `call` takes the input and the state, from the state beside it on (see
    `write_initial_state`)."""
    import numpy as np
    import torch

    state: tuple[Tensor, ...] = ()
    for file in files[1:]:
        with np.load(file) as saved:
            state = tuple(torch.from_numpy(saved[f"{STATE}_{index}"]) for index in range(len(saved.files)))

    def answers(x: Input) -> Sequence[Tensor]:
        nonlocal state
        given = tensors_of(x)
        floats = next((tensor.dtype for tensor in given if tensor.is_floating_point()), None)
        found = list(call((*given, *(tensor.to(floats) for tensor in state))))
        state = tuple(found[len(found) - len(state) :])
        return found[: len(found) - len(state)]

    return answers


def refuse_kept_state(net: Any) -> None:
    """Raises UserError for a network that keeps its state inside: only its author's own code knows where."""
    if keeps_state(net):
        raise UserError(
            "a network that keeps its state inside (co3d_bench.stateful) is called by the backends eager and fused "
            "only; for others, and for files, give it initial_state(batch) and step(frame, state)"
        )


def _input_names(net: Any, example: Input, plain: str) -> tuple[str, ...]:
    return net.example.names if isinstance(example, tuple) else (plain,)


def _shapes(example: Input) -> contextlib.AbstractContextManager[object]:
    """Half precisions are run for shapes only: CPUs lack some of the operators, others take minutes.

    Not float32, where the call costs little, and custom models may depend on values.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    half = any(tensor.dtype in (torch.float16, torch.bfloat16) for tensor in tensors_of(example))
    return FakeTensorMode(allow_non_fake_inputs=True) if half else contextlib.nullcontext()


def _names(name: str, count: int) -> tuple[str, ...]:
    return (name,) if count == 1 else tuple(f"{name}_{index}" for index in range(count))


def _sources(state: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> tuple[int | None, ...]:
    """A tensor that goes to two indices moves to the first only: each has its own memory."""
    indices = {id(tensor): index for index, tensor in enumerate(state)}
    return tuple(indices.pop(id(tensor), None) for tensor in after)


def _clip_module(net: nn.Module) -> nn.Module:
    from torch import nn

    class Clip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, *clip: Tensor) -> tuple[Tensor, ...]:
            return tuple(tensors_in(self.net(*clip)))

    return Clip().eval()


def _step_module(net: Any, kept: tuple[int, ...], count: int | None) -> nn.Module:
    from torch import nn

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
            frame = tensors[0] if count is None else tensors[:count]
            scores, after = self.net.step(frame, tensors[count or 1 :])
            return (*tensors_in(scores), *(after[index] for index in kept))

    return Step().eval()
