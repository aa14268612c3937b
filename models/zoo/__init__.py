"""The networks by name. One file a family; put a file with `FAMILY = Family(...)` here and it is listed."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ..spec import ModelSpec


class UnknownModelError(LookupError):
    """No network has that name; the message suggests the nearest ones."""


@dataclass(frozen=True)
class Family:
    """Networks that share one definition. `find` also answers for names that are not listed (any pool length)."""

    name: str
    listed: tuple[ModelSpec, ...]
    find: Callable[[str], ModelSpec | None]
    pattern: str = ""  # the names `find` accepts, for people: cox3d-{s,m,l}-POOL
    order: int = 100


@cache
def families() -> tuple[Family, ...]:
    """Every family of this folder, in their order."""
    found = [importlib.import_module(f"{__name__}.{module.name}").FAMILY for module in pkgutil.iter_modules(__path__)]
    return tuple(sorted(found, key=lambda family: (family.order, family.name)))


def list_models() -> tuple[ModelSpec, ...]:
    """Every listed network, family by family; two of one name are an error."""
    listed = [spec for family in families() for spec in family.listed]
    names = [spec.name for spec in listed]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two networks are called {', '.join(sorted(doubled))}")
    return tuple(listed)


def find_model(name: str) -> ModelSpec:
    """The network of that name. Raises UnknownModelError, whose message suggests the nearest name."""
    for family in families():
        if (spec := family.find(name)) is not None:
            return spec
    names = [spec.name for spec in list_models()]
    longer = [known for known in names if known.startswith(f"{name.lower()}-")]  # cox3d-m wants its pool length
    near = longer or difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    patterns = "; ".join(family.pattern for family in families() if family.pattern)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise UnknownModelError(f"{name}: {hint}" + (f" (any pool length: {patterns})" if patterns and not near else ""))
