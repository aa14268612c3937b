"""A machine looked at: the facts of its files and its cards, together."""

from __future__ import annotations

from .gpus import list_gpus
from .host import read_host
from .recognise import Seen
from .root import THIS_MACHINE, Root


def look(root: Root = THIS_MACHINE) -> Seen:
    """What a machine shows of itself. Only of this one can cards be asked; a board sends its own over."""
    if root != THIS_MACHINE:
        return Seen(read_host(root), no_gpus="not asked")
    gpus, why = list_gpus()
    return Seen(read_host(root), gpus, why)
