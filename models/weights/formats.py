"""Read a file of weights into a flat dict of tensors. No code in a file is ever run.

torch's own files (.pyth, .pth, .pt, old and new) are loaded weights-only. Caffe2's (.pkl) are pickles of numpy arrays:
they are read by an unpickler that accepts nothing else (arrays.py).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .arrays import ALLOWED, ArrayStandIn, ArrayUnpickler, DtypeStandIn, ForbiddenGlobal, no_scalar
from .errors import WeightsError


@dataclass(frozen=True)
class FileContents:
    """What a file of weights holds: tensors by the names of the file, and which kind of file it is."""

    format: str
    tensors: dict[str, Tensor]


# Keys under which projects put the weights beside other things: PyTorchVideo and PySlowFast, Caffe2, Lightning, others.
CONTAINERS = ("model_state", "blobs", "state_dict", "model_state_dict", "model")
# Put before every name by nn.DataParallel, by wrappers, and by torch.compile.
PREFIXES = ("module.", "model.", "_orig_mod.")


def read_file(path: Path) -> FileContents:
    """Read weights of any known form.

    Raises WeightsError: not there, no known form, damaged or cut short, code inside, or no tensor inside.
    """
    start = _first_bytes(path)
    form = next((form for form in _FORMS if start.startswith(form.signatures)), None)
    if form is None:
        raise WeightsError(f"{path}: not a file of weights; torch files (.pth, .pyth, .pt) and Caffe2's .pkl are read")
    tensors = _tensors(form.read(path), path)
    return FileContents(form.name, _without_prefix(tensors))


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error
    if not start:
        raise WeightsError(f"{path}: is empty; fetch it again")
    return start


def _read_torch(path: Path) -> Any:
    try:
        with _numpy_scalars(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an error reports what is wrong with a file
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        text = str(error)
        if match := re.search(r"GLOBAL ([\w.]+)", text):
            raise _refused(path, match[1]) from None
        if "TorchScript" in text:
            raise WeightsError(f"{path}: a TorchScript program, not weights; save the network's state_dict()") from None
        raise _damaged(path, error) from error


def _read_pickle(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return ArrayUnpickler(file, encoding="latin1").load()
    except ForbiddenGlobal as error:
        raise _refused(path, str(error)) from None
    except Exception as error:
        raise _damaged(path, error) from error


def _read_web_page(path: Path) -> Any:
    raise WeightsError(f"{path}: a web page, not weights: the address led to a page; fetch the file itself")


def _read_pointer(path: Path) -> Any:
    raise WeightsError(f"{path}: a Git LFS pointer, not the weights; `git lfs pull` downloads the file")


@dataclass(frozen=True)
class _Form:
    """The kind of a file, by its first bytes: names cannot be trusted."""

    name: str
    signatures: tuple[bytes, ...]
    read: Callable[[Path], Any]


# In this order: torch's old form is a pickle too, one that starts with a magic number.
_FORMS = (
    _Form("torch", (b"PK\x03\x04",), _read_torch),
    _Form("torch, before 1.6", (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",), _read_torch),
    _Form("Caffe2 pickle", (b"\x80", b"(d", b"}"), _read_pickle),
    _Form("web page", (b"<",), _read_web_page),
    _Form("Git LFS pointer", (b"version https://git-lfs",), _read_pointer),
)


def _numpy_scalars() -> AbstractContextManager[None]:
    """Training states beside the weights may hold numpy's numbers; torch must be set to accept them, as nothing."""
    if torch.__version__ < "2.6":  # a TorchVersion, not text; before, no name could be given another meaning
        return nullcontext()
    allow: Any = torch.serialization.safe_globals
    scalars = [(no_scalar, name) for name in ALLOWED if name.endswith(".scalar")]
    return allow([(DtypeStandIn, "numpy.dtype"), *scalars])


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """The tensors by name; what lies beside them (epochs, learning rates) is left."""
    if isinstance(content, Mapping):
        held = next((content[key] for key in CONTAINERS if isinstance(content.get(key), Mapping)), content)
        named = {name: _tensor(value, f"{path}: {name}") for name, value in _by_name(held)}
        if tensors := {name: tensor for name, tensor in named.items() if tensor is not None}:
            return tensors
        keys = ", ".join(name for name, _ in list(_by_name(content))[:5])
        raise WeightsError(f"{path}: holds no weights; it has {keys or 'nothing'}")
    raise WeightsError(
        f"{path}: holds a {type(content).__name__}, not weights by name; save the network's state_dict()"
    )


def _by_name(content: Mapping) -> Iterator[tuple[str, Any]]:
    return ((_shown(str(name)), value) for name, value in content.items())


def _tensor(value: Any, what: str) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, ArrayStandIn):
        return None
    try:
        array = value.array()
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise WeightsError(f"{what}: damaged ({error}); fetch the file again") from None
    if array is None:
        raise WeightsError(f"{what}: an array of {value.dtype}, not of numbers")
    return torch.from_numpy(array)


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    while prefix := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in tensors)), None):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _refused(path: Path, name: str) -> WeightsError:
    return WeightsError(
        f"{path}: refused, and none of it was run: it asks for {_shown(name)}, and weights need no code. Have "
        "its author save the network's state_dict() alone"
    )


def _damaged(path: Path, error: Exception) -> WeightsError:
    lines = str(error).strip().splitlines()
    why = _shown(lines[0]) if lines else type(error).__name__
    return WeightsError(f"{path}: damaged or cut short ({why}); fetch it again")


def _shown(text: str) -> str:
    """Text out of a file as one short line of a message."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]
