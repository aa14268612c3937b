"""Networks of installed packages, through the entry-point group `co3d_bench.models`.

An entry point's object is a `Family`, a `ModelSpec`, or a factory as `custom.py` describes it; a factory's network is
called like its entry point. One that cannot be loaded is a warning, and ours are listed all the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any

from .custom import UNSAFE, Offer, offer_of_package
from .spec import Family, ModelSpec, Source

GROUP = "co3d_bench.models"


@dataclass(frozen=True)
class Installed:
    """What packages add: networks that are described, and factories that are only known once they are called."""

    families: tuple[Family, ...] = ()
    factories: Mapping[str, Offer] = field(default_factory=dict)


def read_installed(taken: Callable[[str], bool]) -> Installed:
    """Everything that packages add; `taken` are the names of our own. Faults become warnings."""
    families: list[Family] = []
    factories: dict[str, Offer] = {}
    used: set[str] = set()
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
        try:
            thing = entry.load()
            family = _family(entry.name, thing, package)
            names = [spec.name for spec in family.listed] if family else [entry.name]
        except (Exception, SystemExit) as error:  # noqa: BLE001 - code of another package
            _warn(f"package {package}: its networks {entry.name!r} cannot be loaded: {type(error).__name__}: {error}")
            continue
        fit = set(_fitting(package, names, taken, frozenset(used)))
        used |= fit
        if family is not None:
            families.append(replace(family, listed=tuple(spec for spec in family.listed if spec.name in fit)))
        elif fit:
            factories[entry.name] = offer_of_package(entry.name, thing, package)
    return Installed(tuple(families), factories)


def _family(name: str, thing: Any, package: str) -> Family | None:
    """The object as a family whose networks say where they come from; None for a factory. Raises TypeError."""

    def stamped(spec: ModelSpec | None) -> ModelSpec | None:
        return spec and replace(spec, source=Source(package=package))

    if isinstance(thing, ModelSpec):
        thing = Family(name, (thing,), {thing.name: thing}.get)
    if isinstance(thing, Family):
        find = thing.find
        listed = tuple(replace(spec, source=Source(package=package)) for spec in thing.listed)
        return replace(thing, listed=listed, find=lambda word: stamped(find(word)))
    if callable(thing):
        return None
    raise TypeError(f"it is of type {type(thing).__name__}, not a Family, a ModelSpec or a factory")


def _fitting(
    package: str, names: Collection[str], taken: Callable[[str], bool], used: Collection[str]
) -> Iterator[str]:
    for name in names:
        if taken(name) or name in used:
            _warn(f"package {package}: its network {name} is left out: another one has that name")
        elif UNSAFE.search(name):
            _warn(f"package {package}: its network {name!r} is left out: a name is letters, digits and . _ -")
        else:
            yield name


def _warn(text: str) -> None:
    warnings.warn(" ".join(text.split()), stacklevel=3)
