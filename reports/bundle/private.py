"""Texts of records that name a person, a folder or a machine, so that nobody sends them unseen. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

# Folders of a system are the same everywhere; any other absolute path tells something of its owner.
_SYSTEM = "usr|lib|lib64|bin|sbin|etc|dev|proc|sys|run|opt/nvidia"
_REST = r"""[^\s'",;)\]]*[^\s'",;)\].:]"""  # of a path or an address, without what a sentence puts behind it
_PATH = rf"(?<![\w./:])/(?!(?:{_SYSTEM})/)[\w.+-]+/{_REST}"
_PRIVATE = re.compile(
    rf"""(?P<path>{_PATH})
    |(?P<address>\b(?!https?://)[a-z][a-z0-9+.-]*://{_REST}|\bhttps?://[^\s/@'"]+@{_REST})
    |(?P<host>(?<![\w@])[\w.-]{{1,64}}@(?!@)[\w-]+(?:\.[\w-]+)*)""",
    re.VERBOSE,
)
# Fields whose whole text is the name of a machine, whatever it looks like.
_HOSTS = ("fleet.host", "evaluation.hosts.host")
_WHAT = {"path": "a path", "address": "an address", "host": "a user or a host"}
_MOST_SHOWN = 120


@dataclass(frozen=True)
class Private:
    """A text that somebody may not want to send."""

    what: str
    text: str
    where: str  # field of a record, and the first case that has it

    def __str__(self) -> str:
        return f"{self.what}: {self.text[:_MOST_SHOWN]} ({self.where})"


def private_texts(lines: Iterable[tuple[str, BaseModel]]) -> tuple[Private, ...]:
    """What these (name, record or profile) hold of them, each text once."""
    found: dict[str, Private] = {}
    for name, line in lines:
        for field, text in _texts(line.model_dump(mode="json")):
            if field in _HOSTS:
                found.setdefault(text, Private(_WHAT["host"], text, f"{field} of {name}"))
                continue
            for match in _PRIVATE.finditer(text):
                what = _WHAT[match.lastgroup or "path"]
                found.setdefault(match[0], Private(what, match[0], f"{field} of {name}"))
    return tuple(found.values())


def _texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text of parsed JSON, and the field that it is in."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(each, f"{field}.{name}" if field else name)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, field)
