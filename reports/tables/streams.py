"""Several cameras before one network, in words and as a table of what was tried."""

from __future__ import annotations

from ...bench.record.camera import CameraRun, Streams, StreamsTrial
from ...bench.record.case import AUTO_STREAMS, CameraSetup
from ...bench.stats.capacity import CONFIDENCE, SHARE, next_more, shortest_claim_s
from ...bench.stats.metrics import PERCENT, S
from ..notation import number
from .table import WORDS, Cell, Column, Row, Table, cells, figure

RULE = f"at most {100 * SHARE:g} % of its deadlines at {100 * CONFIDENCE:g} % confidence"
LONGER = "a longer --duration says more"


def kept_up(run: CameraRun) -> bool:
    """Whether a network keeps up: without a miss; of a search, with at least one camera for certain."""
    found = run.streams
    if found is None:
        return run.missed == 0
    proved = found.shown is not None and found.shown.verdict == "yes"
    return found.count > 0 and (run.missed == 0 or proved)


def cameras_text(found: Streams, setup: CameraSetup | None) -> str:
    """How many: `4; 5 not`."""
    if setup is None or setup.streams != AUTO_STREAMS:
        return str(found.count)
    more = next_more(found)
    beyond = "" if more is None else f"; {more.streams} {'not' if more.verdict == 'no' else 'not known'}"
    if not found.count:
        return "not even one" if found.shown and found.shown.verdict == "no" else "not known"
    return f"{found.count}{beyond}"


def streams_sentence(run: CameraRun, setup: CameraSetup, rate: str) -> str:
    """What was found with several cameras; `rate` is that of each."""
    found = run.streams
    if found is None:
        return ""
    shown = found.shown
    if setup.streams == AUTO_STREAMS:
        return _searched(found, shown, rate) if found.count else _none_found(shown, setup, rate)
    each = f"{rate} of each of {found.count} cameras, {found.way}"
    beside = [trial for trial in found.tried if trial.way != found.way and trial.due]
    others = "".join(f"; {trial.way} missed {trial.missed}" for trial in beside) or _not_tried(found)
    if not run.missed:
        return f"keeps up with {each}: all {run.due} were answered within {1e3 * run.deadline_s:g} ms{others}"
    worst = f"; one camera missed {shown.worst_missed} of {shown.worst_due}" if shown else ""
    late = f"of {run.due} answers {run.late} came late and {run.dropped} never"
    return f"does not keep up with {each}: {late}{worst}{others}"


def _none_found(shown: StreamsTrial | None, setup: CameraSetup, rate: str) -> str:
    if shown is None:
        return f"may or may not keep up with one camera, {rate}"
    watched = f"one camera, {rate}: {shown.missed} of {shown.due} missed in {number(shown.seconds)} s"
    if shown.verdict == "no":
        return f"does not keep up with even {watched}"
    needed_s = shortest_claim_s(setup.fps / setup.every)
    earliest = f"known after {needed_s:g} s without a miss at the earliest (--duration)"
    return f"may or may not keep up with {watched}; {earliest if needed_s > shown.seconds else LONGER}"


def _searched(found: Streams, shown: StreamsTrial | None, rate: str) -> str:
    count = "one camera" if found.count == 1 else f"{found.count} cameras"
    more = next_more(found)
    return f"keeps up with {count}, {rate}, {found.way}: each misses {RULE}{_beyond(more)}{_other_way(found)}"


def _beyond(more: StreamsTrial | None) -> str:
    if more is None:
        return ""
    if more.why:
        return f"; {more.why}"
    if more.verdict == "no":
        return f"; {more.streams} miss more"
    return f"; whether {more.streams} do is not known after {number(more.seconds)} s"


def _other_way(found: Streams) -> str:
    proved = [trial for trial in found.tried if trial.way != found.way]
    if not proved:
        return _not_tried(found)
    one = int(found.way == "one after the other")  # a call for one camera is the same
    most = max((trial.streams for trial in proved if trial.verdict == "yes"), default=one)
    return f"; {proved[0].way}, {most or 'none'} for certain"


def _not_tried(found: Streams) -> str:
    """Why one call for all was not watched."""
    return "".join(f"; {note}" for note in found.notes if note.startswith("one call for all"))


def _percent(share: float | None) -> Cell:
    return Cell() if share is None else Cell(number(100 * share), share)


TRIALS: tuple[Column[StreamsTrial], ...] = (
    Column("Served", lambda trial: Cell(trial.way, trial.way), kind=WORDS),
    figure("Watched", lambda trial: trial.seconds, S),
    Column("Missed", lambda trial: _percent(trial.missed_share), PERCENT, "late or dropped, of all cameras together"),
    Column("Worst", lambda trial: _percent(trial.worst_missed_share), PERCENT, "of the camera that missed most"),
    Column("At most 1 %", lambda trial: Cell(trial.verdict, trial.verdict), kind=WORDS),
)


def trials_table(found: Streams) -> Table:
    """What was tried, in its order."""
    return Table("Cameras", TRIALS, tuple(Row(str(trial.streams), cells(TRIALS, trial)) for trial in found.tried))
