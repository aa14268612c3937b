"""What a traced call makes, and how its arguments are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import fx

from ..state import Temporal
from .flow import Flow


@dataclass(frozen=True)
class Value:
    """A result on the way: which one, how it reaches back to the input, and what it holds."""

    index: int
    reach: Temporal
    flow: Flow


class Scalar:
    """A size or another number that only shapes are made of; frames have their own."""


def argument(node: fx.Node, at: int, name: str, default: Any = None) -> Any:
    """An argument of a traced call, given by place or by name."""
    return node.kwargs.get(name, node.args[at] if len(node.args) > at else default)
