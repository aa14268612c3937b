"""TensorRT by its own tool, on a board that is reached over ssh and has it. Untested on hardware.

`bench/board/trtexec.py` says what it is told and how its answers are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NOTHING, UserError
from . import Ask, Backend, Runnable

if TYPE_CHECKING:
    from torch import Tensor, nn

WHERE = "it runs on a board that has TensorRT and is reached over ssh: docs/boards.md"


def prepare(net: nn.Module, example: Tensor, ask: Ask) -> Runnable:
    """Not here."""
    raise UserError(f"trtexec: {WHERE}", NOTHING)


BACKEND = Backend(
    name="trtexec",
    title="TensorRT's trtexec (not tried on hardware yet)",
    prepare=prepare,
    precisions=("fp32", "fp16"),
    torch_devices=(),
    on_board={"cuda": ("fp32", "fp16")},
    in_torch=False,
    missing=lambda: WHERE,
    order=80,
)
