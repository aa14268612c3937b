"""Write weights as safetensors: the length of a header, a header in JSON, bytes. `torch_files.py` reads them."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

_ALIGNED = 8  # bytes; the header is filled with spaces up to there, as the format asks for
_NAMES = {"torch.float32": ("F32", "f"), "torch.int64": ("I64", "q")}  # the format's, and that of Python's struct


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """Write float32 and int64 tensors by name, and words about them (`__metadata__`). The file appears whole or not at
    all. Raises WeightsError where it cannot be written."""
    header: dict[str, object] = {"__metadata__": dict(about)}
    parts, begin = [], 0
    for name, tensor in tensors.items():
        dtype, code = _NAMES[str(tensor.dtype)]
        part = struct.pack(f"<{tensor.numel()}{code}", *tensor.detach().flatten().tolist())
        offsets = [begin, begin + len(part)]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": offsets}
        parts.append(part)
        begin = offsets[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise WeightsError(f"{path}: cannot be written: {error.strerror or error}") from error
