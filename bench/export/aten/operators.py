"""The operators that a network calls, as a graph: recorded while it runs once, or by torch.export.

Recording takes about as long as the call; torch.export takes a second, another to take operators apart, and more than
one to import its compiler. What is recorded is what torch.export would give. Where that is not certain nothing is
recorded: a network that depends on values or keeps hidden state is left to torch.export.
"""

from __future__ import annotations

import copy
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from .old import overwrites

if TYPE_CHECKING:
    from ..entry import Entry

# Operators of today whose result may lie in the memory of their first argument.
MAY_ALIAS = {
    *("alias", "chunk", "contiguous", "detach", "dropout", "expand", "expand_as", "flatten", "movedim", "narrow"),
    *("permute", "reshape", "select", "slice", "split", "split_with_sizes", "squeeze", "swapaxes", "t", "to"),
    *("transpose", "unbind", "unflatten", "unfold", "unsqueeze", "view", "view_as"),
}


class NotRecorded(RuntimeError):
    """Running it once does not show what it always does."""


@dataclass(frozen=True)
class Operators:
    """Calls in their order, each with a tensor of its shape and type as `meta["val"]`.

    What a call overwrites in place is read afterwards by the name of its result alone, so that an in-place call can be
    read as the one that makes something new.
    """

    graph: fx.Graph
    constants: dict[fx.Node, Tensor]  # placeholders that are weights and the like; the others are inputs, in order


def record(entry: Entry) -> Operators:
    """What the module of an entry calls when it runs once.

    Raises whatever the module raises there, and NotRecorded.
    """
    tape = _Tape()
    weights = {**dict(entry.module.named_parameters()), **dict(entry.module.named_buffers())}
    # Whatever it keeps from this call must not be met by another one; weights are not copied.
    module = copy.deepcopy(entry.module, {id(tensor): tensor for tensor in weights.values()})
    before = _kept_in(module)
    # In inference mode an operator is seen before torch takes it apart. Where gradients could be asked for, our layers
    # overwrite nothing.
    with torch.inference_mode(), torch.enable_grad():
        inputs = tuple(_Traced(tensor.clone(), tape.graph.placeholder("input")) for tensor in entry.inputs)
        traced = {name: _Traced(tensor, tape.constant(tensor)) for name, tensor in weights.items()}
        given: dict[str, Tensor] = dict(traced)
        with tape:
            results = torch.func.functional_call(module, given, inputs)
    if _kept_in(module) != before or any(given[name] is not tensor for name, tensor in traced.items()):
        raise NotRecorded("it keeps a state inside")
    tape.graph.output(tuple(tape.node_of(tensor) for tensor in results))
    if overwrites_what_is_read_later(tape.graph):
        raise NotRecorded("it overwrites what is read later")
    return Operators(tape.graph, tape.constants)


class _Traced(Tensor):
    """A value and the node that makes it. Nobody but operators can read it: it has no memory of its own."""

    value: Tensor
    node: fx.Node

    @staticmethod
    def __new__(cls, value: Tensor, node: fx.Node) -> _Traced:
        traced = Tensor._make_wrapper_subclass(
            cls, value.shape, value.stride(), value.storage_offset(), dtype=value.dtype, device=value.device
        )
        torch._C._set_throw_on_mutable_data_ptr(traced)
        node.meta["val"] = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
        traced.value, traced.node = value, node
        return traced

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotRecorded(f"{func} outside the recording")


