"""How each kind of traced call becomes its frame form: one table from function to rule.

A rule takes the calls and the traced call, and returns the value it makes. What works on each number alone
(`pointwise`), on dimensions of a frame (`Over`, `Within`) or only renames dimensions (`rearranging.py`) is a name in a
table; what may run over time has a rule of its own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from .calls import Calls, Result, argument
from .flow import ConversionError
from .frame_calls import pointwise
from .gates import PRODUCTS
from .products import attention, einsum, matmul
from .rearranging import (
    attribute,
    cat,
    expand,
    index,
    index_select,
    narrow,
    parts,
    permute,
    repeat,
    reshape,
    stack,
    unchanged,
)
from .reducing import OVER, maximum, mean, total
from .spatial import CLIPS, WITHIN, adaptive_pool, batch_norm, clip_norm, pad

Function = Callable[[Calls, fx.Node], Result]

_MATHS = """
    add sub mul div true_divide subtract multiply divide floor_divide remainder fmod pow float_power neg negative abs
    absolute exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square reciprocal sin cos tan asin acos atan sinh cosh
    erf erfc floor ceil round trunc frac sign clamp clamp_min clamp_max clip maximum minimum where lerp addcmul addcdiv
    atan2 logaddexp nan_to_num gt ge lt le eq ne logical_and logical_or logical_not isnan isfinite hypot xlogy float
    half double bfloat16 int long bool type positive rsub masked_fill clone zeros_like ones_like full_like
"""
_ACTIVATIONS = """
    relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh sigmoid tanh
    logsigmoid softplus softsign tanhshrink hardshrink softshrink threshold
"""
_OPERATORS = (
    *(operator.add, operator.iadd, operator.sub, operator.isub, operator.mul, operator.imul, operator.truediv),
    *(operator.itruediv, operator.floordiv, operator.mod, operator.pow, operator.neg, operator.pos, operator.abs),
    *(operator.gt, operator.ge, operator.lt, operator.le, operator.eq, operator.ne, operator.and_, operator.or_),
    operator.invert,
)
_IN_PLACE = {
    *(operator.iadd, operator.isub, operator.imul, operator.itruediv),
    *(torch.relu_, torch.sigmoid_, torch.tanh_, torch.clamp_, F.relu_),
}


def _spelled(*names: str) -> list[Any]:
    """torch.name, F.name, x.name() and x.name_(), as far as there are such."""
    functions: list[Any] = [getattr(home, name) for name in names for home in (torch, F) if hasattr(home, name)]
    return functions + [one for name in names for one in (name, f"{name}_") if hasattr(Tensor, one)]


def overwrites(node: fx.Node) -> bool:
    """Whether a traced function writes into its first argument."""
    if isinstance(node.target, str):
        return node.target.endswith("_") and not node.target.endswith("__")
    flags = [*node.args[1:], node.kwargs.get("inplace")] if node.target in _WITH_FLAG else []
    return node.target in _IN_PLACE or any(flag is True for flag in flags)


_WITH_FLAG = {getattr(F, name) for name in _ACTIVATIONS.split()}


def _pool(layer: Callable[..., nn.Module], *names: str) -> Function:
    """`names`: of the function's arguments behind the input; the layer takes the same ones, in another order."""

    def pooled(calls: Calls, node: fx.Node) -> Result:
        options = dict(zip(names, node.args[1:], strict=False)) | {
            name: option for name, option in node.kwargs.items() if name in names
        }
        return calls.by_rule(node, layer(**options))

    return pooled


def _dropout(calls: Calls, node: fx.Node) -> Result:
    layer = nn.Dropout(argument(node, 1, "p", 0.5))
    layer.training = argument(node, 2, "training", True)
    return calls.by_rule(node, layer) if layer.training else unchanged(calls, node)


def _convert_type(calls: Calls, node: fx.Node) -> Result:
    """x.to(...): a type is kept; a frame network is on the device where its user put it."""
    kinds = [one for one in (*node.args[1:], *node.kwargs.values()) if isinstance(one, torch.dtype)]
    return pointwise(calls, node) if kinds and len(node.args) + len(node.kwargs) == 2 else unchanged(calls, node)


def _writes_into_part(calls: Calls, node: fx.Node) -> Result:
    raise ConversionError(calls.label(node), "writes into a part of a tensor; join parts by torch.cat")


_MAX = _pool(nn.MaxPool3d, "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG = _pool(nn.AvgPool3d, "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
_NAMED: dict[Function, str] = {
    pointwise: f"{_MATHS} {_ACTIVATIONS}",
    mean: "mean",
    total: "sum",
    maximum: "max min amax amin",
    reshape: "view reshape flatten unflatten squeeze unsqueeze view_as reshape_as ravel",
    permute: "permute transpose movedim moveaxis swapaxes swapdims t adjoint",
    unchanged: "contiguous detach cpu cuda type_as",
    expand: "expand expand_as broadcast_to",
    cat: "cat concat concatenate",
    stack: "stack",
    parts: "chunk split unbind tensor_split",
    narrow: "narrow select",
    repeat: "repeat tile",
    index_select: "index_select",
    matmul: "matmul bmm",
    einsum: "einsum",
}

FUNCTIONS: dict[Any, Function] = {
    **{one: rule for name, rule in {**OVER, **WITHIN}.items() for one in _spelled(name)},
    **{one: rule for rule, names in _NAMED.items() for one in _spelled(*names.split())},
    **dict.fromkeys((*_OPERATORS, *_IN_PLACE, *PRODUCTS), pointwise),
    **dict.fromkeys((torch.linalg.vector_norm, torch.linalg.norm), OVER["norm"]),
    **CLIPS,
    "to": _convert_type,
    operator.getitem: index,
    operator.setitem: _writes_into_part,
    getattr: attribute,
    operator.matmul: matmul,
    F.scaled_dot_product_attention: attention,
    **dict.fromkeys((F.adaptive_avg_pool3d, F.adaptive_max_pool3d), adaptive_pool),
    **dict.fromkeys((F.max_pool3d, torch.max_pool3d), _MAX),
    F.avg_pool3d: _AVG,
    **dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, torch.dropout), _dropout),
    F.pad: pad,
    **dict.fromkeys((F.group_norm, F.instance_norm, torch.group_norm, torch.instance_norm), clip_norm),
    F.batch_norm: batch_norm,
}
