"""An exception of a network or an engine in the words of a record."""

from __future__ import annotations

import traceback

from ..models.spec import UnknownModelError
from .errors import UserError
from .record import Failure

# How allocators say that there is no memory; PyTorch has no class of exception for it on the CPU.
_OUT_OF_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "not enough memory",
    "cannot allocate memory",
    "bad allocation",
    "bad_alloc",
)


def failure_of(error: Exception) -> Failure:
    """An exception as a record's failure; the user's own mistakes carry no traceback."""
    if isinstance(error, UserError | UnknownModelError):
        return Failure(kind="exception", message=str(error))
    text = str(error).strip()
    first_line = text.splitlines()[0] if text else ""
    no_memory = isinstance(error, MemoryError) or any(words in text.lower() for words in _OUT_OF_MEMORY)
    return Failure(
        kind="out-of-memory" if no_memory else "exception",
        message=f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__,
        detail="".join(traceback.format_exception(error)),
    )
