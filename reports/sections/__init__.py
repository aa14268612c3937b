"""Parts of the HTML page: one file each. Put `SECTION = Section(...)` into a new file here and it is on the page."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup

from ..page import Page


@dataclass(frozen=True)
class Section:
    """A title, its order on the page, and a function from the page's data to HTML, or None to leave it out."""

    title: str  # the heading; empty for a section that brings its own
    order: int
    render: Callable[[Page], Markup | None]


@cache
def all_sections() -> tuple[tuple[str, Section], ...]:
    """Every section of this folder with the name of its file, by `order`, then by name."""
    found = [
        (module.name, importlib.import_module(f"{__name__}.{module.name}").SECTION)
        for module in pkgutil.iter_modules(__path__)
    ]
    return tuple(sorted(found, key=lambda item: (item[1].order, item[0])))
