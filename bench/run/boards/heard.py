"""What a board says of one case, sorted."""

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


@dataclass
class Heard:
    """Lines of a case as they come; phases are handed on."""

    emit: Callable[[Event], None]
    answers: list[Line] = field(default_factory=list)
    watched: list[Line] = field(default_factory=list)
    results: dict[str, Line] = field(default_factory=dict)  # the last word: measured, trtexec or failed

    def take(self, line: Line) -> None:
        """The next line. One of a kind that is not known is passed over: a newer agent may say more."""
        kind = line["event"]
        if kind == "phase":
            self.emit(phase_event(line["phase"], line.get("done"), line.get("total")))
        elif kind == "answer":
            self.answers.append(line)
        elif kind in ("watch", "watched"):
            self.watched.append(line)
        else:
            self.results[kind] = line

    def failure(self, ended: Line, timeout_s: float) -> Failure | None:
        """Why there is no result; None where there is one."""
        if failed := self.results.get("failed"):
            return exception(failed["message"], failed["text"], failed["detail"], memory=failed["memory"])
        if self.results:
            return None
        returncode = ended["returncode"]
        outcome = Outcome(
            final=None,
            measured=None,
            # All there died together: the board's memory ran out, it was restarted, or somebody killed them.
            returncode=-9 if returncode is None else returncode,
            timed_out=ended.get("timed_out", False),
            stopped=ended.get("stopped", False),
            stderr_tail=ended.get("stderr", ""),
            sampling_cpu_s=0.0,
        )
        return diagnose(outcome, timeout_s, ended.get("oom_kills", 0))