class _Tape(TorchDispatchMode):
    """Takes down every operator that is called, and calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.constants: dict[fx.Node, Tensor] = {}

    def constant(self, tensor: Tensor) -> fx.Node:
        node = self.graph.placeholder("constant")
        node.meta["val"] = self.constants[node] = tensor.detach()
        return node

    def node_of(self, tensor: Tensor) -> fx.Node:
        """The node of a value; a tensor that rests on none is a constant."""
        return tensor.node if isinstance(tensor, _Traced) else self.constant(tensor)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """To tell torch's compiler that it is not wanted here, torch would import it, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = (args, kwargs or {})
        plain_args, plain_kwargs = tree_map_only(_Traced, lambda each: each.value, given)
        if not any(isinstance(each, _Traced) for each in tree_leaves(given)):
            return func(*plain_args, **plain_kwargs)
        if func._schema.is_mutable and not overwrites(str(func)):
            raise NotRecorded(f"{func} writes into an argument")
        if torch.Tag.dynamic_output_shape in func.tags:
            raise NotRecorded(f"{func} depends on values")
        result = func(*plain_args, **plain_kwargs)
        if isinstance(result, torch.device):
            return result
        node = self.graph.call_function(func, *tree_map_only(Tensor, self.node_of, given))
        if isinstance(result, Tensor):
            first = args[0]
            if isinstance(first, _Traced) and first.value is result:  # overwritten, or handed on as it is
                if first.shape != result.shape:
                    raise NotRecorded(f"{func} changes a shape in place")
                node.meta["val"], first.node = first.node.meta["val"], node
                return first
            return _Traced(result, node)
        if isinstance(result, tuple | list) and all(isinstance(each, Tensor) for each in result):
            parts = [self.graph.call_function(operator.getitem, (node, index)) for index in range(len(result))]
            results = [_Traced(value, part) for value, part in zip(result, parts, strict=True)]
            node.meta["val"] = [part.meta["val"] for part in parts]
            return type(result)(results)
        raise NotRecorded(f"{func} depends on values")


_ONE = (bool, int, float, str, type(None))  # most of what modules hold; torch takes long to find that it is no tree


def _kept_in(module: nn.Module) -> list[tuple[str, str, int, int]]:
    """What its modules hold besides weights, buffers and modules: which objects, and which version of a tensor."""
    registered = ("_parameters", "_buffers", "_modules")
    return [
        (name, key, id(leaf), 0 if not isinstance(leaf, Tensor) or leaf.is_inference() else leaf._version)
        for name, each in module.named_modules()
        for key, value in vars(each).items()
        if key not in registered
        for leaf in ((value,) if isinstance(value, _ONE) else tree_leaves(value))
    ]


def overwrites_what_is_read_later(graph: fx.Graph) -> bool:
    """Whether a call overwrites memory that is read afterwards by another name than its own result's.

    If it does not, leaving everything where it is and handing on the result instead is the same.
    """
    positions = {node: at for at, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if node.op == "call_function" and overwrites(str(node.target)):
            target = node.args[0]
            if _oldest(target).op == "placeholder":
                return True
            others = {other for other in _same_memory(_oldest(target)) if positions[other] < positions[node]} - {target}
            if any(positions[reader] > positions[node] for other in others for reader in other.users):
                return True
    return False


def _is_view(node: fx.Node) -> bool:
    """Whether the result may lie where the first argument does; getitem belongs to what it takes apart."""
    target = str(node.target)
    may_alias = node.target is operator.getitem or target.partition(".")[2].partition(".")[0] in MAY_ALIAS
    return node.op == "call_function" and (may_alias or overwrites(target))


def _oldest(node: fx.Node) -> fx.Node:
    """What a chain of views begins with."""
    while _is_view(node):
        node = node.args[0]  # type: ignore[assignment]
    return node


def _same_memory(node: fx.Node) -> set[fx.Node]:
    """The node and every view of it, of every degree."""
    results = {node}
    for user in node.users:
        if _is_view(user) and user.args[0] is node:
            results |= _same_memory(user)
    return results


def export(entry: Entry, *, functional: bool = False) -> Operators:
    """The same by torch.export; `functional`: nothing is overwritten in it and less is left together, which takes as
    long again. Raises whatever torch.export does."""
    with torch.no_grad():
        program = torch.export.export(entry.module, entry.inputs)
        if functional or overwrites_what_is_read_later(program.graph):
            program = program.run_decompositions({})
    known = {**program.state_dict, **program.constants}
    targets = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs}
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
    constants = {node: known[target].detach() for node in placeholders if (target := targets[node.name]) is not None}
    return Operators(program.graph, constants)
