"""Today's operators in the words of torch 1.10, whose list and arguments were fewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import UserError

NOTHING = ""  # the operator that hands on its first argument

Rewritten = tuple[str, tuple[Any, ...], dict[str, str]]
# (arguments, keywords, the result as the tracer knows it: shape and type) -> the call in old words
Rewrite = Callable[[list[Any], dict[str, Any], Any], Rewritten]


def _reshape(args: list[Any], kwargs: dict[str, Any], result: Any) -> Rewritten:
    """`view` and its like know how a tensor lies in memory, which is another one on another machine."""
    return "reshape", (args[0], list(result.shape)), {}


def _nothing(args: list[Any], kwargs: dict[str, Any], result: Any) -> Rewritten:
    return NOTHING, (args[0],), {}


def _clone(args: list[Any], kwargs: dict[str, Any], result: Any) -> Rewritten:
    """Never in channels_last: torch 1.10 convolves in the order of the shape, and would copy each map and back."""
    layout = str(kwargs.get("memory_format") or "torch.preserve_format").removeprefix("torch.")
    return "clone", (args[0],), {} if layout == "preserve_format" else {"memory_format": "contiguous_format"}


def _batch_norm(args: list[Any], kwargs: dict[str, Any], result: Any) -> Rewritten:
    """(input, weight, bias, mean, variance, training, momentum, eps, cudnn)."""
    if args[5]:
        raise UserError("batch_norm: it is in training mode; call eval() first")
    return "batch_norm", (*args[:8], False), {}


def _pad(args: list[Any], kwargs: dict[str, Any], result: Any) -> Rewritten:
    x, widths, *rest = args
    mode, value = (*rest, *("constant", None)[len(rest) :])
    if mode != "constant":
        raise UserError(f"pad: mode {mode} is not in aten-json; only constant is")
    return "constant_pad_nd", (x, widths, value or 0.0), {}


def _movedim(args: list[Any], kwargs: dict[str, Any], result: Any) -> Rewritten:
    """(x, from, to), one dimension: torch 1.10 has it, but `permute` is one call less inside."""
    dims = list(range(result.dim()))
    dims.insert(args[2] % len(dims), dims.pop(args[1] % len(dims)))
    return "permute", (args[0], dims), {}


def _slice(args: list[Any], kwargs: dict[str, Any], result: Any) -> Rewritten:
    """(x, dim, start, end, step); torch 1.10 offers `slice` to nobody but its own compiler."""
    import torch

    rest: tuple[Any, ...] = (0, 0, None, 1)
    x, dim, start, _, step = (*args, *rest[len(args) - 1 :])
    length = result.shape[dim]
    if step != 1:
        if (start or 0) < 0:
            raise UserError(
                "slice: one with a step counts from the end; aten-json holds such that count from the front"
            )
        return "index_select", (x, dim, torch.arange(length) * step + (start or 0)), {}
    return "narrow", (x, dim, start or 0, length), {}


REWRITES: dict[str, Rewrite] = {
    "aten.view.default": _reshape,
    "aten._unsafe_view.default": _reshape,
    "aten.reshape.default": _reshape,
    "aten.flatten.using_ints": _reshape,
    "aten.squeeze.dims": _reshape,
    "aten.squeeze.dim": _reshape,
    "aten.unflatten.int": _reshape,
    "aten.alias.default": _nothing,
    "aten.detach.default": _nothing,
    "aten.dropout.default": _nothing,
    "aten.contiguous.default": _clone,
    "aten.clone.default": _clone,
    "aten.batch_norm.default": _batch_norm,
    "aten._native_batch_norm_legit_no_training.default": lambda args, kwargs, result: (
        "batch_norm",
        (*args[:5], False, *args[5:7], False),
        {},
    ),
    "aten.pad.default": _pad,
    "aten.slice.Tensor": _slice,
    "aten.movedim.int": _movedim,
    "aten.relu6.default": lambda args, kwargs, result: ("hardtanh", (args[0], 0.0, 6.0), {}),
}


def overwrites(target: str) -> bool:
    """Whether the operator writes into its first argument, as `aten.add_.Tensor` does."""
    return target.partition(".")[2].partition(".")[0].endswith("_")


def rewritten(target: str, args: list[Any], kwargs: dict[str, Any], result: Any) -> Rewritten:
    """A call of today (`aten.conv2d.default`) as one of torch 1.10. Raises UserError if the runner has no such."""
    from .runner import OPS

    target = target.replace("_.", ".")  # what may be overwritten is decided later
    if target in REWRITES:
        return REWRITES[target](args, kwargs, result)
    op = target.removeprefix("aten.").rpartition(".")[0]
    if op not in OPS or kwargs:
        words = f"{op} with {', '.join(kwargs)}" if kwargs else op
        raise UserError(f"{words} ({target}): aten-json has no such operator; --format torch-export has all")
    return op, tuple(args), {}
