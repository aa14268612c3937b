"""torch.export's own file (.pt2): the graph of aten calls with its weights, for `torch.export.load` and AOTInductor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import Format, Options
from .entry import answers_of, make_entry, write_initial_state
from .precision import torch_missing

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.inputs import Input


def write(net: Any, example: Input, path: Path, options: Options) -> tuple[Path, ...]:
    """`torch.export.load(path).module()` has the inputs and outputs of `make_entry`, by position.

    Raises UserError for a network that torch.export cannot trace.
    """
    import torch

    from .aten.capture import untraceable

    entry = make_entry(net, example)
    with torch.no_grad():
        try:
            program = torch.export.export(entry.module, entry.inputs)
        except Exception as error:
            raise untraceable(error) from error
        torch.export.save(program, path)
    return (path, *write_initial_state(entry, path))


def load(files: tuple[Path, ...]) -> Callable[[Input], Sequence[Tensor]]:
    """Its answers by torch."""
    import torch

    module = torch.export.load(files[0]).module()
    return answers_of(lambda tensors: module(*tensors), files)


FORMAT = Format(
    name="torch-export",
    title="torch.export's file (.pt2), for PyTorch itself",
    suffix=".pt2",
    write=write,
    missing=torch_missing,
    load=load,
    any_input=True,
)
