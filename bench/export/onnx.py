"""ONNX: the format that other engines read. A step's inputs and outputs carry the names of `bench/export/entry.py`."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from . import Format, Options
from .entry import STATE, Entry, answers_of, make_entry, write_initial_state

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto
    from torch import Tensor

    from ...models.inputs import Input

INSTALL = "pip install onnx onnxscript onnxruntime"
# Older boards read 13 (TensorRT 8, OpenVINO 2021); torch's exporter speaks 18 and newer, so older ones are rewritten.
OPSETS = (13, 23)
DEFAULT_OPSET = 18
# Operators that were only given further types between 13 and 18, and the attributes that older forms do not have; their
# values by default, which is how they are used here, do not matter.
_ONLY_TYPES = {
    "Add": (),
    "Sub": (),
    "Mul": (),
    "Div": (),
    "Relu": (),
    "Identity": (),
    "Pow": (),
    "Where": (),
    "LeakyRelu": (),
    "PRelu": (),
    "Reshape": ("allowzero",),
}
_REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare")
# Constants of any size are computed when the file is made: the slices of a kernel are what the file holds of it.
_ANY_SIZE = 2**40


def missing() -> str | None:
    for module in ("onnx", "onnxscript"):
        if importlib.util.find_spec(module) is None:
            return f"the package {module} is not installed: {INSTALL}"
    return None


def write(net: Any, example: Input, path: Path, options: Options) -> tuple[Path, ...]:
    """One file with the weights inside, and what a stream begins with beside it."""
    import onnx

    entry = make_entry(net, example, plain=True, moves=False)
    onnx.save(make_model(entry, options.opset, moves=True), path)
    return (path, *write_initial_state(entry, path))


def make_model(entry: Entry, opset: int | None = None, *, moves: bool = False) -> ModelProto:
    """The entry, itself without moves, as an ONNX model of that opset, checked.

    With `moves` every tensor of the state has its output, also where that is an input under another name: an engine
    copies those. Raises UserError with the operator that ONNX does not have.
    """
    import onnx
    import torch
    from onnxscript import optimizer

    opset = opset or DEFAULT_OPSET
    if not OPSETS[0] <= opset <= OPSETS[1]:
        raise UserError(f"opset {opset}: there are {OPSETS[0]} to {OPSETS[1]}")
    with _quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                entry.module,
                entry.inputs,
                input_names=list(entry.input_names),
                output_names=list(entry.output_names),
                opset_version=max(opset, DEFAULT_OPSET),
                dynamo=True,
                optimize=False,
                verbose=False,
            )
            assert program is not None  # noqa: S101 - for the type checker: with dynamo there always is one
            optimizer.optimize_ir(program.model, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
        except Exception as error:
            raise UserError(f"ONNX cannot hold this network: {_reason(error)}") from error
        model = program.model_proto
    _name_outputs(model, entry)
    if opset < DEFAULT_OPSET:
        _rewrite(model, opset)
    if moves:
        _add_moves(model, entry)
    for node in model.graph.node:  # where in whose code it came from
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    model.ir_version = onnx.helper.find_min_ir_version_for(list(model.opset_import))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise UserError(f"ONNX opset {opset} cannot hold this network: {_reason(error)}") from error
    return model


def _name_outputs(model: ModelProto, entry: Entry) -> None:
    """Name outputs by position: where one tensor is two outputs, torch's exporter gives the first the other's name."""
    names = {output.name: name for output, name in zip(model.graph.output, entry.output_names, strict=True)}
    for value in (*model.graph.output, *model.graph.value_info):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(name, name) for name in values]


def _rewrite(model: ModelProto, opset: int) -> None:
    """The same model in an older opset, in place. Raises UserError with the operator that it does not have."""
    import onnx
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        kind = node.op_type
        if onnx.defs.get_schema(kind, DEFAULT_OPSET).since_version <= opset:
            continue
        if kind in _REDUCTIONS:  # the axes were an attribute, and are an input since 18
            _drop(node, "noop_with_empty_axes")
            if len(node.input) > 1:
                axes = numpy_helper.to_array(constants[node.input[1]])
                node.attribute.append(onnx.helper.make_attribute("axes", [int(axis) for axis in axes]))
                del node.input[1:]
        elif kind in _ONLY_TYPES:
            _drop(node, *_ONLY_TYPES[kind])
        else:
            raise UserError(f"ONNX opset {opset} cannot hold this network: {kind} is newer; {DEFAULT_OPSET} has it")
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    for imported in model.opset_import:
        if imported.domain == "":
            imported.version = opset


def _add_moves(model: ModelProto, entry: Entry) -> None:
    """Add an output for each tensor of the state, in order; torch's exporter renames an input that is also an
    output."""
    import onnx

    graph = model.graph
    inputs = {value.name: value for value in graph.input}
    outputs = {value.name: value for value in graph.output}
    for index, source in enumerate(entry.sources):
        if source is not None:
            name, old = f"new_{STATE}_{index}", f"{STATE}_{source}"
            graph.node.append(onnx.helper.make_node("Identity", [old], [name], name=f"move_{index}"))
            outputs[name] = onnx.helper.make_value_info(name, inputs[old].type)
    names = [*entry.output_names[: entry.answers], *(f"new_{STATE}_{index}" for index in range(len(entry.sources)))]
    del graph.output[:]
    graph.output.extend(outputs[name] for name in names)


def _drop(node: NodeProto, *names: str) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name not in names]
    del node.attribute[:]
    node.attribute.extend(kept)


def _reason(error: BaseException) -> str:
    """The operator it is about if the error names one, else the first line of its innermost cause."""
    text = str(error)
    while error.__cause__ is not None:
        error = error.__cause__
        text = f"{text}\n{error}"
    if operator := re.search(r"OpOverload\(op='([\w.]+)'", text):
        return f"it has no word for {operator[1]}"
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].strip() if lines else ''}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's own warnings: a user cannot act on them."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def load(files: tuple[Path, ...]) -> Callable[[Input], Sequence[Tensor]]:
    """Its answers by ONNX Runtime."""
    import onnxruntime as ort
    import torch

    session = ort.InferenceSession(files[0], providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]

    def call(tensors: tuple[Tensor, ...]) -> list[Tensor]:
        feeds = {name: tensor.contiguous().numpy() for name, tensor in zip(names, tensors, strict=True)}
        return [torch.from_numpy(array) for array in session.run(None, feeds)]

    return answers_of(call, files)


def cannot_load() -> str | None:
    return None if importlib.util.find_spec("onnxruntime") else f"onnxruntime is not installed: {INSTALL}"


FORMAT = Format(
    name="onnx",
    title="ONNX, for other engines",
    suffix=".onnx",
    write=write,
    missing=missing,
    load=load,
    cannot_load=cannot_load,
    any_input=True,
    takes_opset=True,
)
