"""Torch's threads in a measuring process: what the key of the case says, whatever the network's code sets."""

from __future__ import annotations

from contextlib import suppress


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
