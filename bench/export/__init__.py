"""Files that hold a network for use elsewhere: one file for each format, found by name. README.md explains how to add
one.

Importing a format imports neither torch nor what writes it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.spec import Preprocessing


@dataclass(frozen=True)
class Options:
    """Options of an export; a format refuses those that it does not have."""

    opset: int | None = None  # of ONNX's operators; None: the format's own choice
    model: str = ""  # its name, for people
    preprocessing: Preprocessing | None = None  # how frames become its input, where that is known
    weights: str = ""  # what they are, for people


# (network in eval mode, which it must not change; one input as it will be given; the file; options) -> every file
# that was written. Raises UserError, with the operator, for a network that the format cannot hold.
Write = Callable[[Any, Any, Path, Options], tuple[Path, ...]]


@dataclass(frozen=True)
class Format:
    """One file format, and how to write it."""

    name: str
    title: str
    suffix: str  # with its dot, for file names that are ours to choose; empty for a folder
    write: Write
    # The written files as they answer: a function of one input (`models/inputs.py`), whose state runs along.
    load: Callable[[tuple[Path, ...]], Callable[[Any], Sequence[Tensor]]]
    # None if it can be written here, else why not and how to install what is missing
    missing: Callable[[], str | None] = lambda: None
    # None if its files can be run here, else why not
    cannot_load: Callable[[], str | None] = lambda: None
    takes_opset: bool = False
    folder: bool = False  # it is a folder and not a file
    any_input: bool = False  # several tensors, integers and bools; else one float32 tensor


@cache
def list_formats() -> tuple[Format, ...]:
    """Every format of this folder, by name."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    formats = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]  # what formats share has none
    return tuple(sorted(formats, key=lambda format: format.name))


def get_format(name: str) -> Format:
    """The format of that name; KeyError names the ones there are."""
    for format in list_formats():
        if format.name == name:
            return format
    raise KeyError(f"there are {', '.join(format.name for format in list_formats())}")
