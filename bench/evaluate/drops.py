"""Which frames of a film never reach the network: drawn, or those that a camera's record has no answer for.

Drawn are they by the film's name and the seed alone, frame after frame, so that every network, engine and precision
misses the same ones at the same frame rate.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import NOTHING, UserError
from ..record.blobs import blobs_folder, read_arrays
from ..record.case import Case, Drop
from ..record.record import Record
from ..record.store import read_records
from ..stats.accuracy import SAME_RATE, same_rate
from .clips import Arrivals


@dataclass(frozen=True)
class Drops:
    """The frames of each film that arrive, in the order in which they are due, from its first one on."""

    drop: Drop
    names: Mapping[Path, str]  # of the films
    record: Arrivals = field(default_factory=Arrivals)  # of a camera, where the drops are its own

    def arrivals(self, file: Path, frames: int) -> Arrivals:
        """Of the first `frames` frames. A camera's record is laid over a film from a moment of the film's own on, and
        from its beginning again where it is shorter."""
        draw = random.Random(f"{self.drop.seed} {self.names[file]}")  # noqa: S311 - no secret
        if self.drop.times is None:
            come = tuple(draw.random() >= self.drop.share for _ in range(frames))
            return Arrivals(come, come)
        arrived, answered = self.record.arrived, self.record.answered
        begin = draw.randrange(len(answered))
        indices = [(begin + number) % len(answered) for number in range(frames)]
        return Arrivals(tuple(arrived[index] for index in indices), tuple(answered[index] for index in indices))


def drops_of(drop: Drop | None, names: Mapping[Path, str], cameras: str | None) -> Drops | None:
    """Those of a case, with the times of a camera's record from the store that is named. Raises UserError."""
    if drop is None:
        return None
    if drop.times is None:
        return Drops(drop, names)
    return Drops(drop, names, _of_blob(Path(cameras or ""), drop.times))


def _of_blob(store: Path, times: str) -> Arrivals:
    import numpy as np

    columns = read_arrays(blobs_folder(store), times)
    arrived, answered = (tuple((~np.isnan(columns[name])).tolist()) for name in ("arrived_s", "answered_s"))
    return Arrivals(arrived, answered)


def drop_of(word: float | str | None, seed: int, ways: Sequence[Case], rate: float) -> Drop | None:
    """What a case is called by: of a share, or of the newest camera's record of the same case in a store. `ways`: the
    case, and what it becomes where its engine does not run the network; `rate`: frames a second that it sees.

    Raises UserError where no such record can be laid over films.
    """
    if not word:
        return None
    if not isinstance(word, str):
        return Drop(share=word, seed=seed)
    watched = [record for record in _records(word) if record.ok and record.camera and record.case.camera]
    wanted = [_as_scored(case) for case in ways]
    reasons = [(record, _why_not(record, rate)) for record in watched if _as_scored(record.case) in wanted]
    found = next((record for record, why in reversed(reasons) if not why), None)
    if found is None or found.camera is None:
        raise UserError(f"--drop {word}: {_none_fits(ways, watched, reasons)}", NOTHING)
    run = found.camera
    return Drop(share=round(run.dropped / run.due, 6), seed=seed, times=run.times)


def _records(word: str) -> list[Record]:
    try:
        return read_records(word)
    except UserError as error:
        missing = "neither a share below 1 (0.1 or 10%) nor a store: there are no records of `co3d-bench camera`"
        why = missing if error.exit_code == NOTHING else error.message
        raise UserError(f"--drop {word}: {why}", error.exit_code) from error


def _as_scored(case: Case) -> Case:
    """The network and how it is run, whatever it is shown."""
    return case.model_copy(update={"camera": None, "evaluation": None, "input": ""})


def _why_not(record: Record, rate: float) -> str:
    """Why this record's drops cannot be laid over films that are sampled at this rate; empty: they can."""
    setup, run = record.case.camera, record.camera
    if setup is None or run is None or not run.due:
        return "no frame was due"
    if setup.streams != 1:
        return "of several cameras"
    if setup.states != 1:
        return "of states that take turns"
    if setup.gap != "step":
        return "its state saw a frame again for each dropped one (--gap repeat)"
    due = setup.fps / setup.every
    if not same_rate(due, rate):
        return (
            f"an answer is due {due:.4g} times a second, and films are sampled at {rate:.4g} (within {SAME_RATE:.0%})"
        )
    return ""


def _none_fits(ways: Sequence[Case], watched: Sequence[Record], reasons: Iterable[tuple[Record, str]]) -> str:
    case, engines = ways[0], " or ".join(dict.fromkeys(way.backend for way in ways))
    threads = f"{case.threads} thread{'s' if case.threads != 1 else ''}"
    how = f"{case.model} by {engines} in {case.precision} with {threads} on {case.device}"
    refused = [f"  {record.key}: {why}" for record, why in reasons]
    if refused:
        return "\n".join((f"no camera's record of {how} can be laid over these films:", *dict.fromkeys(refused)))
    there = [f"  {key}" for key in dict.fromkeys(record.key for record in watched)]
    has = "\n".join(("; it has:", *there)) if there else " (`co3d-bench camera` makes one)"
    return f"no camera's record of {how}{has}"
