"""What a check has measured, a line on the disk each: Ctrl-C and power cuts lose nothing, `--resume` goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from ..record.case import Frozen
from ..record.store import append_line, ignore, make_store
from .schedule import Kind, Pair, Ratios, Role

GATE = "gate"  # folder of a store
FILE_NAME = "pairs.jsonl"
METRIC = "latency"


class Figure(Frozen):
    """One process: its median latency, and all its samples."""

    value_s: float
    latency_s: tuple[float, ...]


class MeasuredPair(Frozen):
    """The two processes of a pair."""

    base: Figure
    head: Figure
    ratio: float | None = Field(
        default=None, description="head over base, where their calls were interleaved; None: that of their figures"
    )

    @property
    def head_s(self) -> float:
        """The head's latency on the scale of the base's."""
        return self.head.value_s if self.ratio is None else self.ratio * self.base.value_s


# Their names in older files.
_OLD_KINDS = {"first": "pair", "second": "pair", "null": "A/A"}


class Entry(MeasuredPair):
    """One measured pair."""

    case: str
    stage: Annotated[Kind, BeforeValidator(lambda word: _OLD_KINDS.get(word, word))]
    number: int = Field(ge=0)
    order: tuple[Role, Role]


class Start(Frozen):
    """A check begins: the entries after this line belong to it."""

    base: str = Field(description="the commit, factory or command")
    head: str
    cases: tuple[str, ...]
    runs: int = Field(default=0, description="samples of each process, by how fast they were then")

    def same_check(self, other: Start) -> bool:
        """Whether the pairs of one check hold for the other. The number of samples may differ: each check chooses it
        anew."""
        return (self.base, self.head, self.cases) == (other.base, other.head, other.cases)


_LINE: TypeAdapter[Start | Entry] = TypeAdapter(Start | Entry)


def folder_of(out: Path, base: str, head: str) -> Path:
    """The folder of a check of these two; a check of two others has another one."""
    return out / GATE / hashlib.sha256(f"{base}\0{head}".encode()).hexdigest()[:12]


def make_gate_folder(out: Path) -> None:
    """Create the gate's folder of a store, ignored by git: a check leaves no untracked files behind.

    An older folder without `.gitignore` gets one, unless it holds files that are not the gate's. Raises OSError.
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
        earlier = read(self._file) if resume else None
        if earlier is not None and earlier[0].same_check(start):
            self.entries = list(earlier[1])
        else:
            append_line(self._file, start.model_dump_json())

    def add(self, pair: Pair, measured: MeasuredPair) -> None:
        """Keep a pair. Raises UserError if the disk does not take it."""
        entry = Entry(case=pair.case, stage=pair.stage, number=pair.number, order=pair.order, **dict(measured))
        append_line(self._file, entry.model_dump_json())
        self.entries.append(entry)

    def ratios(self, cases: Iterable[str]) -> dict[str, Ratios]:
        """All measured ratios of these cases."""
        return {key: ratios_of(key, self.entries) for key in cases}


def ratios_of(key: str, entries: Sequence[Entry]) -> Ratios:
    """The ratios of one case among the entries."""
    pairs, controls = (
        tuple(entry.head_s / entry.base.value_s for entry in entries if (entry.case, entry.stage) == (key, kind))
        for kind in ("pair", "A/A")
    )
    return Ratios(pairs, controls)


def read(file: Path) -> tuple[Start, tuple[Entry, ...]] | None:
    """The newest check of a file, without torn lines; None where there is none."""
    if not file.exists():
        return None
    start: Start | None = None
    entries: list[Entry] = []
    for item in filter(None, map(_line, file.read_bytes().splitlines())):
        if isinstance(item, Start):
            start, entries = item, []
        else:
            entries.append(item)
    return None if start is None else (start, tuple(entries))


def _line(line: bytes) -> Start | Entry | None:
    try:
        return _LINE.validate_json(line)
    except ValidationError:
        return None
