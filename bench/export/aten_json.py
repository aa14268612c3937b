"""A network for boards whose torch is old: calls of operators that torch 1.10 has, and weights, in one zip.

`bench/export/aten/runner.py` runs it: one file, to be copied beside it, for Python 3.6 and torch 1.10 and newer.
"""

from __future__ import annotations

import copy
import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.outputs import tensors_in
from ...models.spec import is_frame_network
from ..record.facts import has_receptive_field
from . import Format, Options
from .entry import make_entry
from .precision import DTYPES, TOLERANCE, torch_missing

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .aten.capture import Graph
    from .entry import Entry

ALIGNMENT = 64  # bytes; what vector instructions like best
# The clock of a zip entry; a fixed one makes equal files of equal networks.
_TIME = (1980, 1, 1, 0, 0, 0)


def write(net: Any, example: Tensor, path: Path, options: Options) -> tuple[Path, ...]:
    """graph.json and weights.bin in a zip without compression; bench/export/aten/README.md describes them.

    The file computes in the precision of `example`. It is traced, and its right answer computed, in float32: in others
    a CPU lacks operators that boards have. Raises UserError for a network that cannot be traced, or that needs an
    operator which the runner does not know.
    """
    import torch

    from .aten.capture import capture
    from .aten.memory import in_place

    if any(tensor.dtype != torch.float32 for tensor in net.parameters()):
        net = copy.deepcopy(net).float()
    # On torch 1.10 one convolution call is quicker than a matrix product between two changes of layout.
    entry = make_entry(net, example.float(), plain=True)
    graph = in_place(capture(entry))
    weights = _Weights(example.dtype)
    for name, tensor in graph.constants.items():
        weights.add(name, tensor)
    described = {
        "schema": _schema(),
        "form": "frame" if is_frame_network(net) else "clip",
        "receptive_field": net.receptive_field if has_receptive_field(net) else None,
        "inputs": [weights.row(name, tensor) for name, tensor in zip(entry.input_names, entry.inputs, strict=True)],
        "outputs": list(graph.outputs[: entry.answers]),
        "state": _state(entry, graph, weights),
        "nodes": _nodes(graph),
        "scores": _expected(net, example, weights),
        "tolerance": _tolerance(example),
        "tensors": weights.rows,
        "sha256": hashlib.sha256(weights.data).hexdigest(),
    }
    with zipfile.ZipFile(path, "w") as archive:
        text = json.dumps(described, allow_nan=False)
        for name, data in (("graph.json", text.encode()), ("weights.bin", bytes(weights.data))):
            archive.writestr(zipfile.ZipInfo(name, _TIME), data)
    return (path,)


class _Weights:
    """Tensors one after the other in weights.bin, and a row for each; floating-point ones in one precision."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.data = bytearray()
        self.rows: list[dict[str, Any]] = []

    def row(self, name: str, tensor: Tensor) -> dict[str, Any]:
        """The row of a tensor, in the type it will be written in."""
        return _row(name, self._as_written(tensor))

    def _as_written(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def add(self, name: str, tensor: Tensor, exact: bool = False) -> str:
        """Add a tensor, with `exact` in its own type; one constant value takes no room. Returns the name."""
        tensor = tensor if exact else self._as_written(tensor)
        row = _row(name, tensor)
        first = tensor.flatten()[:1]
        if tensor.numel() > 1 and bool((tensor == first).all()):
            row["fill"] = first.item()
        else:
            self.data += bytes(-len(self.data) % ALIGNMENT)
            row["offset"] = len(self.data)
            self.data += _bytes(tensor)
        self.rows.append(row)
        return name


def _bytes(tensor: Tensor) -> bytes:
    """The numbers in the order of the shape."""
    import torch

    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _row(name: str, tensor: Tensor) -> dict[str, Any]:
    return {"name": name, "shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}


def _state(entry: Entry, graph: Graph, weights: _Weights) -> list[dict[str, Any]]:
    """The state: for each tensor its input, the value that replaces it, and its initial tensor."""
    first: dict[tuple[Any, ...], str] = {}  # of equal beginnings one is kept
    rows = []
    for name, output, tensor in zip(entry.input_names[1:], graph.outputs[entry.answers :], entry.state, strict=True):
        key = (tuple(tensor.shape), tensor.dtype, hashlib.sha256(_bytes(tensor)).digest())
        if key not in first:
            first[key] = weights.add(f"initial_{len(first)}", tensor)
        rows.append({"input": name, "output": output, "initial": first[key]})
    return rows


def _nodes(graph: Graph) -> list[list[Any]]:
    """[operator, arguments, options, names of its results, names of values that are not needed after it]."""
    from .aten.memory import last_reads

    return [
        [call.op, _plain(call.args), call.options, call.outputs, frees]
        for call, frees in zip(graph.calls, last_reads(graph), strict=True)
    ]


def _plain(value: Any) -> Any:
    """Arguments as JSON: a string is the name of a value, everything else is itself."""
    from .aten.capture import Name

    if isinstance(value, Name):
        return value.text
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _expected(net: Any, example: Tensor, weights: _Weights) -> list[str]:
    """The network's own answer to the last of the runner's examples, for the runner to compare with.

    In float32, whatever the weights were rounded to: in half precisions a CPU takes minutes for it.
    """
    import torch

    from .aten import runner

    inputs = [runner.example(_row("", example), index).float() for index in range(runner.EXAMPLES)]
    with torch.no_grad():
        if is_frame_network(net):
            answer, state = None, net.initial_state(len(example))
            for frame in inputs:
                answer, state = net.step(frame, state)
        else:
            answer = net(inputs[-1])
    return [weights.add(f"expected_{index}", tensor, exact=True) for index, tensor in enumerate(tensors_in(answer))]


def _schema() -> int:
    from .aten import runner

    return runner.SCHEMA


def _tolerance(example: Tensor) -> float:
    dtype = str(example.dtype).removeprefix("torch.")
    return next((TOLERANCE[name] for name, known in DTYPES.items() if known == dtype), TOLERANCE["fp32"])


def load(files: tuple[Path, ...]) -> Callable[[Tensor], Sequence[Tensor]]:
    """Its answers by the runner that goes to boards."""
    from .aten.runner import Program

    program = Program(files[0])
    return lambda x: tensors_in(program.step(x))


FORMAT = Format(
    name="aten-json",
    title="calls and weights for old boards: Python 3.6, torch 1.10, one file to run it",
    suffix=".aten.zip",
    write=write,
    missing=torch_missing,
    load=load,
)
