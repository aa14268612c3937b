"""Numpy arrays out of a pickle, without running anything of the pickle's, numpy's own reconstruction included.

Numpy's `__setstate__` believes what it reads: a pickle that lies about a type makes it take bytes for pointers. So
every class that a pickle names is replaced by a stand-in of ours that keeps its arguments; they become an array only
when all of it is plain numbers of the right length.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# Kinds of number that weights may have, as numpy writes them; the byte order apart.
NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
_ORDERS = ("<", ">", "=", "|")
# Numpy calls its inner module `core` before version 2, `_core` since.
_CORES = ("numpy.core", "numpy._core")


class ForbiddenGlobal(pickle.UnpicklingError):
    """The pickle names something that arrays do not need."""


class DtypeStandIn:
    """A pickle's description of an array's type."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = code
        self.order = "="
        self.plain = True

    def __setstate__(self, state: Any) -> None:
        _, self.order, *structure = state[:5]
        self.plain = structure == [None, None, None]  # no array in an array, no named fields

    def __str__(self) -> str:
        return ascii(self.code)

    def numbers(self) -> np.dtype | None:
        """The type, if it is one of plain numbers."""
        if not self.plain or self.code not in NUMBERS or self.order not in _ORDERS:
            return None
        return np.dtype(self.code).newbyteorder(self.order if self.order != "|" else "=")


class ArrayStandIn:
    """A pickle's description of an array."""

    def __init__(self, *_: Any) -> None:
        self.__setstate__((1, (0,), DtypeStandIn(), False, b""))

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.by_columns, self.data = state

    def array(self) -> np.ndarray | None:
        """The array, a copy in this machine's byte order; None if it does not hold numbers.

        Raises ValueError if shape and data do not belong together.
        """
        numbers = self.dtype.numbers() if isinstance(self.dtype, DtypeStandIn) else None
        if numbers is None:
            return None
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data  # text: bytes of Python 2
        flat = np.frombuffer(data, numbers) if data else np.empty(0, numbers)
        shape = tuple(int(length) for length in self.shape)
        if min(shape, default=0) < 0:  # which numpy would replace by what fits
            raise ValueError(f"a length of {min(shape)}")
        shaped = flat.reshape(shape, order="F" if self.by_columns else "C")
        return np.array(shaped, dtype=numbers.newbyteorder("="), order="C")


class Call:
    """A function for a pickle to call. It has no attributes that a pickle could set."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise ForbiddenGlobal("a change of a function")


def no_scalar(*_: Any) -> None:
    """In place of a single number of numpy's: none is a weight."""


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Python 3 writes the bytes of an array into old pickle protocols as text."""
    if encoding not in ("latin1", "latin-1"):
        raise ForbiddenGlobal(f"_codecs.encode to {encoding}")
    return text.encode("latin1")


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> ArrayStandIn:
    made = ArrayStandIn()
    made.__setstate__((1, shape, dtype, order == "F", data))
    return made


# All that a pickle of arrays may name, and what it gets.
ALLOWED: Mapping[str, Any] = {
    "numpy.ndarray": ArrayStandIn,
    "numpy.dtype": DtypeStandIn,
    "_codecs.encode": Call(_encode),
    "collections.OrderedDict": OrderedDict,
    **{f"{core}.multiarray._reconstruct": Call(ArrayStandIn) for core in _CORES},
    **{f"{core}.multiarray.scalar": Call(no_scalar) for core in _CORES},
    **{f"{core}.numeric._frombuffer": Call(_from_buffer) for core in _CORES},
}


class ArrayUnpickler(pickle.Unpickler):
    """Builds dicts, lists, text, numbers and ArrayStandIns; raises ForbiddenGlobal for whatever else is asked for."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        name = f"{module_name}.{global_name}"
        if name not in ALLOWED:
            raise ForbiddenGlobal(name)
        return ALLOWED[name]
