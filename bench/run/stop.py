"""Ctrl-C and SIGTERM as something to wait for, instead of an exception in the middle of writing a record."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """While entered, the signals set `signal` and make `fileno()` readable; a selector can wait for that.

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
        """Stop as soon as possible; the first reason is the one that is told."""
        if self.signal is None:
            self.signal = number
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
