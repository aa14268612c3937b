"""What ONNX holds of a network, made once for all tests of a process: an export takes most of a second, whatever it is
of. Two entries are the same if their layers, weights, names and shapes of inputs are."""

from __future__ import annotations

import hashlib

import torch
from onnx import ModelProto

from co3d_bench.bench.export import onnx as export

_make_model = export.make_model
_made: dict[tuple, ModelProto] = {}


def make_model(made, opset=None, *, moves=False):
    """In the place of `bench/export/onnx.py:make_model`, and what that makes; a copy, which the caller may change."""
    shapes = tuple((tensor.shape, tensor.dtype) for tensor in made.inputs)
    names = (made.input_names, made.output_names, made.sources)
    key = (repr(made.module), _digest(made.module), shapes, names, opset, moves)
    if key not in _made:
        _made[key] = _make_model(made, opset, moves=moves)
    model = ModelProto()
    model.CopyFrom(_made[key])
    return model


def _digest(module):
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.shape} {tensor.dtype}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy())
    return digest.digest()
