"""A network as a list of calls: pure, in order, each value with one name, what rests on weights alone computed."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import UserError
from .old import NOTHING, overwrites, rewritten

if TYPE_CHECKING:
    from torch import Tensor, fx

    from ..entry import Entry
    from .operators import Operators


@dataclass(frozen=True)
class Name:
    """A value of the list, as an argument of a call."""

    text: str


@dataclass(frozen=True)
class Call:
    """`outputs = op(*args, **options)`."""

    op: str
    args: tuple[Any, ...]  # plain data, `Name`s and lists of them
    options: dict[str, str]
    outputs: tuple[str, ...]
    shape: tuple[int, ...] | None  # of the one output; None where there are several
    dtype: str | None


@dataclass(frozen=True)
class Graph:
    """Calls with what they start from."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]  # names of values; some may be inputs or constants
    calls: tuple[Call, ...]
    constants: dict[str, Tensor] = field(default_factory=dict)


def capture(entry: Entry) -> Graph:
    """The module of an entry as calls of operators that torch 1.10 has.

    Raises UserError for a network that cannot be traced, or that needs another operator.
    """
    from .operators import export, record

    try:
        operators = record(entry)
    except Exception:  # noqa: BLE001 - whatever a network does there, torch.export says what is wrong
        try:
            operators = export(entry)
        except Exception as error:
            raise untraceable(error) from error
    graph = _Reader(operators, entry.input_names).read()
    refuse_writes(len(graph.outputs), entry)
    return graph


def untraceable(error: Exception) -> UserError:
    """What torch.export said of a network, in one line."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return UserError(f"torch.export cannot trace this network: {reason}")


def refuse_writes(outputs: int, entry: Entry) -> None:
    """Raises UserError for a network that writes to its buffers: the traced graph hands them out besides its answer."""
    if outputs != len(entry.output_names):
        raise UserError(
            "the network writes to its own buffers when it is called, which this form cannot keep; do it in training "
            "mode only, or hand the state out: initial_state(batch) and step(frame, state)"
        )


class _Reader:
    """One walk over the nodes of a graph."""

    def __init__(self, operators: Operators, input_names: tuple[str, ...]) -> None:
        self.operators = operators
        self.input_names = input_names
        # what each node stands for: a name, a tensor that is known already, or a tuple of such
        self.meaning: dict[fx.Node, Any] = {}
        self.calls: list[Call] = []
        self.constants: dict[str, Tensor] = {}
        self.known: dict[int, str] = {}

    def read(self) -> Graph:
        import torch

        names = iter(self.input_names)
        outputs: tuple[str, ...] = ()
        with torch.no_grad():
            for node in self.operators.graph.nodes:
                if node.op == "placeholder":
                    constant = self.operators.constants.get(node)
                    self.meaning[node] = Name(next(names)) if constant is None else constant
                elif node.op == "output":
                    outputs = tuple(self._name(self.meaning[value]).text for value in node.args[0])
                else:
                    self.meaning[node] = self._call(node)
        used = {name.text for call in self.calls for name in names_in(call.args)} | set(outputs)
        constants = {name: tensor for name, tensor in self.constants.items() if name in used}
        return Graph(self.input_names, outputs, tuple(self.calls), constants)

    def _call(self, node: fx.Node) -> Any:
        args, kwargs = self._meant(node.args), self._meant(dict(node.kwargs))
        if node.target is operator.getitem:
            return args[0][args[1]]
        if not names_in([args, kwargs]):
            return node.target(*args, **kwargs)  # type: ignore[operator]
        result: Any = node.meta.get("val")
        if overwrites(str(node.target)):
            self.meaning[node.args[0]] = Name(node.name)  # type: ignore[index]
        op, args, options = rewritten(str(node.target), args, kwargs, result)
        if op == NOTHING:
            return args[0]
        if op == "batch_norm" and not _is_tensor(result):
            result = result[:1]  # today's gives statistics besides, which nobody reads
        outputs = (node.name,) if _is_tensor(result) else tuple(f"{node.name}_{at}" for at in range(len(result)))
        shape = tuple(result.shape) if _is_tensor(result) else None
        dtype = str(result.dtype) if _is_tensor(result) else None
        self.calls.append(Call(op, self._named(args), options, outputs, shape, dtype))
        names = tuple(Name(output) for output in outputs)
        return names[0] if shape is not None else names

    def _meant(self, value: Any) -> Any:
        """Arguments with what each node stands for."""
        if isinstance(value, dict):
            return {key: self._meant(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._meant(inner) for inner in value]
        return self.meaning.get(value, value) if hasattr(value, "op") else value

    def _named(self, value: Any) -> Any:
        """Arguments with names for the tensors that are known."""
        if isinstance(value, list | tuple):
            return type(value)(self._named(inner) for inner in value)
        return self._name(value) if _is_tensor(value) else value

    def _name(self, value: Any) -> Name:
        if isinstance(value, Name):
            return value
        if id(value) not in self.known:
            self.known[id(value)] = f"w{len(self.known)}"
            self.constants[self.known[id(value)]] = value  # kept, so that no other tensor gets its id
        return Name(self.known[id(value)])


def names_in(value: Any) -> list[Name]:
    """Every name in arguments, in order."""
    if isinstance(value, Name):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [name for part in inner for name in names_in(part)]


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)
