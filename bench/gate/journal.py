"""What a check has measured so far, a durable line each: Ctrl-C and power cuts lose nothing, `--resume` goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from ..record.case import Frozen
from ..record.store import append_line, ignore, make_store
from .schedule import Kind, Pair, Ratios, Side

GATE = "gate"  # folder of a store
FILE_NAME = "pairs.jsonl"
METRIC = "latency"


class Figure(Frozen):
    """One process: its figure, and the samples that it is made of."""

    value_s: float
    latency_s: tuple[float, ...]


class Both(Frozen):
    """The two processes of a pair."""

    base: Figure
    head: Figure
    ratio: float | None = Field(
        default=None, description="head over base, where their calls were interleaved; None: that of their figures"
    )

    @property
    def head_s(self) -> float:
        """What the head takes where the base takes its figure."""
        return self.head.value_s if self.ratio is None else self.ratio * self.base.value_s


# What older checks called them.
_OLD_KINDS = {"first": "pair", "second": "pair", "null": "A/A"}


class Entry(Both):
    """One pair, measured."""

    case: str
    stage: Annotated[Kind, BeforeValidator(lambda word: _OLD_KINDS.get(word, word))]
    number: int = Field(ge=0)
    order: tuple[Side, Side]


class Start(Frozen):
    """A check begins: entries behind this line are its own."""

    base: str = Field(description="the commit, factory or command")
    head: str
    cases: tuple[str, ...]
    runs: int = Field(default=0, description="samples of each process, by how fast they were then")

    def asks_the_same(self, other: Start) -> bool:
        """Whether the pairs of one check answer the other. How many samples a process takes is found out anew in each
        check, and is no part of the question."""
        return (self.base, self.head, self.cases) == (other.base, other.head, other.cases)


_LINE: TypeAdapter[Start | Entry] = TypeAdapter(Start | Entry)


def folder_of(out: Path, base: str, head: str) -> Path:
    """Where a check of these two lies, so that one of others never goes on with its figures."""
    return out / GATE / hashlib.sha256(f"{base}\0{head}".encode()).hexdigest()[:12]


def make_gate_folder(out: Path) -> None:
    """The gate's own folder of a store, in which git sees nothing: a check leaves no untracked files behind.

    Also where the folder is older than that, unless it holds something that is not the gate's. Raises OSError.
    """
    folder = out / GATE
    make_store(folder)
    if not (folder / ".gitignore").exists() and all(_is_the_gates(each) for each in folder.iterdir()):
        ignore(folder)


def _is_the_gates(path: Path) -> bool:
    return path.name in ("code", "packages") or (path / FILE_NAME).is_file()


class Journal:
    """The lines of one check, on the disk and in memory."""

    def __init__(self, folder: Path, start: Start, resume: bool) -> None:
        self._file = folder / FILE_NAME
        self.entries: list[Entry] = []
        known = read(self._file) if resume else None
        if known is not None and known[0].asks_the_same(start):
            self.entries = list(known[1])
        else:
            append_line(self._file, start.model_dump_json())

    def add(self, pair: Pair, both: Both) -> None:
        """Keep a pair. Raises UserError if the disk does not take it."""
        entry = Entry(case=pair.case, stage=pair.stage, number=pair.number, order=pair.sides, **dict(both))
        append_line(self._file, entry.model_dump_json())
        self.entries.append(entry)

    def ratios(self, cases: Iterable[str]) -> dict[str, Ratios]:
        """All ratios that were measured of these cases."""
        return {key: ratios_of(key, self.entries) for key in cases}


def ratios_of(key: str, entries: Sequence[Entry]) -> Ratios:
    """What the entries say of one case."""
    pairs, controls = (
        tuple(entry.head_s / entry.base.value_s for entry in entries if (entry.case, entry.stage) == (key, kind))
        for kind in ("pair", "A/A")
    )
    return Ratios(pairs, controls)


def read(file: Path) -> tuple[Start, tuple[Entry, ...]] | None:
    """The newest check of a file, torn lines passed over; None where there is none."""
    if not file.exists():
        return None
    start: Start | None = None
    entries: list[Entry] = []
    for found in filter(None, map(_line, file.read_bytes().splitlines())):
        if isinstance(found, Start):
            start, entries = found, []
        else:
            entries.append(found)
    return None if start is None else (start, tuple(entries))


def _line(line: bytes) -> Start | Entry | None:
    try:
        return _LINE.validate_json(line)
    except ValidationError:
        return None
