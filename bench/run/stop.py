"""Ctrl-C and SIGTERM as something to wait for, instead of an exception in the middle of writing a record; and how a
run ends that did not do all."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from ..errors import INTERRUPTED, NOT_HERE, TERMINATED, UserError
from ..record.record import Record

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """While entered, the signals set `signal` and make `fileno()` readable, a byte each; a selector can wait for that.

    Only the main thread can take signals; elsewhere it changes nothing.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: dict[int, Any] = {}

    def fileno(self) -> int:
        """Readable once a signal came."""
        return self._read

    def request(self, number: int, frame: FrameType | None = None) -> None:
        """Stop as soon as possible; the first reason is the one reported. Asked again, nothing is waited for."""
        if self.signal is None:
            self.signal = number
        with suppress(BlockingIOError):  # nobody has read thousands of them
            os.write(self._write, b"!")

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # the shell asked for it, with nohup or &
                    self._before[number] = signal.signal(number, self.request)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)


class Interrupted(UserError):
    """Stopped by a signal. `records` holds what is finished; it is in the store as well. How many are missing is only
    known (not None) where a number of processes was asked for."""

    def __init__(self, number: int, records: list[Record], missing: int | None) -> None:
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        part = sum(record.stopped for record in records)
        finished = len(records) - part
        of = "" if missing is None else f" of {finished + missing}"
        beside = ", and what was seen of one more" if part else ""
        super().__init__(
            f"stopped by {name}: {finished}{of} measurements are finished and kept{beside}; "
            "the same command with --resume does the rest",
            INTERRUPTED if number == signal.SIGINT else TERMINATED,
        )
        self.records = records


class Unfinished(UserError):
    """Boards are not reached; the other devices are done. `records` holds what is finished, and so does the store."""

    def __init__(self, unavailable: Sequence[str], records: list[Record], missing: int) -> None:
        count = f"{missing} measurement{'s are' if missing != 1 else ' is'} missing, " if missing else ""
        lines = (
            *dict.fromkeys(unavailable),
            f"{count}{len(records)} kept; the same command with --resume does the rest",
        )
        super().__init__("\n".join(lines), NOT_HERE)
        self.records = records
