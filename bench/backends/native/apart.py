"""An operator taken apart into others: by functions of ours, else as PyTorch does for its own compilers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, fx
    from torch.fx import Node

    from .graph import Graph


@dataclass(frozen=True)
class Parts:
    graph: fx.Graph
    given: list[Node]  # whose values its placeholders are, in order
    constants: dict[str, Tensor]


def taken_apart(graph: Graph) -> Parts:
    """The node that is looked at, as calls of other operators. Raises whatever PyTorch does."""
    import torch
    from torch._decomp import core_aten_decompositions, decomposition_table
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.utils._pytree import tree_leaves, tree_map

    node = graph.node
    leaves = dict.fromkeys(each for each in tree_leaves((node.args, node.kwargs)) if hasattr(each, "op"))
    given = [each for each in leaves if not isinstance(graph.values.get(each), torch.Tensor)]
    function = OURS.get(graph.name) or decomposition_table.get(node.target, node.target)

    def called(*values: Tensor) -> Any:
        known = dict(zip(given, values, strict=True))
        args, kwargs = tree_map(
            lambda each: known.get(each, graph.values.get(each)) if hasattr(each, "op") else each,
            (node.args, node.kwargs),
        )
        return function(*args, **kwargs)

    examples = [torch.zeros(each.meta["val"].shape, dtype=each.meta["val"].dtype) for each in given]
    table: Any = core_aten_decompositions()
    with torch.no_grad():
        module = make_fx(called, decomposition_table=table)(*examples)
    module.graph.eliminate_dead_code()
    targets = [each.target for each in module.graph.nodes if each.op == "get_attr"]
    return Parts(module.graph, given, {target: getattr(module, target) for target in targets})


def _softmax(x: Tensor, dim: int, *_: Any, **__: Any) -> Tensor:
    powers = (x - x.amax(dim, keepdim=True)).exp()
    return powers / powers.sum(dim, keepdim=True)


def _log_softmax(x: Tensor, dim: int, *_: Any, **__: Any) -> Tensor:
    less = x - x.amax(dim, keepdim=True)
    return less - less.exp().sum(dim, keepdim=True).log()


def _layer_norm(
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    dims = list(range(-len(shape), 0))
    away = x - x.mean(dims, keepdim=True)
    y = away / ((away * away).mean(dims, keepdim=True) + eps).sqrt()
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _group_norm(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5, *_: Any
) -> Tensor:
    y = _layer_norm(x.reshape(x.shape[0], groups, -1), (1,), eps=eps).reshape(x.shape)
    ones = [1] * (x.dim() - 2)
    y = y if weight is None else y * weight.view(-1, *ones)
    return y if bias is None else y + bias.view(-1, *ones)


def _instance_norm(
    x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, use_input: bool, *others: Any
) -> Tensor:
    if not use_input:
        raise NotImplementedError
    return _group_norm(x, x.shape[1], weight, bias, others[1])


def _variance(x: Tensor, dims: Any = None, *_: Any, correction: float = 1, keepdim: bool = False) -> Tensor:
    dims = list(range(x.dim())) if dims is None else dims
    mean = x.mean(dims, keepdim=True)
    away = x - mean
    count = x.numel() // mean.numel()
    return (away * away).sum(dims, keepdim=keepdim) / (count - (1 if correction is None else correction))


def _spread(x: Tensor, dims: Any = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    return _variance(x, dims, correction=int(unbiased), keepdim=keepdim)


OURS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("softmax.int", "_softmax.default"), _softmax),
    **dict.fromkeys(("log_softmax.int", "_log_softmax.default"), _log_softmax),
    "layer_norm.default": _layer_norm,
    "group_norm.default": _group_norm,
    "instance_norm.default": _instance_norm,
    "var.correction": _variance,
    "std.correction": lambda *args, **options: _variance(*args, **options).sqrt(),
    "var.dim": _spread,
    "std.dim": lambda *args, **options: _spread(*args, **options).sqrt(),
    "var_mean.correction": lambda x, dims=None, *, correction=1, keepdim=False: (
        _variance(x, dims, correction=correction, keepdim=keepdim),
        x.mean(dims, keepdim=keepdim),
    ),
}
