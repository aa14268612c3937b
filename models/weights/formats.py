"""Read a file of weights: its tensors by name. No code in a file is ever run, and nothing that it names is imported.

torch's own files (.pyth, .pth, .pt, .ckpt, old and new) and safetensors are read by `torch_files.py`; Caffe2's (.pkl)
are pickles of numpy arrays, read by an unpickler that accepts nothing else (`arrays.py`).
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from .arrays import ArrayStandIn, ArrayUnpickler, ForbiddenGlobal
from .errors import WeightsError
from .torch_files import (
    DICTS,
    LEGACY_MAGIC,
    Beside,
    NotTorch,
    StoredTensor,
    is_safetensors,
    read_legacy,
    read_safetensors,
    read_zip,
)


@dataclass(frozen=True)
class FileContents:
    """What a file of weights holds: every tensor in it, and which kind of file it is."""

    path: Path
    format: str
    stored: dict[str, Tensor | StoredTensor]  # name: tensor; a name is all keys down to it: state_dict.conv1.weight
    dicts: dict[str, str]  # name: the keys of its dict: state_dict.

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name. Raises WeightsError where the file claims it and does not hold it."""
        stored = self.stored[name]
        try:
            return stored.tensor() if isinstance(stored, StoredTensor) else stored
        except (ValueError, RuntimeError, OSError) as error:
            raise WeightsError(f"{self.path}: {name}: damaged ({error}); fetch the file again") from None


_READ = "torch files (.pth, .pyth, .pt, .ckpt), .safetensors and Caffe2's .pkl are read"


def read_file(path: Path) -> FileContents:
    """Read weights of any known form.

    Raises WeightsError: not there, no known form, damaged or cut short, code inside, or no tensor inside.
    """
    start, size = _first_bytes(path)
    form = next((form for form in _FORMS if form.fits(start, size)), None)
    if form is None:
        text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
        unknown = f"not a file of weights; {_READ}"
        what = next((what for what, marks in _OTHERS.items() if text.startswith(marks)), unknown)
        raise WeightsError(f"{path}: {what}")
    try:
        content = form.read(path)
        return _contents(content, path, form.name)
    except ForbiddenGlobal as error:
        if form.name == _CAFFE2 and str(error).startswith("torch."):
            raise WeightsError(f"{path}: tensors written by pickle itself; write them with torch.save") from None
        raise WeightsError(
            f"{path}: refused, and none of it was run: it asks for {_shown(str(error))}, and weights need no code. "
            "Have its author save the network's state_dict() alone"
        ) from None
    except NotTorch as error:
        raise WeightsError(f"{path}: {error}") from None
    except WeightsError:
        raise
    except Exception as error:
        raise _damaged(path, error) from error


