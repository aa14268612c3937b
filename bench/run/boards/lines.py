"""The lines that a board sends about one case, sorted by kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...measure.job import Event, phase_event
from ...record.failure import exception
from ...record.record import Failure
from ..child import Outcome
from ..outcome import diagnose

Line = dict[str, Any]
WATCHED_EVERY_S = 5.0


@dataclass
class BoardLines:
    """Lines of a case as they arrive; phases are passed on as events."""

    emit: Callable[[Event], None]
    answers: list[Line] = field(default_factory=list)
    watched: list[Line] = field(default_factory=list)
    results: dict[str, Line] = field(default_factory=dict)  # measured, energy, trtexec or failed
    hottest: Callable[[Line], float | None] = lambda line: None  # by a line `watch`, in degrees Celsius
    _shown_s: float = -WATCHED_EVERY_S

    def take(self, line: Line) -> None:
        """Sort the next line in. Unknown kinds are ignored: a newer agent may send more."""
        kind = line["event"]
        if kind == "phase":
            self.emit(phase_event(line["phase"], line.get("done"), line.get("total")))
        elif kind == "answer":
            self.answers.append(line)
        elif kind in ("watch", "watched"):
            self.watched.append(line)
            self._show_heat(line)
        else:
            self.results[kind] = line

    def _show_heat(self, line: Line) -> None:
        """Pass on how hot the board is, every few seconds: only a person looks at it meanwhile."""
        now_s = line.get("t", self._shown_s)
        if now_s - self._shown_s >= WATCHED_EVERY_S:
            self._shown_s = now_s
            if (hottest := self.hottest(line)) is not None:
                self.emit(Event(event="watched", temperature_c=hottest))

    def failure(self, ended: Line, timeout_s: float) -> Failure | None:
        """Why there is no result; None where there is one."""
        failed = self.results.pop("failed", None)
        if self.results:  # a later failure, e.g. of energy, does not void the timing
            return None
        if failed:
            return exception(failed["message"], failed["text"], failed["detail"], memory=failed["memory"])
        if why := ended.get("why"):
            return Failure(kind="killed", message=f"the agent of the board ended it: {why}")
        returncode = ended["returncode"]
        outcome = Outcome(
            # No exit code: the board ran out of memory or was restarted, or somebody killed agent and case.
            returncode=-9 if returncode is None else returncode,
            timed_out=ended.get("timed_out", False),
            stderr_tail=ended.get("stderr", ""),
        )
        return diagnose(outcome, timeout_s, ended.get("oom_kills", 0))


def unreadable(error: Exception) -> Failure:
    """The failure of a case of which the board sent something else than it should."""
    text = " ".join(str(error).split())
    return Failure(kind="exception", message=f"what the board sent cannot be read: {type(error).__name__}: {text}")
