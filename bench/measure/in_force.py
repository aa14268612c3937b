"""What the key of a case says and a network's code may change: torch's threads are held, its weights are looked at."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def hold_threads(threads: int) -> None:
    """That many threads inside an operator, from now on."""
    import torch

    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def limit_inter_op() -> None:
    """One thread between operators. Torch takes the number once a process, so a network's code that sets it itself, or
    has used it, comes first; the record has the number that holds."""
    import torch

    with suppress(RuntimeError):
        torch.set_num_interop_threads(1)


def threads_in_force() -> int:
    """The threads inside an operator that torch uses now."""
    import torch

    return torch.get_num_threads()


def note_of(threads: int, asked: int) -> tuple[str, ...]:
    """A note for the record where the samples were not taken with the threads of the case."""
    if threads == asked:
        return ()
    return (f"its code sets torch's threads to {threads} while it predicts: the samples were not taken with {asked}",)


def weights_notes(net: Any) -> tuple[str, ...]:
    """A note for the record where a network's own weights are not all float32, which the precision of a case means."""
    kinds = {str(each.dtype) for each in net.parameters() if each.is_floating_point()} - {"torch.float32"}
    return (f"it has weights of {', '.join(sorted(kinds))}, which are used as they are",) if kinds else ()
