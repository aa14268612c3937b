"""Exceptions and wrong answers as a record's `Failure`."""

from __future__ import annotations

import errno
import traceback

from ...models.spec import UnknownModelError
from ..errors import UserError
from .record import Failure, Verification

# Messages of allocators without memory; PyTorch has no exception class for it on the CPU.
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
    if isinstance(error, OSError) and error.errno == errno.EBADF:
        first_line += "; code of the network may have closed a descriptor that it did not open"
    return exception(
        f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__,
        text,
        "".join(traceback.format_exception(error)),
        memory=isinstance(error, MemoryError),
    )


def exception(message: str, text: str, detail: str, *, memory: bool = False) -> Failure:
    """A failure from an exception's whole `text`; `memory` where it is known to be about memory."""
    memory = memory or any(words in text.lower() for words in _OUT_OF_MEMORY)
    return Failure(kind="out-of-memory" if memory else "exception", message=message, detail=detail)


def wrong_answer(verification: Verification) -> Failure | None:
    """The failure of a wrong answer; None where the answer is right."""
    if verification.passed:
        return None
    if verification.cause:
        return Failure(kind="wrong-answer", message=verification.cause)
    return Failure(
        kind="wrong-answer",
        message=f"the output is {verification.relative_error:.2g} off {verification.reference} "
        f"(relative; at most {verification.tolerance:.2g} is right), so its figures are not given",
    )
