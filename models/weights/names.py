"""Which of a file's tensors are the network's: by the names as they are, and only where those do not fit, by others.

A file may hold a network's names below keys (`state_dict`), behind prefixes (`module.`, `backbone.`), among other
things (losses, averages, optimizers), and as another project calls them (`keys.py`); a network may wrap another one.
All of it is one question: with which prefix of the file, and which project's names, do most names fit?
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product, takewhile

from .keys import AS_THEY_ARE, NAMINGS, Naming, is_beside, numbers_of, rename

# Parts of names that torch puts in where it wraps a module; no module of anybody's is called so.
_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
# Averages of weights: taken where a file has nothing else.
_AVERAGED = re.compile(r"(^|[._])(ema|swa|avg|averaged?|shadow)([._]|$)", re.IGNORECASE)
# Count batches of training, or are no weights: they change no prediction.
UNUSED = ("num_batches_tracked", "_extra_state")


@dataclass(frozen=True)
class Reading:
    """How a file's names are read."""

    naming: Naming
    prefix: str  # before every name, in the file
    names: Mapping[str, str]  # the file's name: the network's
    extra: tuple[str, ...]  # names of the file, among those, that the network does not have
    aside: tuple[str, ...]  # names in the same dict without the prefix, and averages
    also: tuple[str, ...]  # prefixes with which as many names fit


def read_names(dicts: Mapping[str, str], wanted: Iterable[str]) -> Reading:
    """The reading by which most of a file's names fit. `dicts`: each name in the file, and the keys of its dict."""
    bare = {name: _bare(name) for name in dicts}
    counted = [name for name in bare.values() if not name.endswith(UNUSED)]
    own_names = list(_own_names(wanted))
    enough = sum(not name.endswith(UNUSED) for name in own_names[0])
    namings = list(_namings(counted))
    best: tuple[int, Naming, str, dict[str, str], list[str]] | None = None
    for own, naming in product(own_names, namings):
        numbers = numbers_of(own)
        fits: Counter[str] = Counter()
        for name in counted:
            fits.update(prefix for prefix, inner in _cuts(name) if rename(inner, naming, numbers) in own)
        # Of those with most names: not an average, else the first.
        most = sorted(fits, key=lambda prefix: (-fits[prefix], bool(_AVERAGED.search(prefix))))
        if most and (best is None or fits[most[0]] > best[0]):
            also = [prefix for prefix in most[1:] if fits[prefix] == fits[most[0]]]
            best = (fits[most[0]], naming, most[0], own, also)
            if best[0] >= enough:
                break
    if best is None:
        return Reading(AS_THEY_ARE, "", {}, tuple(dicts), (), ())
    _, naming, prefix, own, also = best
    numbers = numbers_of(own)
    names: dict[str, str] = {}
    taken: set[str] = set()
    extra, aside = [], []
    for name, plain in bare.items():
        inner = plain.removeprefix(prefix)
        if not plain.startswith(prefix):
            aside.append(name)
        elif not is_beside(inner, naming):
            ours = own.get(rename(inner, naming, numbers) or "")
            if ours is not None and ours not in taken:
                names[name] = ours
                taken.add(ours)
            elif not name.endswith(UNUSED):  # averages stand beside the weights, too: ema_backbone_conv1_weight
                (aside if _AVERAGED.search(inner) else extra).append(name)
    used = {dicts[name] for name in names} or set(dicts.values())
    return Reading(
        naming,
        prefix,
        names,
        tuple(name for name in extra if dicts[name] in used),
        tuple(name for name in aside if dicts[name] in used),
        tuple(also),
    )


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _own_names(wanted: Iterable[str]) -> Iterator[dict[str, str]]:
    """The network's names by what a file may call them: as they are, then without what all of them begin with."""
    bare = {_bare(name): name for name in wanted}
    parts = zip(*(name.split(".")[:-1] for name in bare), strict=False)
    common = [column[0] for column in takewhile(lambda column: len(set(column)) == 1, parts)]
    for cut in range(len(common) + 1):
        prefix = "".join(f"{part}." for part in common[:cut])
        yield {name.removeprefix(prefix): own for name, own in bare.items()}


def _cuts(name: str) -> Iterator[tuple[str, str]]:
    """The name as a prefix and the rest, at every dot, the shortest prefix first."""
    parts = name.split(".")
    for cut in range(len(parts)):
        yield "".join(f"{part}." for part in parts[:cut]), ".".join(parts[cut:])


def _namings(names: Iterable[str]) -> Iterator[Naming]:
    """The projects whose marks are among the names, behind any prefix; last, the names as they are."""
    inner = {rest for name in names for _, rest in _cuts(name)}
    for naming in NAMINGS:
        if any(re.fullmatch(naming.mark, name) for name in inner):
            yield naming
    yield AS_THEY_ARE
