"""An ONNX model in int8: quantised statically by ONNX Runtime's own quantiser, scales from real inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.inputs import tensors_of
from ..errors import UserError
from .entry import Entry
from .telemetry import import_engine

if TYPE_CHECKING:
    from onnx import ModelProto

    from ...models.inputs import Input

# Where arithmetic is: the rest keeps its precision, and costs less than turning numbers into integers and back.
_OPERATORS = ("Conv", "MatMul", "Gemm")
INPUTS = 16


@dataclass(frozen=True)
class Scheme:
    """How numbers become integers, as the engine needs it."""

    activation: str  # a name of ONNX Runtime's QuantType
    options: dict[str, Any] = field(default_factory=dict)
    note: str = ""


AFFINE = Scheme("QUInt8")
# TensorRT's own rules: zero points are zero, weights and biases reach it as floats, and the sum of a
# convolution is turned into integers where the next one reads it.
SYMMETRIC = Scheme(
    "QInt8",
    {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "AddQDQPairToWeight": True,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": list(_OPERATORS),
    },
    note=", symmetric",
)


def quantise(
    model: ModelProto, entry: Entry, fill: int, calibration: Sequence[Input], scheme: Scheme = AFFINE
) -> tuple[ModelProto, str]:
    """The model with weights and inputs of its convolutions and matrix products in int8 (QDQ), and a note on how.

    `entry` is that of the model, without moves. A frame network is calibrated in mid-stream: it sees `fill`
    of these inputs first, over and over if they are fewer. Raises UserError if there are none.
    """
    import onnx

    quantisation = import_engine("onnxruntime.quantization")
    if not calibration:
        raise UserError("int8 needs inputs to choose its scales by, and there are none")
    feeds = _feeds(entry, fill, calibration)

    class Reader(quantisation.CalibrationDataReader):
        def get_next(self) -> Any:  # a dict by names, None at the end
            return next(feeds, None)

    with tempfile.TemporaryDirectory() as folder:
        quantised = Path(folder, "int8.onnx")
        quantisation.quantize_static(
            onnx.shape_inference.infer_shapes(model),
            quantised,
            Reader(),
            quant_format=quantisation.QuantFormat.QDQ,
            op_types_to_quantize=list(_OPERATORS),
            per_channel=True,
            activation_type=getattr(quantisation.QuantType, scheme.activation),
            weight_type=quantisation.QuantType.QInt8,
            extra_options=scheme.options,
        )
        return onnx.load(quantised), f"int8: static{scheme.note}, weights by channel, scales from {INPUTS} inputs"


def _feeds(entry: Entry, fill: int, calibration: Sequence[Input]) -> Iterator[dict[str, Any]]:
    """The model's inputs by name, as numpy arrays."""
    import torch

    state = entry.state
    with torch.inference_mode():
        for index in range(fill + INPUTS):
            inputs = (*tensors_of(calibration[index % len(calibration)]), *state)
            if index >= fill:
                yield {name: tensor.numpy() for name, tensor in zip(entry.input_names, inputs, strict=True)}
            new = iter(entry.module(*inputs)[entry.answers :])
            state = tuple(next(new) if source is None else state[source] for source in entry.sources)
