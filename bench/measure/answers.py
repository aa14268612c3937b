"""What kind of function a network is: whether it answers a batch row by row, and twice the same.

Both are asked of the eager network, once for each case, since no comparison of an engine with it shows them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...models.inputs import call
from ...models.outputs import tensors_in
from ...models.spec import is_frame_network, keeps_state
from ..export import precision
from ..record.record import Verification
from .verify import SEED, relative_error

if TYPE_CHECKING:
    from ...models.example import Example
    from ...models.inputs import Input


# Of float32, in which the eager network answers.
TOLERANCE = precision.TOLERANCE["fp32"]
FRAMES = 3  # of a frame network: enough for its state to matter
STATEFUL = "return co3d_bench.stateful(network, step=..., reset=...) from the factory (docs/custom-models.md)"


def checked(compared: Callable[[], Verification], net: Any, example: Example, batch: int) -> Verification:
    """A comparison, with the cause where it failed for what the network is, and not for its engine.

    A batch that is not answered row by row is a wrong answer as well.
    """
    try:
        found = compared()
        if found.passed and (cause := why_not_by_rows(net, example, batch)):
            return found.model_copy(update={"passed": False, "cause": cause})
        if found.passed:
            return found
    except Exception:
        if cause := _state_or_chance(net, example, batch):  # a state of one batch meets an input of another
            return Verification(
                reference="itself", relative_error=float("inf"), tolerance=TOLERANCE, passed=False, cause=cause
            )
        raise
    cause = why_not_repeatable(net, example, batch) or why_not_by_rows(net, example, batch)
    return found.model_copy(update={"cause": cause})


def why_not_by_rows(net: Any, example: Example, batch: int, tolerance: float = TOLERANCE) -> str | None:
    """Why a batch is no more than one prediction, for people; None where each row is answered as if it were alone.

    Every tensor of the answer must have the batch in front, and its first and last row be what that row alone gives.
    """
    if batch == 1:
        return None
    xs = _inputs(net, example, batch)
    answer = tensors_in(_answer(net, xs, batch))
    unit = "streams" if is_frame_network(net) else "inputs"
    fix = "measure it with --batch 1"
    for tensor in answer:
        if tensor.dim() == 0 or len(tensor) != batch:
            given = f"an output of the shape {tuple(tensor.shape)}"
            return f"a batch of {batch} {unit} is not answered row by row: it gave {given} for all of them; {fix}"
    for row in (0, batch - 1):
        part = slice(row, row + 1)
        try:
            alone = tensors_in(_answer(net, [example.rows(x, part) for x in xs], 1))
        except Exception:
            if keeps_state(net):  # its reset need not know of another batch
                return None
            raise
        error = max(relative_error(ours[part], want) for ours, want in zip(answer, alone, strict=True))
        if error > tolerance:
            return (
                f"a batch of {batch} {unit} is not answered row by row: row {row + 1} of it is {error:.2g} off what "
                f"it gives alone (relative; at most {tolerance:.2g} is right); {fix}"
            )
    return None


def _state_or_chance(net: Any, example: Example, batch: int) -> str | None:
    with suppress(Exception):
        return why_not_repeatable(net, example, batch)
    return None


def why_not_repeatable(net: Any, example: Example, batch: int, tolerance: float = TOLERANCE) -> str | None:
    """Why two predictions from the same input differ, and what to do; None where they are the same."""
    import torch

    xs = _inputs(net, example, batch)

    def differ(begin: Callable[[], object]) -> float:
        answers = []
        for _ in range(2):
            begin()
            answers.append(tensors_in(_answer(net, xs, batch)))
        return max((relative_error(a, b) for a, b in zip(*answers, strict=True)), default=0.0)

    error = differ(lambda: None)
    if error <= tolerance:
        return None
    what = "the same frames from a fresh state" if is_frame_network(net) else "the same input"
    found = f"a second call with {what} gave another answer ({error:.2g} off)"
    if differ(lambda: torch.manual_seed(SEED)) > tolerance:
        return f"{found}: the network keeps a state inside; {STATEFUL}"
    training = next((name for name, layer in net.named_modules() if name and layer.training), None)
    if training:
        return f"{found}: it draws random numbers, and its layer {training} is in training mode; call eval() on it"
    return f"{found}: it draws random numbers (dropout, torch.rand); switch them off, or seed them at each call"


def _inputs(net: Any, example: Example, batch: int) -> list[Input]:
    import torch

    generator = torch.Generator().manual_seed(SEED)
    return [example.draw(batch, generator) for _ in range(FRAMES if is_frame_network(net) else 1)]


def _answer(net: Any, xs: list[Input], batch: int) -> Any:
    """The answer to the last of these inputs."""
    if not is_frame_network(net):
        return call(net, xs[0])
    answer, state = None, net.initial_state(batch)
    for x in xs:
        answer, state = net.step(x, state)
    return answer
