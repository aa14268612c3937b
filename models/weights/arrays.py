"""Numpy arrays out of a pickle, as tensors, without running anything of the pickle's, and without numpy.

Numpy's own `__setstate__` believes what it reads: a pickle that lies about a type makes it take bytes for pointers. So
every class that a pickle names is replaced by a stand-in of ours that keeps its arguments; they become a tensor only
when all of it is plain numbers of the right length.
"""

from __future__ import annotations

import math
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

# Kinds of number that weights may have, as numpy writes them; the byte order apart.
NUMBERS: Mapping[str, torch.dtype] = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "u2": torch.uint16,
    "u4": torch.uint32,
    "u8": torch.uint64,
    "b1": torch.bool,
}
_OTHER_ORDER = ">" if sys.byteorder == "little" else "<"
_ORDERS = ("<", ">", "=", "|")  # "=" is this machine's, "|" is that of numbers of one byte
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

    def numbers(self) -> torch.dtype | None:
        """The type, if it is one of plain numbers; their byte order is `order`."""
        known = self.plain and self.order in _ORDERS and isinstance(self.code, str)
        return NUMBERS.get(self.code) if known else None


class ArrayStandIn:
    """A pickle's description of an array."""

    def __init__(self, *_: Any) -> None:
        self.__setstate__((1, (0,), DtypeStandIn(), False, b""))

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.by_columns, self.data = state

    def tensor(self) -> Tensor | None:
        """The array as a tensor, a copy in this machine's byte order; None if it does not hold numbers.

        Raises ValueError if shape and data do not belong together.
        """
        dtype = self.dtype.numbers() if isinstance(self.dtype, DtypeStandIn) else None
        if dtype is None:
            return None
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data  # text: bytes of Python 2
        shape = tuple(int(length) for length in self.shape)
        if len(data) != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{len(data):,} bytes for the shape {shape}")
        if not data:
            return torch.empty(shape, dtype=dtype)
        lengths = shape[::-1] if self.by_columns else shape
        numbers = read_numbers(bytearray(data), dtype, swapped=self.dtype.order == _OTHER_ORDER).reshape(lengths)
        return numbers.permute(tuple(reversed(range(len(shape))))).contiguous() if self.by_columns else numbers


def read_numbers(data: bytearray, dtype: torch.dtype, *, swapped: bool) -> Tensor:
    """The numbers that `data` holds, one after another; `swapped`: they are in the byte order of other machines."""
    if not swapped:
        return torch.frombuffer(data, dtype=dtype)
    width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize  # each half of a complex number is one
    return torch.frombuffer(data, dtype=torch.uint8).view(-1, width).flip(1).flatten().view(dtype)


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
