"""Tensors out of torch's own files and out of safetensors, read by us and not by torch.

torch's weights-only loader had holes below 2.6 and 2.10 (CVE-2025-32434, CVE-2026-24747), and refuses files that hold
anything else beside their weights. Here a pickle can name whatever it likes: nothing is ever imported, a name becomes
a stand-in of ours (as in `arrays.py`), and a tensor stays a description until somebody wants it. Then its bytes are
read, if all of them lie within the file. The same on every version of torch.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import pickletools
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from .arrays import ALLOWED as ARRAYS
from .arrays import Call, ForbiddenGlobal, read_numbers

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "UntypedStorage": torch.uint8,
}
# What every file of torch's old form begins with, behind the head of a pickle.
LEGACY_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_LEGACY_PICKLES = 3  # before the content: a magic number, the protocol's version, facts of the machine
_LARGEST_HEADER = 100_000_000  # of safetensors, as its own reader has it

# Python's own modules whose names files hold beside weights; whoever asks for another one wants to run something.
_HARMLESS = (
    "argparse", "builtins", "__builtin__", "collections", "copyreg", "copy_reg", "dataclasses", "datetime", "decimal",
    "enum", "fractions", "functools", "logging", "pathlib", "random", "string", "types", "typing", "uuid",
)  # fmt: skip
_RUN = ("eval", "exec", "compile", "open", "getattr", "setattr", "delattr", "__import__", "apply", "execfile", "input")


class Beside:
    """In place of any object that is no weight: it keeps what is set under a key, since that may be weights."""

    named = ""  # the class, as the file calls it
    held: dict[Any, Any]

    def __new__(cls, *_: Any, **__: Any) -> Beside:
        made = super().__new__(cls)
        made.held = {}
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        """Attributes of such an object are left."""

    def __setitem__(self, key: Any, value: Any) -> None:
        self.held[key] = value

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.held)

    def items(self) -> Any:
        """What was set."""
        return self.held.items()

    def values(self) -> Any:
        """What was set, without its keys."""
        return self.held.values()

    def append(self, _: Any) -> None:
        """It is no list."""

    extend = add = append


DICTS = (dict, Beside)


class _Names(OrderedDict):
    """An ordered dict, without the attributes that a pickle sets."""

    def __setstate__(self, _: Any) -> None:
        """torch's `_metadata`: which versions of layers wrote the tensors."""


@dataclass(frozen=True)
class Kind:
    """A type of numbers, as a pickle names it."""

    dtype: torch.dtype

    def __setstate__(self, _: Any) -> None:
        raise ForbiddenGlobal("a change of a type")


class Storage:
    """A part of a file that holds numbers of one type, one after another."""

    def __init__(self, path: Path, dtype: torch.dtype, start: int | None = None, size: int = 0) -> None:
        self.path = path
        self.dtype = dtype
        self.start = start  # of its bytes in the file; None: not known yet
        self.size = size  # in bytes
        self.swapped = False  # written on a machine of the other byte order

    def __setstate__(self, _: Any) -> None:
        raise ForbiddenGlobal("a change of a storage")

    def numbers(self, first: int, count: int, dtype: torch.dtype) -> Tensor:
        """`count` numbers from `first` on. Raises ValueError where the file has no such."""
        width = dtype.itemsize
        if self.start is None or (first + count) * width > self.size:
            raise ValueError(
                f"a tensor of {count:,} numbers from {first:,} on, of {self.size // width:,} that there are"
            )
        with self.path.open("rb") as file:
            file.seek(self.start + first * width)
            data = bytearray(file.read(count * width))
        if len(data) != count * width:
            raise ValueError("the file ends in a tensor")
        return read_numbers(data, dtype, swapped=self.swapped)


