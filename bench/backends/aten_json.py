"""The format for old boards, run by the file that runs it there: one operator after the other, called from a list.

What a board answers over ssh can so be looked at here. State lies inside the runner's program.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..export.precision import dtype_of, torch_missing
from ..record.record import Engine
from . import Ask, Backend, Runnable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

NAME = "aten-json runner (PyTorch)"


class ProgramRunnable:
    """A program of the runner's."""

    def __init__(self, program: Any, dtype: torch.dtype, artefact_bytes: int) -> None:
        self.program = program
        self.dtype = dtype
        self.artefact_bytes = artefact_bytes

    def warm(self, x: Tensor) -> None:
        return None

    def reset(self) -> None:
        self.program.reset()

    def step(self, x: Tensor) -> Tensor:
        return self.program.step(x.to(self.dtype))

    def synchronize(self) -> None:
        return None

    def state_tensors(self) -> tuple[Tensor, ...]:
        return tuple(self.program.state)

    def engine(self) -> Engine:
        import torch

        threads = torch.get_num_threads()
        return Engine(name=NAME, version=torch.__version__, threads=threads, artefact_bytes=self.artefact_bytes)


def write(net: nn.Module, example: Tensor, precision: str, path: Path) -> Path:
    """The network in that precision, as a file. Raises UserError for a network that the format cannot hold."""
    import torch

    from ..export import Options, get_format

    example = torch.zeros(example.shape, dtype=dtype_of(precision))
    (file,) = get_format("aten-json").write(net, example, path, Options())
    return file


def load(path: Path, precision: str) -> ProgramRunnable:
    """The loaded file, as a runnable."""

    from ..export.aten.runner import Program

    return ProgramRunnable(Program(path), dtype_of(precision), path.stat().st_size)


def prepare(net: nn.Module, example: Tensor, ask: Ask) -> Runnable:
    """Written to a file and read again, as on a board."""
    import torch

    with tempfile.TemporaryDirectory(prefix="co3d-bench-") as folder, torch.inference_mode(False):
        return load(write(net, example, ask.precision, Path(folder) / "net.aten.zip"), ask.precision)


BACKEND = Backend(
    name="aten-json",
    title="PyTorch 1.10 or newer, the form for boards",
    prepare=prepare,
    on_board={"cpu": ("fp32",), "cuda": ("fp32", "fp16")},  # a CPU lacks pools of 3D maps in fp16
    missing=torch_missing,
    order=70,
)
