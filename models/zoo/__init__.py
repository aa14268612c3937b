"""The networks by name. One file a family; put a file with `FAMILY = Family(...)` here and it is listed."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

from .. import custom
from ..installed import Installed, read_installed
from ..spec import Family, ModelSpec, UnknownModelError

__all__ = [
    "Family",
    "UnknownModelError",
    "families",
    "find_model",
    "find_offer",
    "installed",
    "is_offered",
    "list_models",
    "our_models",
]

LONGEST_POOL = 9999  # frames; the patterns of the families have four digits


@cache
def families() -> tuple[Family, ...]:
    """Every family of this folder, in their order."""
    found = [importlib.import_module(f"{__name__}.{module.name}").FAMILY for module in pkgutil.iter_modules(__path__)]
    return tuple(sorted(found, key=lambda family: (family.order, family.name)))


@cache
def installed() -> Installed:
    """What installed packages add to them."""
    return read_installed(lambda name: _find(families(), name) is not None)


def our_models() -> tuple[ModelSpec, ...]:
    """Every listed network of this folder, family by family; two of one name are an error."""
    listed = [spec for family in families() for spec in family.listed]
    names = [spec.name for spec in listed]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two networks are called {', '.join(sorted(doubled))}")
    return tuple(listed)


def list_models() -> tuple[ModelSpec, ...]:
    """Ours, then those that installed packages describe."""
    return our_models() + tuple(spec for family in installed().families for spec in family.listed)


def find_model(name: str) -> ModelSpec:
    """The network of that name, or of `path/to/file.py:factory`, which is built to learn what it is.

    Raises UnknownModelError, whose message suggests the nearest name.
    """
    if not custom.is_file(name) and (spec := _find(families(), name) or _find(installed().families, name)) is not None:
        return spec
    if (offer := find_offer(name)) is not None:
        return custom.examine(offer)
    if pools := _pools(name.lower()):
        raise UnknownModelError(
            f"{name}: its pool has from {pools[0]} to {pools[1]} frames, written without zeros before"
        )
    names = [spec.name for spec in list_models()] + list(installed().factories)
    longer = [known for known in names if known.startswith(f"{name.lower()}-")]  # cox3d-m needs a pool length
    near = longer or difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    patterns = "; ".join(family.pattern for family in (*families(), *installed().families) if family.pattern)
    hint = f"did you mean {near[0]}?" if near else f"no such network; choose from {', '.join(names)}"
    raise UnknownModelError(f"{name}: {hint}" + (f" (any pool length: {patterns})" if patterns and not near else ""))


def find_offer(name: str) -> custom.Offer | None:
    """The factory behind a name, where the network is known only by calling it; None for all others."""
    if custom.is_file(name):
        return custom.open_file(name)
    return custom.open_offer(installed().factories[name]) if is_offered(name) else None


def is_offered(name: str) -> bool:
    """Whether an installed package offers a factory of that name. Ours come first."""
    return _find(families(), name) is None and name in installed().factories


def _pools(name: str) -> tuple[int, int] | None:
    """The shortest and the longest pool of the networks that a name means but for its number of frames."""
    network, _, frames = name.rpartition("-")
    if not frames.isdecimal():
        return None
    known = [pool for pool in (1, 2, LONGEST_POOL) if _find(families(), f"{network}-{pool}")]
    return (known[0], LONGEST_POOL) if known[-1:] == [LONGEST_POOL] else None


def _find(among: tuple[Family, ...], name: str) -> ModelSpec | None:
    return next((spec for family in among if (spec := family.find(name)) is not None), None)
