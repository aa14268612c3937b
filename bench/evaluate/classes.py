"""Which position among a network's scores is which class: that of the list its checkpoint was trained with.

A wrong order would be scored as if nothing were wrong, so a list that does not fit, in number or in names, is refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...models import weights
from ..errors import ENVIRONMENT, UserError
from .data import Data

_MOST_NAMED = 5


@dataclass(frozen=True)
class Labels:
    """Of each film the positions of its classes, and the names of all classes; empty where only positions are known."""

    positions: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] = ()


@cache
def kinetics400() -> tuple[str, ...]:
    """The classes of Kinetics-400 in the order of public checkpoints."""
    lines = Path(weights.__file__).with_name("kinetics400.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def read_classes(path: Path) -> tuple[str, ...]:
    """A checkpoint's list: a name a line, or as JSON a list or {name: position}. Raises UserError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"--classes {path}: cannot be read: {error.strerror}", ENVIRONMENT) from error
    except UnicodeDecodeError as error:
        raise UserError(f"--classes {path}: not a text file in UTF-8 (byte {error.start})") from error
    names = _of_json(path, text) if text.lstrip()[:1] in ("{", "[") else [line.strip() for line in text.splitlines()]
    names = [name for name in names if name]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--classes {path}: {twice!r} is there twice")
    if not names:
        raise UserError(f"--classes {path}: names no class")
    return tuple(names)


def _of_json(path: Path, text: str) -> list[str]:
    try:
        found = json.loads(text)
        if isinstance(found, dict):
            positions = {int(position): name for name, position in found.items()}
            found = [positions[number] for number in range(len(found))]
        return [str(name).strip(' "') for name in found]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise UserError(f"--classes {path}: neither a list nor names with their positions from 0 on") from error


def labels_of(data: Data, classes: int | None, given: Sequence[str] = (), network: str = "the network") -> Labels:
    """The labels of each film, for a network with so many classes. `given`: its checkpoint's list.

    Raises UserError where list, data and network do not fit together.
    """
    if classes is None:
        raise UserError(f"{network}: its answer is not a score for each class, so it has no accuracy")
    if given and len(given) != classes:
        raise UserError(f"--classes: {len(given)} names, but {network} has {_counted(classes)}")
    names = tuple(given) or _names(data, classes, network)
    known = _positions(names) if data.own_classes else {}
    positions, wrong = [], []
    for film in data.films:
        found = [_position(word, known, classes) for word in film.labels]
        positions.append(tuple(position for position in found if position is not None))
        wrong += [f"{film.where}: {word!r}" for word, at in zip(film.labels, found, strict=True) if at is None]
    if wrong:
        more = f"\nand {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        what = "not in the list of classes" if data.own_classes else f"no position from 0 to {classes - 1}"
        raise UserError(f"labels that are {what} of {network}:\n" + "\n".join(wrong[:_MOST_NAMED]) + more)
    return Labels(tuple(positions), names)


def _names(data: Data, classes: int, network: str) -> tuple[str, ...]:
    """The list where none was given: the data's own, or that of Kinetics-400. Raises UserError where neither fits."""
    own = data.own_classes
    if own and classes == len(kinetics400()) and {_word(name) for name in own} <= _positions(kinetics400()).keys():
        return kinetics400()
    if not own or len(own) == classes:
        return own
    shown = ", ".join(own[:_MOST_NAMED]) + (", ..." if len(own) > _MOST_NAMED else "")
    raise UserError(
        f"{data.name} has {_counted(len(own))} ({shown}), {network} has {classes}: give the list that its checkpoint "
        "was trained with, a name a line, by --classes FILE"
    )


def _counted(classes: int) -> str:
    return "1 class" if classes == 1 else f"{classes} classes"


def _positions(names: Sequence[str]) -> Mapping[str, int]:
    """Positions by name, as it stands and by its letters, and by the code in front of it as Charades has them
    (`c092 Smiling ...`). Letters that two names share (C and C++) are neither's."""
    codes = {name.split()[0]: position for position, name in enumerate(names) if re.match(r"c\d{3}( |$)", name)}
    shared = Counter(map(_word, names))
    letters = {_word(name): position for position, name in enumerate(names) if shared[_word(name)] == 1}
    return codes | letters | {name: position for position, name in enumerate(names)}


def _position(word: str, known: Mapping[str, int], classes: int) -> int | None:
    if known:
        return known.get(word, known.get(_word(word)))
    return int(word) if word.isdecimal() and int(word) < classes else None


def _word(name: str) -> str:
    """A name as folders and lists both have it: letters and digits, in small."""
    return re.sub(r"[\W_]+", " ", name).strip().casefold()