class StoredTensor:
    """A tensor that is still in its file."""

    def __init__(self, storage: Any, offset: Any, shape: Any, stride: Any, dtype: torch.dtype) -> None:
        if not isinstance(storage, Storage) or not all(map(_is_length, (offset, *shape, *stride))):
            raise ValueError("a tensor that is none")
        if len(shape) != len(stride):
            raise ValueError("a tensor with a shape and a stride of different lengths")
        self.storage, self.offset, self.stride, self.dtype = storage, offset, tuple(stride), dtype
        self.shape = tuple(shape)

    def __setstate__(self, _: Any) -> None:
        """Attributes of a tensor are no weights."""

    def tensor(self) -> Tensor:
        """The tensor, of its own memory. Raises ValueError where the file does not hold it."""
        if 0 in self.shape:
            return torch.empty(self.shape, dtype=self.dtype)
        last = sum((length - 1) * stride for length, stride in zip(self.shape, self.stride, strict=True))
        return self.storage.numbers(self.offset, last + 1, self.dtype).as_strided(self.shape, self.stride)


def _is_length(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 48


def _tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, _: Any = None, __: Any = None, marks: Any = None
) -> StoredTensor:
    if isinstance(marks, dict) and marks.get("neg"):
        raise NotTorch("holds a tensor as the negative of its numbers; save what its resolve_neg() gives")
    return StoredTensor(storage, offset, shape, stride, storage.dtype)


def _tensor_of_type(storage: Any, offset: Any, shape: Any, stride: Any, _: Any, __: Any, kind: Any, *___: Any) -> Any:
    """Of types that have no storage of their own, such as float8."""
    return StoredTensor(storage, offset, shape, stride, kind.dtype)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _tensor_of_class(rebuild: Any, _: Any, arguments: Any, *__: Any) -> Any:
    return rebuild(*arguments) if isinstance(rebuild, Call) else None


def _shape(lengths: Any) -> Any:
    return lengths


def _object(kind: Any, *_: Any) -> Any:
    """Objects of pickle's old protocols."""
    return kind() if isinstance(kind, type) and issubclass(kind, Beside) else Beside()


# All that means something to us; every other name becomes a class of its own of `Beside`.
_MEANT: Mapping[str, Any] = {
    **ARRAYS,
    "torch.Size": Call(_shape),
    "torch._utils._rebuild_tensor": Call(_tensor),
    "torch._utils._rebuild_tensor_v2": Call(_tensor),
    "torch._utils._rebuild_tensor_v3": Call(_tensor_of_type),
    "torch._utils._rebuild_parameter": Call(_parameter),
    "torch._utils._rebuild_parameter_with_state": Call(_parameter),
    "torch._tensor._rebuild_from_type_v2": Call(_tensor_of_class),
    "copyreg._reconstructor": Call(_object),
    "copy_reg._reconstructor": Call(_object),
    **{
        f"{module}.{name}": Kind(dtype)
        for module in ("torch", "torch.cuda", "torch.storage")
        for name, dtype in _DTYPES.items()
    },
    **{str(dtype): Kind(dtype) for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)},
}


class _Unpickler(pickle.Unpickler):
    """Builds dicts, lists, text, numbers, StoredTensors and `Beside`s."""

    def __init__(self, data: bytes, load_storage: Callable[[Any], Any]) -> None:
        _check_pickle(data)
        super().__init__(io.BytesIO(data), encoding="latin1")
        self.load_storage = load_storage
        self.left = len(data)
        self.classes: dict[str, type[Beside]] = {}

    def ordered(self, pairs: Any = ()) -> _Names:
        """An ordered dict; Python 2 gives a list of its pairs. Not a long list over and over, which would fill the
        memory from a small file: each pair takes a byte at least."""
        self.left -= len(pairs)
        if self.left < 0:
            raise ValueError("more pairs than bytes")
        return _Names(pairs)

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        name = f"{module_name}.{global_name}"
        if name == "collections.OrderedDict":
            return Call(self.ordered)
        if name in _MEANT:
            return _MEANT[name]
        package = module_name.partition(".")[0]
        own = package in sys.stdlib_module_names or package in ("posix", "nt", "__builtin__", "copy_reg")
        if (own and package not in _HARMLESS) or (package in ("builtins", "__builtin__") and global_name in _RUN):
            raise ForbiddenGlobal(name)
        return self.classes.setdefault(name, type("Beside", (Beside,), {"named": name}))

    def persistent_load(self, pid: Any) -> Any:
        return self.load_storage(pid)


