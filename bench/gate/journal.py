"""What a check has measured so far, a durable line each: Ctrl-C and power cuts lose nothing, `--resume` goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from ..case import Frozen
from ..judge.verdict import Evidence, Units
from ..store import append_line
from .schedule import Pair, Side, Stage

FILE_NAME = "pairs.jsonl"
METRIC, BETTER = "latency", "lower"


class Figure(Frozen):
    """One process: its figure, and the samples that it is made of."""

    value_s: float
    latency_s: tuple[float, ...]


class Both(Frozen):
    """The two processes of a pair."""

    base: Figure
    head: Figure
    ratio: float | None = Field(
        default=None, description="head over base, where their calls were made in turn; None: that of their figures"
    )

    @property
    def head_s(self) -> float:
        """What the head takes where the base takes its figure."""
        return self.head.value_s if self.ratio is None else self.ratio * self.base.value_s


class Entry(Both):
    """One pair, measured."""

    case: str
    stage: Stage
    number: int = Field(ge=0)
    order: tuple[Side, Side]


class Start(Frozen):
    """A check begins: entries behind this line are its own."""

    base: str = Field(description="the commit, factory or command")
    head: str
    cases: tuple[str, ...]
    runs: int


_LINE: TypeAdapter[Start | Entry] = TypeAdapter(Start | Entry)


def folder_of(out: Path, base: str, head: str) -> Path:
    """Where a check of these two lies, so that one of others never goes on with its figures."""
    return out / "gate" / hashlib.sha256(f"{base}\0{head}".encode()).hexdigest()[:12]


class Journal:
    """The lines of one check, on the disk and in memory."""

    def __init__(self, folder: Path, start: Start, resume: bool) -> None:
        self._file = folder / FILE_NAME
        self.entries: list[Entry] = []
        known = read(self._file) if resume else None
        if known is not None and known[0] == start:
            self.entries = list(known[1])
        else:
            append_line(self._file, start.model_dump_json())

    def add(self, pair: Pair, both: Both) -> None:
        """Keep a pair. Raises UserError if the disk does not take it."""
        entry = Entry(case=pair.case, stage=pair.stage, number=pair.number, order=pair.sides, **dict(both))
        append_line(self._file, entry.model_dump_json())
        self.entries.append(entry)

    def evidence(self, cases: Iterable[str]) -> dict[str, Evidence]:
        """All that was measured of these cases."""
        return {key: evidence_of(key, self.entries) for key in cases}


def evidence_of(key: str, entries: Sequence[Entry]) -> Evidence:
    """What the entries say of one case."""
    units = {
        stage: Units(
            tuple(entry.base.value_s for entry in entries if (entry.case, entry.stage) == (key, stage)),
            tuple(entry.head_s for entry in entries if (entry.case, entry.stage) == (key, stage)),
        )
        for stage in ("first", "second", "null")
    }
    return Evidence(key, METRIC, BETTER, units["first"], second=units["second"], null=units["null"])


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
