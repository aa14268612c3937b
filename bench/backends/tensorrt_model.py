"""A network as TensorRT reads it: an ONNX model of an opset and of types that its version takes.

Since TensorRT 11 the types of the model are the precision, and nothing else is; 10 can be told so (strongly typed),
and so is here. Older versions are given the same model and allowed the precision besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..export.entry import Entry, entry
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
    """The model, and what it was made from. Without moves: see `entry`."""

    onnx: bytes
    made: Entry
    notes: tuple[str, ...] = ()


def make_tensorrt_model(net: nn.Module, example: Tensor, ask: Ask, version: Version) -> Model:
    """float16 is float16 throughout, state and answer too; int8 is symmetric, float32 between products.

    Raises UserError with the operator that ONNX, or the opset that this version reads, cannot say.
    """
    import torch

    from ...models.continual import fold_batch_norm
    from ..export.onnx import make_model

    example = example.cpu()
    if ask.precision == "fp16":
        # Folded before it is rounded: the factors of a batch norm may be far from one.
        net, example = fold_batch_norm(net).to(torch.float16), example.to(torch.float16)
    made = entry(net, example, plain=True, moves=False)
    model, notes = make_model(made, None if version >= STRONGLY_TYPED else _OPSET_BEFORE_10), ()
    if ask.precision == "int8":
        from ..export.quantise import SYMMETRIC, quantise

        model, note = quantise(model, made, receptive_field_of(net) if made.state else 0, ask.calibration, SYMMETRIC)
        notes = (note,)
    return Model(model.SerializeToString(), made, notes)