def _check_pickle(data: bytes) -> None:
    """Raises ValueError for a pickle that would take more memory than it has bytes: Python allots what is claimed."""
    for operation, argument, _ in pickletools.genops(data):
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise ValueError(f"it keeps an object under the number {argument}")


def _storage_kind(pid: Any) -> tuple[torch.dtype, str, int, Any]:
    """Type, key and number of elements of a storage that a pickle asks for, and what follows them."""
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], Kind):
        raise ValueError("a storage that is none")
    _, kind, key, _, count, *more = pid
    if not _is_length(count):
        raise ValueError(f"a storage of {count} numbers")
    return kind.dtype, str(key), count, more[0] if more else None


# ---- the form since torch 1.6: a zip of a pickle and of a file for each storage


def read_zip(path: Path) -> Any:
    """The content. Raises NotTorch for another zip, ForbiddenGlobal, and others for damaged ones."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        infos = {info.filename: info for info in archive.infolist()}
        folder = _folder(infos)
        size = path.stat().st_size

        def stored(name: str) -> tuple[int, int]:
            if (info := infos.get(f"{folder}{name}")) is None:
                raise ValueError(f"it has no {name}")
            return _place(file, info, size)

        def load_storage(pid: Any) -> Storage:
            dtype, key, count, _ = _storage_kind(pid)
            if key not in storages:
                start, length = stored(f"data/{key}")
                storages[key] = Storage(path, dtype, start, length)
                storages[key].swapped = swapped
            if count * dtype.itemsize > storages[key].size:
                raise ValueError(f"storage {key} of {count:,} numbers has {storages[key].size:,} bytes")
            return storages[key]

        storages: dict[str, Storage] = {}
        order = _bytes(file, *stored("byteorder")).decode() if f"{folder}byteorder" in infos else sys.byteorder
        swapped = order != sys.byteorder
        return _Unpickler(_bytes(file, *stored("data.pkl")), load_storage).load()


class NotTorch(Exception):
    """What is not read, such as a file of another program; the message says what it is and what to do."""


def _folder(infos: Mapping[str, zipfile.ZipInfo]) -> str:
    """The folder in the zip in which torch puts everything, with its slash."""
    folders = [name.removesuffix("data.pkl") for name in infos if name.count("/") == 1 and name.endswith("/data.pkl")]
    inside = {name.partition("/")[2] for name in infos}
    if "constants.pkl" in inside or any(name.startswith("code/") for name in inside):
        raise NotTorch("a TorchScript program, not weights; save the network's state_dict()")
    if len(folders) == 1:
        return folders[0]
    if any(name.endswith(".npy") for name in infos):
        raise NotTorch("numpy arrays (.npz); save them with torch.save as a dict, name to tensor")
    if any(name.endswith(("archive_format", "serialized_exported_program.json")) for name in infos):
        raise NotTorch("a program of torch.export, not weights; save the network's state_dict()")
    raise NotTorch("a zip without the data.pkl of a torch file; if the weights are in it, unpack it")


def _place(file: IO[bytes], info: zipfile.ZipInfo, size: int) -> tuple[int, int]:
    """Where the bytes of a zip's entry are: torch does not compress them."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise ValueError("a zip that is compressed, as torch's never are; unpack it and zip it again with -0")
    file.seek(info.header_offset)
    head = file.read(30)
    if head[:4] != b"PK\x03\x04":
        raise ValueError(f"no {info.filename} where it should be")
    names, extra = struct.unpack("<HH", head[26:30])
    start = info.header_offset + 30 + names + extra
    if start + info.file_size > size:
        raise ValueError(f"the file ends in {info.filename}")
    return start, info.file_size


