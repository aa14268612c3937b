"""A network as a list of calls: pure, in order, each value with one name, what rests on weights alone computed."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import UserError
from .old import NOTHING, rewritten

if TYPE_CHECKING:
    from torch import Tensor, fx

    from ..entry import Entry


# Operators of today whose result may lie in the memory of their first argument.
MAY_ALIAS = {
    *("alias", "chunk", "contiguous", "detach", "dropout", "expand", "expand_as", "flatten", "movedim", "narrow"),
    *("permute", "reshape", "select", "slice", "split", "split_with_sizes", "squeeze", "swapaxes", "t", "to"),
    *("transpose", "unbind", "unflatten", "unfold", "unsqueeze", "view", "view_as"),
}


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


def capture(made: Entry) -> Graph:
    """The module of an entry as calls of operators that torch 1.10 has.

    Raises UserError for a network that cannot be traced, or that needs another operator.
    """
    import torch

    try:
        with torch.no_grad():
            program = torch.export.export(made.module, made.inputs)
            if _overwrites_what_is_read_later(program.graph):
                program = program.run_decompositions({})  # nothing is overwritten in it; it takes as long again
    except Exception as error:  # whatever a network does while it is traced
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"torch.export cannot trace this network: {reason}") from error
    return _Reader(program, made.input_names).read()


def _overwrites_what_is_read_later(graph: fx.Graph) -> bool:
    """Whether a call overwrites memory that is read afterwards by another name than its own result's.

    If it does not, leaving everything where it is and handing on the result instead is the same.
    """
    place = {node: at for at, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if node.op == "call_function" and _is_in_place(node):
            target = node.args[0]
            if _oldest(target).op == "placeholder":
                return True
            others = {other for other in _same_memory(_oldest(target)) if place[other] < place[node]} - {target}
            if any(place[reader] > place[node] for other in others for reader in other.users):
                return True
    return False


def _is_in_place(node: fx.Node) -> bool:
    return str(node.target).partition(".")[2].partition(".")[0].endswith("_")


def _is_view(node: fx.Node) -> bool:
    """Whether the result may lie where the first argument does; getitem belongs to what it takes apart."""
    name = str(node.target).partition(".")[2].partition(".")[0]
    return node.op == "call_function" and (node.target is operator.getitem or _is_in_place(node) or name in MAY_ALIAS)


def _oldest(node: fx.Node) -> fx.Node:
    """What a chain of views begins with."""
    while _is_view(node):
        node = node.args[0]  # type: ignore[assignment]
    return node


def _same_memory(node: fx.Node) -> set[fx.Node]:
    """The node and every view of it, of every degree."""
    found = {node}
    for user in node.users:
        if _is_view(user) and user.args[0] is node:
            found |= _same_memory(user)
    return found


class _Reader:
    """One walk over the nodes of an exported program."""

    def __init__(self, program: Any, input_names: tuple[str, ...]) -> None:
        self.program = program
        self.input_names = input_names
        # what each node stands for: a name, a tensor that is known already, or a tuple of such
        self.meaning: dict[fx.Node, Any] = {}
        self.calls: list[Call] = []
        self.constants: dict[str, Tensor] = {}
        self.known: dict[int, str] = {}

    def read(self) -> Graph:
        import torch

        known = {**self.program.state_dict, **self.program.constants}
        targets = {spec.arg.name: spec.target for spec in self.program.graph_signature.input_specs}
        names = iter(self.input_names)
        outputs: tuple[str, ...] = ()
        with torch.no_grad():
            for node in self.program.graph.nodes:
                if node.op == "placeholder":
                    target = targets[node.name]
                    self.meaning[node] = Name(next(names)) if target is None else known[target].detach()
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
        if _is_in_place(node):
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
