"""What PyTorch's own compiler needs of the machine, and its refusals in plain words."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import UserError
from ..export.precision import torch_missing

_CACHE = "TORCHINDUCTOR_CACHE_DIR"


def missing(*, headers: bool) -> str | None:
    """None if code can be compiled here, else why not and what installs it; `headers`: whether Python's are needed."""
    if why := torch_missing():
        return why
    compiler = os.environ.get("CXX") or "g++"
    if shutil.which(compiler) is None:
        return f"no C++ compiler ({compiler}): apt install g++, or name one in the environment variable CXX"
    if headers and not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return f"Python's headers are not in {sysconfig.get_path('include')}: apt install python3-dev"
    return None


@contextmanager
def empty_cache() -> Iterator[Path]:
    """A folder for what is compiled, gone afterwards, in place of the user's cache.

    With that one a compile time would say whether somebody had compiled the same before.
    """
    before = os.environ.get(_CACHE)
    with TemporaryDirectory(prefix="co3d-bench-", ignore_cleanup_errors=True) as folder:
        os.environ[_CACHE] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ[_CACHE]
            else:
                os.environ[_CACHE] = before


def refusal(backend: str, net: object, error: Exception) -> UserError:
    """What broke the graph, and the line of the user's code, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0].rstrip(".") if lines else type(error).__name__
    explained = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("Explanation:")), "")
    locations = [line for line in lines if line.startswith('File "')]
    parts = [f"{backend}: cannot take {type(net).__name__} as one graph: {reason}"]
    if explained:
        parts.append(explained.rstrip("."))
    if locations:
        parts.append(f"at {locations[-1]}")
    return UserError("; ".join(parts) + "; another backend may run it (co3d-bench list backends)")
