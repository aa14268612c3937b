"""Files that hold a network for use outside: one file a format, found by name. README.md here says how to add one.

Importing a format imports neither torch nor what writes it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Options:
    """What a format may be asked for besides the network; one that has no use for an option refuses it."""

    opset: int | None = None  # of ONNX's operators; None: the format's own choice


# (network in eval mode, which it must not change; one input as it will be given; the file; options) -> every file
# that was written. Raises UserError for a network that the format cannot hold, and says which operator it is.
Write = Callable[[Any, "Tensor", Path, Options], tuple[Path, ...]]


@dataclass(frozen=True)
class Format:
    """One kind of file, and how a network becomes one."""

    name: str
    title: str
    suffix: str  # with its dot, for file names that are ours to choose
    write: Write
    # None if it can be written here, else why not and how to install what is missing
    missing: Callable[[], str | None] = lambda: None
    takes_opset: bool = False


@cache
def list_formats() -> tuple[Format, ...]:
    """Every format of this folder, by name."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    found = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]  # what formats share has none
    return tuple(sorted(found, key=lambda format: format.name))


def get_format(name: str) -> Format:
    """The format of that name; KeyError names the ones there are."""
    for format in list_formats():
        if format.name == name:
            return format
    raise KeyError(f"there are {', '.join(format.name for format in list_formats())}")
