"""What networks answer, for networks whose answer is not one tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def tensors_in(output: Any) -> list[Tensor]:
    """Every tensor of an answer, in order: of tuples, lists, dicts and dataclasses, however deep."""
    import torch

    if isinstance(output, torch.Tensor):
        return [output]
    return [tensor for part in _parts(output).values() for tensor in tensors_in(part)]


def describe(output: Any) -> str:
    """The shape of an answer in words: `(1, 5)`, `[(1, 5), (1, 4, 8)]`, `{scores: (1, 5)}`."""
    import torch

    if isinstance(output, torch.Tensor):
        return str(tuple(output.shape))
    parts = _parts(output)
    if not parts:
        return type(output).__name__
    if isinstance(output, list | tuple):
        return f"[{', '.join(map(describe, parts.values()))}]"
    return f"{{{', '.join(f'{name}: {describe(part)}' for name, part in parts.items())}}}"


def _parts(output: Any) -> dict[Any, Any]:
    if isinstance(output, Mapping):
        return dict(output)
    if isinstance(output, list | tuple):
        return dict(enumerate(output))
    if is_dataclass(output):
        return {field.name: getattr(output, field.name) for field in fields(output)}
    return {}
