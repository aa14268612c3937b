"""Answers about objects that do not change, kept. For records that were read; not for a series that still grows."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial, wraps
from typing import TypeVar

_Subject = TypeVar("_Subject")
_Answer = TypeVar("_Answer")


def newest(function: Callable[[_Subject], _Answer]) -> Callable[[_Subject], _Answer]:
    """The same function, which keeps its newest answer: every column of a table asks about one record after another.

    For answers as large as what they are about.
    """
    kept: list[tuple[_Subject, _Answer]] = []

    @wraps(function)
    def ask(subject: _Subject) -> _Answer:
        if not kept or kept[0][0] is not subject:
            kept[:] = [(subject, function(subject))]
        return kept[0][1]

    return ask


def as_long_as_it_lives(function: Callable[[_Subject], _Answer]) -> Callable[[_Subject], _Answer]:
    """The same function, which keeps each answer until the object is gone: every section of a page asks about all."""
    kept: dict[int, tuple[weakref.ref[_Subject], _Answer]] = {}

    @wraps(function)
    def ask(subject: _Subject) -> _Answer:
        key = id(subject)
        found = kept.get(key)
        if found is None or found[0]() is not subject:
            # When the object dies its reference is handed to pop(), as what to give back where nothing is kept.
            found = (weakref.ref(subject, partial(kept.pop, key)), function(subject))
            kept[key] = found
        return found[1]

    return ask
