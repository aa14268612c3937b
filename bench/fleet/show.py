"""What a person sees of a fleet: on a terminal a live table of the boards, else a line for each thing that happens.

Nothing is timed on this machine meanwhile, so it may be drawn at any moment.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from ..record.case import Case
from ..record.plain import plain_lines
from ..record.record import Record
from ..run.progress import describe
from .assign import OnShelf

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

DRAWN_A_SECOND = 2


class FleetProgress(Protocol):
    """What the host reports during a run."""

    def begin(self, run_id: str, cases: Sequence[Case], boards: Sequence[OnShelf], until: str, done: int) -> None:
        """The run begins: its cases in their order, and how many processes a resumed run already has."""

    def board(self, each: OnShelf, state: Mapping[str, Any]) -> None:
        """Something about a board has changed; `state` has stage, heat and time left of its case."""

    def finished(self, each: OnShelf, record: Record) -> None:
        """A process on a board has a record."""

    def note(self, text: str) -> None:
        """Something about the run as a whole."""

    def end(self) -> None:
        """Nothing more follows."""


class Unseen(FleetProgress):
    """Shows nothing: for Python callers."""


class Shown:
    """A line when a process ends and when a board changes; on a terminal also the table of the boards."""

    def __init__(self, stream: TextIO | None = None, live: bool | None = None) -> None:
        self._stream = stream or sys.stderr
        self._on_terminal = self._stream.isatty() if live is None else live
        self._live: Live | None = None
        self._boards: dict[str, OnShelf] = {}
        self._states: dict[str, Mapping[str, Any]] = {}

    def begin(self, run_id: str, cases: Sequence[Case], boards: Sequence[OnShelf], until: str, done: int) -> None:
        self._boards = {each.board.name: each for each in boards}
        kept = f"; {done} process{'es' if done != 1 else ''} measured before" if done else ""
        there = sum(each.usable for each in boards)
        self.note(
            f"run {run_id}: {_count(len(cases), 'case')} on {there} of {_count(len(boards), 'board')}; each case "
            f"{until}{kept}"
        )
        for each in boards:
            if not each.usable:
                self.note(f"{each.board.name}: not reached, and may join later: {each.why_away}")
        if self._on_terminal:
            self._draw()

    def board(self, each: OnShelf, state: Mapping[str, Any]) -> None:
        self._states[each.board.name] = state
        if self._live:
            self._live.update(self._table())

    def finished(self, each: OnShelf, record: Record) -> None:
        self.note(f"{each.board.name}  {record.case.key}  process {record.process}  {describe(record)}")
        if record.error:
            for note in record.notes:
                self.note(f"         {note}")

    def note(self, text: str) -> None:
        line = plain_lines(text)
        if self._live:
            from rich.text import Text

            self._live.console.print(Text(line))
            return
        with suppress(OSError):  # the reader may be gone; that is no reason to stop measuring
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def end(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream, force_terminal=True)
        self._live = Live(
            self._table(),
            console=console,
            refresh_per_second=DRAWN_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="dim")
        for head, width in (("board", None), ("case", 20), ("stage", 12), ("heat", 4), ("time left", 12)):
            justify = "right" if head == "heat" else "left"
            table.add_column(head, no_wrap=True, overflow="ellipsis", justify=justify, min_width=width)
        for name, each in self._boards.items():
            table.add_row(
                *(Text(plain_lines(cell)) for cell in row(each, self._states.get(name, {}), time.monotonic()))
            )
        return table


def row(each: OnShelf, state: Mapping[str, Any], now_s: float) -> tuple[str, str, str, str, str]:
    """A board's line in the table: board, case, stage, heat, time left."""
    if each.case is None:
        waits = "waits, to be tried again" if each.free_at_s > now_s else "idle"
        stage = "set aside" if each.aside else "not reached" if each.facts is None else waits
        return each.board.name, "", stage, "", ""
    heat, case = state.get("temperature_c"), each.case
    shown = "" if heat is None else f"{heat:.0f} C"
    label = f"{case.model} {case.backend} {case.precision} b{case.batch} t{case.threads}"
    return each.board.name, label, str(state.get("stage", "")), shown, str(state.get("left", ""))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}"
