"""The figures of records that are functions of their blobs, computed again from these. Pure but for the reading."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...bench.errors import ENVIRONMENT, UserError
from ...bench.record.blobs import read_arrays
from ...bench.record.predictions import read_predictions
from ...bench.record.record import Record
from ...bench.record.transient_answers import read_transient

if TYPE_CHECKING:
    from ...bench.record.camera import CameraRun
    from ...bench.record.evaluation import Evaluation
    from ...bench.record.transient import Transient

# Sums of numpy differ in the last digits from processor to processor; everything else is the same everywhere.
SAME = 1e-9


@dataclass(frozen=True)
class Difference:
    """What a bundle holds, and what it should."""

    member: str
    row: str = ""  # the case
    figure: str = ""
    held: Any = None
    computed: Any = None
    what: str = ""  # in words, where it is no figure

    def __str__(self) -> str:
        said = self.what or f"{self.figure} is {_short(self.held)}, computed again {_short(self.computed)}"
        return ": ".join(filter(None, (self.member, self.row, said)))


def _short(value: Any) -> str:
    text = "missing" if value is None else f"{value}"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


_MOST_SHOWN = 80


def blob_names(record: Record) -> tuple[str, ...]:
    """The blobs that a record names: times of frames, scores of films, answers after a start, frames that dropped."""
    drop = record.case.evaluation.drop if record.case.evaluation else None
    found = (
        record.camera.times if record.camera else None,
        record.evaluation.predictions if record.evaluation else None,
        record.transient.answers if record.transient else None,
        drop.times if drop else None,
    )
    return tuple(name for name in found if name)


def blob_differences(record: Record, folder: Path, member: str) -> Iterator[Difference]:
    """Each figure of a record that its blob does not give. Raises UserError where that cannot be read."""
    for part, figures in _FIGURES:
        run = getattr(record, part)
        if run is None:
            continue
        for name, computed in figures(run, folder).items():
            held = _plain(getattr(run, name))
            for figure, one, other in _apart(f"{part}.{name}", held, _plain(computed)):
                yield Difference(member, record.key, figure, one, other)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value.model_dump() if hasattr(value, "model_dump") else value


def _apart(name: str, held: Any, computed: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each leaf in which two differ, by its dotted name."""
    if isinstance(held, dict) and isinstance(computed, dict):
        for key in {**held, **computed}:
            yield from _apart(f"{name}.{key}", held.get(key), computed.get(key))
    elif isinstance(held, list) and isinstance(computed, list) and len(held) == len(computed):
        for index, pair in enumerate(zip(held, computed, strict=True)):
            yield from _apart(f"{name}.{index}", *pair)
    elif not _same(held, computed):
        yield name, held, computed


def _same(held: Any, computed: Any) -> bool:
    numbers = isinstance(held, int | float) and isinstance(computed, int | float)
    return math.isclose(held, computed, rel_tol=SAME) if numbers else held == computed


def _of_camera(run: CameraRun, folder: Path) -> Mapping[str, Any]:
    import numpy as np

    from ...bench.stats.camera import PERCENTS, FrameTimes, ages, frame_times

    columns = read_arrays(folder, run.times)
    times = frame_times(run, columns)
    stream = columns.get("stream", np.zeros(times.due))
    if len(stream) != times.due:
        raise UserError(f"the blob {run.times} does not say of {times.due} frames which camera's they are", ENVIRONMENT)
    alone = [
        FrameTimes(times.due_s[stream == each], times.answered_s[stream == each], run.duration_s, run.deadline_s)
        for each in np.unique(stream)
    ]
    percentiles = {f"p{percent:g}": times.percentile_s(percent) for percent in PERCENTS}
    found = {
        "in_time": times.in_time,
        "late": times.late,
        "dropped": times.dropped,
        "latency_s": {name: s for name, s in percentiles.items() if s is not None and s < math.inf},
    }
    if not alone:
        return found
    age = ages(alone)
    return found | {"mean_age_s": age.mean_s, "peak_age_s": age.peak_s, "longest_gap_s": age.longest_gap_s}


def _of_evaluation(run: Evaluation, folder: Path) -> Mapping[str, Any]:
    from ...bench.stats.scores import Scores

    given = read_predictions(folder, run.predictions)
    return {**Scores(given).figures(), "scored": len(given.films), "classes": given.scores.shape[1]}


def _of_transient(run: Transient, folder: Path) -> Mapping[str, Any]:
    from ...bench.stats.transient import curve_of

    given = read_transient(folder, run.answers)
    return {"measure": given.measure, "shown": len(given.names), "curve": curve_of(given.measure, given.values)}


_FIGURES: tuple[tuple[str, Callable[[Any, Path], Mapping[str, Any]]], ...] = (
    ("camera", _of_camera),
    ("evaluation", _of_evaluation),
    ("transient", _of_transient),
)
