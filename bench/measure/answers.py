"""What kind of function a network is: whether it answers a batch row by row, and twice the same.

Both are asked of the eager network, once for each case, since no comparison of an engine with it shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...models.inputs import call
from ...models.outputs import tensors_in
from ...models.spec import is_frame_network, keeps_state
from ..export import precision
from ..record.record import Verification
from .verify import SEED, relative_error

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.example import Example
    from ...models.inputs import Input


# Of float32, in which the eager network answers.
TOLERANCE = precision.TOLERANCE["fp32"]
FRAMES = 3  # of a frame network: enough for its state to matter
STATEFUL = "return co3d_bench.stateful(network, step=..., reset=...) from the factory (docs/custom-models.md)"


class Cause(NamedTuple):
    """Why an answer is wrong whatever the engine, for people; and by how much it was off."""

    text: str
    error: float


def checked(
    compared: Callable[[], Verification], net: Any, example: Example, batch: int, *, custom: bool
) -> Verification:
    """A comparison, with the cause where it failed for what the network is, and not for its engine.

    A batch that is not answered row by row is a wrong answer as well. Of a `custom` network's batch it is asked first
    whether it answers twice the same: a state of one batch would meet inputs of another.
    """
    try:
        if batch > 1 and custom and (cause := why_not_repeatable(net, example, batch)):
            what = "the network called plainly on the same input"
            return _wrong(Verification(reference=what, relative_error=0.0, tolerance=TOLERANCE, passed=False), cause)
        found = compared()
        cause = None if found.passed or found.cause else why_not_repeatable(net, example, batch)
        cause = cause or why_not_by_rows(net, example, batch)
        return _wrong(found, cause) if cause else found
    finally:
        if keeps_state(net):  # it saw single rows
            net.initial_state(batch)


def _wrong(found: Verification, cause: Cause) -> Verification:
    error = max(found.relative_error, cause.error)
    return found.model_copy(update={"passed": False, "cause": cause.text, "relative_error": error})


def why_not_by_rows(net: Any, example: Example, batch: int, tolerance: float = TOLERANCE) -> Cause | None:
    """Why a batch is no more than one prediction, for people; None where each row is answered as if it were alone.

    Every tensor of the answer must have the batch in front, and its first and last row be what that row alone gives; of
    single numbers beside such a tensor, a loss for example, nothing is asked.
    """
    if batch == 1:
        return None
    xs = _inputs(net, example, batch)
    answer = _with_rows(_answer(net, xs, batch))
    unit = "streams" if is_frame_network(net) else "inputs"
    found, fix = f"a batch of {batch} {unit} is not answered row by row", "measure it with --batch 1"
    for tensor in answer:
        if not tensor.dim() or len(tensor) != batch:
            given = f"an output of the shape {tuple(tensor.shape)}"
            return Cause(f"{found}: it gave {given} for all of them; {fix}", 1.0)
    for row in (0, batch - 1):
        part = slice(row, row + 1)
        try:
            alone = _with_rows(_answer(net, [example.rows(x, part) for x in xs], 1))
        except Exception:
            if keeps_state(net):  # its reset need not know of another batch
                return None
            raise
        error = _difference([tensor[part] for tensor in answer], alone)
        if error > tolerance:
            limit = f"relative; at most {tolerance:.2g} is right"
            return Cause(f"{found}: row {row + 1} of it is {error:.2g} off what it gives alone ({limit}); {fix}", error)
    return None


def _with_rows(answer: Any) -> list[Tensor]:
    """The tensors of an answer without its single numbers, unless there is nothing else."""
    found = tensors_in(answer)
    return [tensor for tensor in found if tensor.dim()] or found


def why_not_repeatable(net: Any, example: Example, batch: int, tolerance: float = TOLERANCE) -> Cause | None:
    """Why two predictions from the same input differ, and what to do; None where they are the same.

    Where they differ also behind different inputs and with the same random numbers, a state is left as the reason.
    """
    import torch

    frames = is_frame_network(net)
    x, *others = (_inputs(net, example, batch, SEED + index) for index in range(1, 4))

    def answers(before: Sequence[list[Input]]) -> list[Tensor]:
        for xs in before:
            _answer(net, xs, batch)
        torch.manual_seed(SEED)
        return tensors_in(_answer(net, x, batch))

    _answer(net, others[0], batch)  # a state that knew no other input might not change with one more
    error = _difference(*(tensors_in(_answer(net, x, batch)) for _ in range(2)))
    if error <= tolerance:
        return None
    with torch.random.fork_rng(devices=()):
        kept = _difference(*(answers([other, other]) for other in others)) > tolerance
    what = "the same frames from a fresh state" if frames else "the same input"
    found = f"a second call with {what} gave another answer ({error:.2g} off)"
    return Cause(f"{found}: {_reason(net, kept)}", error)


def _difference(ours: list[Tensor], theirs: list[Tensor]) -> float:
    return max((relative_error(a, b) for a, b in zip(ours, theirs, strict=True)), default=0.0)


def _reason(net: Any, kept: bool) -> str:
    """Why it answers differently, and what to do."""
    if kept and keeps_state(net):
        return "its reset does not bring it back to the start of a stream"
    if kept and is_frame_network(net):
        return "the network keeps a state besides the one that step hands back; put all of it into that"
    if kept:
        return f"the network keeps a state inside; {STATEFUL}"
    if training := _training(net):
        return f"it draws random numbers, and its layer {training} is in training mode; call eval() on it"
    return "it draws random numbers (dropout, torch.rand); switch them off, or seed them at each call"


def _training(net: Any) -> str | None:
    """A layer that is still in training mode, a dropout if there is one."""
    names = {name: type(layer).__name__ for name, layer in net.named_modules() if name and layer.training}
    return next((name for name, kind in names.items() if "Drop" in kind), next(iter(names), None))


def _inputs(net: Any, example: Example, batch: int, seed: int = SEED) -> list[Input]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    return [example.draw(batch, generator) for _ in range(FRAMES if is_frame_network(net) else 1)]


def _answer(net: Any, xs: list[Input], batch: int) -> Any:
    """The answer to the last of these inputs."""
    if not is_frame_network(net):
        return call(net, xs[0])
    answer, state = None, net.initial_state(batch)
    for x in xs:
        answer, state = net.step(x, state)
    return answer
