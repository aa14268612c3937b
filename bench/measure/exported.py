"""Whether an exported file answers as the network does: it is loaded again, and compared on fresh noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.inputs import call, moved
from ...models.outputs import tensors_in
from ...models.spec import is_frame_network
from ..errors import FAILED, UserError
from ..export import Format
from .answers import why_not_repeatable
from .verify import Tally

if TYPE_CHECKING:
    import torch

    from ...models.example import Example

SEED = 7  # not that of the example it was written with
# Inputs, or frames of one stream: more than one, since a state that was lost shows in the second.
MOST, FEWEST = 16, 3
BUDGET_S = 10.0


def check_file(
    format: Format,
    files: tuple[Path, ...],
    net: Any,
    example: Example,
    batch: int,
    dtype: torch.dtype,
    tolerance: float,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> str:
    """What the files were compared with, for people; `net` is the network in float32.

    Raises UserError where they answer otherwise, or cannot be run.
    """
    import torch

    if why := format.cannot_load():
        return f"not verified: {why}"
    generator, tally = torch.Generator().manual_seed(SEED), Tally()
    frames = is_frame_network(net)
    state = net.initial_state(batch) if frames else ()
    with torch.no_grad():
        try:
            answers = format.load(files)
        except Exception as error:
            raise _cannot_run(format, files, error) from error
        start = clock()
        while tally.compared < FEWEST or (tally.compared < MOST and clock() - start < BUDGET_S):
            x = example.draw(batch, generator)
            if frames:
                expected, state = net.step(x, state)
            else:
                expected = call(net, x)
            try:
                given = answers(moved(x, dtype=dtype))
            except Exception as error:
                if dtype == torch.float32:
                    raise _cannot_run(format, files, error) from error
                return f"not verified: this CPU does not run it in {dtype}: {_line(error)}"
            _add(tally, files[0], list(given), tensors_in(expected))
        worst = tally.worst
        if worst.relative_error <= tolerance:
            what = f"a stream of {tally.compared} frames" if frames else f"{tally.compared} inputs"
            return f"verified: {worst.relative_error:.1g} off the network in PyTorch at most, on {what}"
        found = why_not_repeatable(net, example, batch)
    cause = worst.cause or (found.text if found else "the format lost a part of it")
    raise UserError(
        f"{files[0].name}: not written: it is {worst.relative_error:.2g} off the network in PyTorch (relative; at "
        f"most {tolerance:.2g} is right); {cause}",
        FAILED,
    )


def _add(tally: Tally, file: Path, given: Sequence[Any], expected: list[Any]) -> None:
    if len(given) != len(expected):
        raise UserError(
            f"{file.name}: not written: it gives {len(given)} tensors where the network gives {len(expected)}", FAILED
        )
    tally.add(list(given), expected)


def _cannot_run(format: Format, files: tuple[Path, ...], error: Exception) -> UserError:
    return UserError(f"{files[0].name}: not written: {format.name} cannot be run again: {_line(error)}", FAILED)


def _line(error: Exception) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