def _bytes(file: IO[bytes], start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


# ---- the form before torch 1.6: pickles, and behind them the storages


def read_legacy(path: Path) -> Any:
    """The content. Raises ForbiddenGlobal, and others for damaged files."""
    storages: dict[str, Storage] = {}
    views: list[tuple[Storage, Storage, int]] = []  # a part of a storage, that storage, and from which number on

    def load_storage(pid: Any) -> Any:
        if isinstance(pid, tuple) and pid[:1] == ("module",):  # a class of a whole network, and its source code
            return pid[1]
        dtype, key, _, view = _storage_kind(pid)
        storage = storages.setdefault(key, Storage(path, dtype))
        if view is None:
            return storage
        _, first, length = view
        if not _is_length(first) or not _is_length(length):
            raise ValueError("a part of a storage that is none")
        part = Storage(path, dtype, size=length * dtype.itemsize)
        views.append((part, storage, first * dtype.itemsize))
        return part

    with path.open("rb") as file:
        pickles = _pickles(file)
        _, _, machine = (_plain(next(pickles)) for _ in range(_LEGACY_PICKLES))
        little = machine.get("little_endian", True) if isinstance(machine, dict) else True
        content = _Unpickler(next(pickles), load_storage).load()
        keys = _plain(next(pickles))
        size = path.stat().st_size
        for key in keys if isinstance(keys, list) else []:
            storage = storages[str(key)]
            count = int.from_bytes(file.read(8), "little" if little else "big")
            storage.start, storage.size = file.tell(), count * storage.dtype.itemsize
            storage.swapped = little != (sys.byteorder == "little")
            if storage.start + storage.size > size:
                raise ValueError("the file ends in a storage")
            file.seek(storage.start + storage.size)
    for part, storage, first in views:
        if storage.start is None or first + part.size > storage.size:
            raise ValueError("a part of a storage beyond its end")
        part.start, part.swapped = storage.start + first, storage.swapped
    return content


def _pickles(file: IO[bytes]) -> Iterator[bytes]:
    """One pickle after another, as bytes."""
    while True:
        start = file.tell()
        for _ in pickletools.genops(file):
            pass
        yield _bytes(file, start, file.tell() - start)


def _plain(data: bytes) -> Any:
    """A pickle without tensors."""
    return _Unpickler(data, _refuse).load()


def _refuse(_: Any) -> Storage:
    raise ValueError("a storage where none is")


# ---- safetensors: the length of a header, a header in JSON, bytes

_SAFE_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8,
    "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


def is_safetensors(start: bytes, size: int) -> bool:
    """Whether a file of that size with those first bytes is one."""
    length = int.from_bytes(start[:8], "little")
    return start[8:9] == b"{" and 2 <= length <= min(size - 8, _LARGEST_HEADER)


def _contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a tensor whose numbers lie one after another."""
    return tuple(math.prod(shape[place + 1 :]) for place in range(len(shape)))


def read_safetensors(path: Path) -> Any:
    """The tensors by name. Raises ValueError for damaged files."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    data = 8 + length
    size = path.stat().st_size
    tensors = {}
    for name, row in header.items():
        if name == "__metadata__":
            continue
        if (dtype := _SAFE_DTYPES.get(row["dtype"])) is None:
            raise ValueError(f"{name}: numbers of type {row['dtype']}")
        shape, (begin, end) = row["shape"], row["data_offsets"]
        if not all(map(_is_length, (begin, end, *shape))) or not begin <= end <= size - data:
            raise ValueError(f"{name}: bytes {begin} to {end} are not in the file")
        storage = Storage(path, dtype, data + begin, end - begin)
        storage.swapped = sys.byteorder != "little"
        tensors[name] = StoredTensor(storage, 0, shape, _contiguous(shape), dtype)
    return tensors