def _first_bytes(path: Path) -> tuple[bytes, int]:
    """The first bytes of a file, and its size."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
        size = path.stat().st_size
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error
    if not start:
        raise WeightsError(f"{path}: is empty; fetch it again")
    return start, size


def _read_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        return ArrayUnpickler(file, encoding="latin1").load()


@dataclass(frozen=True)
class _Form:
    """The kind of a file, by its first bytes and its size: names cannot be trusted."""

    name: str
    fits: Callable[[bytes, int], bool]
    read: Callable[[Path], Any]


_CAFFE2 = "Caffe2 pickle"
# In this order: torch's old form is a pickle too, one that starts with a magic number.
_FORMS = (
    _Form("torch", lambda start, _: start.startswith(b"PK\x03\x04"), read_zip),
    _Form("torch, before 1.6", lambda start, _: LEGACY_MAGIC in start[:32], read_legacy),
    _Form("safetensors", is_safetensors, read_safetensors),
    _Form(_CAFFE2, lambda start, _: start.startswith((b"\x80", b"(d", b"}")), _read_pickle),
)
# What people take for weights, by the first bytes.
_OTHERS = {
    "a web page, not weights: the address led to a page; fetch the file itself": (b"<",),
    "a Git LFS pointer, not the weights; `git lfs pull` downloads the file": (b"version https://git-lfs",),
    "a text (JSON), not weights: an index names files that hold parts; put their tensors into one file": (b"{", b"["),
    "an HDF5 file; save its arrays with torch.save as a dict, name to tensor": (b"\x89HDF",),
    "a numpy array; save the arrays with torch.save as a dict, name to tensor": (b"\x93NUMPY",),
    "a compressed file; unpack it": (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!"),
    "an ONNX network, not weights": (b"\x08\x03", *(b"\x08" + bytes([version, 0x12]) for version in range(4, 16))),
}


def _contents(content: Any, path: Path, form: str) -> FileContents:
    """Every tensor by name; what lies beside them (epochs, learning rates) is left."""
    if isinstance(content, Beside) and not content:
        raise WeightsError(
            f"{path}: holds a whole network ({_shown(content.named)}), which only its own code can rebuild, and none "
            "was run; save the network's state_dict()"
        )
    if not isinstance(content, DICTS):
        kind = "single tensor" if isinstance(content, StoredTensor) else type(content).__name__
        raise WeightsError(f"{path}: holds a {kind}, not weights by name; save the network's state_dict()")
    found, dicts = {}, {}
    for keys, key, value in _leaves(content):
        name = _shown(keys + key, _LONGEST_NAME)
        tensor = _stored(value, f"{path}: {name}", strict=form == _CAFFE2)
        if tensor is not None:
            found[name], dicts[name] = tensor, _shown(keys, _LONGEST_NAME)
    if not found:
        whole = [value.named for value in content.values() if isinstance(value, Beside) and not value]
        keys = ", ".join(_shown(str(key)) for key in list(content)[:5])
        more = f"; a whole object ({_shown(whole[0])}) is not rebuilt: save the network's state_dict()" if whole else ""
        raise WeightsError(f"{path}: holds no weights; it has {keys or 'nothing'}{more}")
    return FileContents(path, form, found, dicts)


_DEEPEST = 8  # dicts in dicts
_LONGEST_NAME = 2000
_TRAINING = ("optim", "lr_sched", "sched")  # keys of what only training needs; it may hold tensors too


def _leaves(content: dict | Beside) -> Iterator[tuple[str, str, Any]]:
    """Everything in dicts in dicts: the keys of its dict, its own, and the value. Each dict once."""
    waiting: list[tuple[str, dict | Beside, int]] = [("", content, 1)]
    met = {id(content)}
    for keys, held, depth in waiting:
        for key, value in held.items():
            if not isinstance(key, str) or (isinstance(value, DICTS) and key.lower().startswith(_TRAINING)):
                continue
            if not isinstance(value, DICTS):
                yield keys, key, value
            elif id(value) not in met and depth < _DEEPEST:
                met.add(id(value))
                waiting.append((f"{keys}{key}.", value, depth + 1))


def _stored(value: Any, what: str, *, strict: bool) -> Tensor | StoredTensor | None:
    """A tensor; None for anything else. `strict`: an array that is not one of numbers is an error."""
    if isinstance(value, StoredTensor):
        return value
    if not isinstance(value, ArrayStandIn):
        return None
    try:
        tensor = value.tensor()
    except (TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        raise WeightsError(f"{what}: damaged ({error}); fetch the file again") from None
    if tensor is None and strict:
        raise WeightsError(f"{what}: an array of {value.dtype}, not of numbers")
    return tensor


def _damaged(path: Path, error: Exception) -> WeightsError:
    lines = str(error).strip().splitlines()
    why = _shown(lines[0]) if lines else type(error).__name__
    why = "its end is missing" if isinstance(error, zipfile.BadZipFile) else why
    return WeightsError(f"{path}: damaged or cut short ({why}); fetch it again")


def _shown(text: str, longest: int = 200) -> str:
    """Text out of a file as one short line of a message."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:longest]
