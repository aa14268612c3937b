"""Where in its author's code something is: the file and the line that messages name."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, TracebackType

import torch

# Code that calls the author's code, or is called by it, and is not what a message is about.
_OURS = tuple(str(folder) + os.sep for folder in (Path(torch.__file__).parent, Path(__file__).parents[1]))


def place_now() -> str:
    """The line of the author's code that runs now; "" where only torch's and ours do."""
    frame = sys._getframe(1)
    while frame is not None:
        if _is_authors(frame.f_code):
            return _place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return ""


def place_of_error(traceback: TracebackType | None) -> str:
    """The last line of the author's code that an error went through; "" if there is none."""
    found = ""
    while traceback is not None:
        if _is_authors(traceback.tb_frame.f_code):
            found = _place(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def place_of_class(kind: type) -> str:
    """Where a layer's class stands; "" for torch's and ours."""
    try:
        file, (_, line) = inspect.getsourcefile(kind) or "", inspect.getsourcelines(kind)
    except (OSError, TypeError):  # typed at a prompt, or compiled
        return ""
    return "" if file.startswith(_OURS) else _place(file, line)


def place_of_hook(hook: object) -> str:
    """Where a function, or the class of another callable, stands; "" for torch's and ours."""
    code = getattr(inspect.unwrap(hook) if callable(hook) else hook, "__code__", None)
    if isinstance(code, CodeType):
        return _place(code.co_filename, code.co_firstlineno) if _is_authors(code) else ""
    return place_of_class(type(hook))


def shown(names: Iterable[str]) -> str:
    """The first few of many names, on one line."""
    first, *others = names
    return ", ".join((first, *others[:2])) + (f" and {len(others) - 2} more" if len(others) > 2 else "")


def _is_authors(code: CodeType) -> bool:
    return not code.co_filename.startswith((*_OURS, "<frozen", "<eval_with_key"))


def _place(file: str, line: int) -> str:
    here = os.getcwd() + os.sep  # noqa: PTH109 - as text
    return f"{file.removeprefix(here)}:{line}"
