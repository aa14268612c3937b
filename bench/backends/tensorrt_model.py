"""A network as TensorRT reads it: an ONNX model of an opset and of types that its version takes.

Since TensorRT 11 the types of the model are the precision, and nothing else is; 10 has a flag for it (strongly typed),
and so is here. Older versions are given the same model and allowed the precision besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..export.entry import Entry, make_entry
from ..record.facts import receptive_field_of
from . import Ask

if TYPE_CHECKING:
    from torch import Tensor, nn

Version = tuple[int, int, int]

STRONGLY_TYPED = (10, 0, 0)
# The table of onnx-tensorrt: opset 13 in 8.0 to 8.3, 17 up to 8.6, 20 in 10.0.
_OPSET_BEFORE_10 = 13


@dataclass(frozen=True)
class Model:
    """The model, and its entry, without moves (see `make_entry`)."""

    onnx: bytes
    entry: Entry
    notes: tuple[str, ...] = ()


def make_tensorrt_model(net: nn.Module, example: Tensor, ask: Ask, version: Version) -> Model:
    """float16 is float16 throughout, state and answer too; int8 is symmetric, float32 between matrix products.

    Raises UserError with the operator that ONNX, or the opset that this version reads, cannot say.
    """
    import torch

    from ...models.continual import fold_batch_norm
    from ..export.onnx import make_model

    example = example.cpu()
    if ask.precision == "fp16":
        # Batch norm is folded before rounding: its factors may be far from one.
        net, example = fold_batch_norm(net).to(torch.float16), example.to(torch.float16)
    entry = make_entry(net, example, plain=True, moves=False)
    model, notes = make_model(entry, None if version >= STRONGLY_TYPED else _OPSET_BEFORE_10), ()
    if ask.precision == "int8":
        from ..export.quantise import SYMMETRIC, quantise

        model, note = quantise(model, entry, receptive_field_of(net) if entry.state else 0, ask.calibration, SYMMETRIC)
        notes = (note,)
    return Model(model.SerializeToString(), entry, notes)
