"""A figure from run to run, and the steps at which its level changed. Pure.

Steps are found by the library ruptures: PELT (Killick, Fearnhead and Eckley 2012,
https://doi.org/10.1080/01621459.2012.737745) with a Gaussian kernel (Arlot, Celisse and Harchaoui 2019,
https://jmlr.org/papers/v20/16-155.html), whose bounded cost keeps a single slow run from becoming a step. It works on
logarithms, so a step is a ratio. Its error rates: `python tests/speed/history_steps.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from statistics import median

from ..record.record import COMPARABLE_FACTS, Record, commit_of, fact
from .case_result import CaseResult, case_results
from .metrics import Metric
from .normalise import anchor_of, normalised_latency_s

INSTALL = "pip install ruptures"

# Fewest runs of a level, and of a series in which steps are searched.
MIN_LEVEL = 3
MIN_POINTS = 2 * MIN_LEVEL
# Smaller steps are not reported.
MIN_CHANGE = 0.02
# Smallest scatter assumed, so that a series without scatter has no steps of a hundred thousandth.
MIN_SCATTER = 0.002
# The kernel is exp(-WIDTH d^2), d in multiples of the scatter; a step must save PENALTY * ln(runs). Both were chosen
# with the script named above.
WIDTH = 0.1
PENALTY = 0.6


@dataclass(frozen=True)
class Point:
    """One run of a case: its figure (`case_result.py`)."""

    run_id: str
    started_at: str
    value: float  # in SI
    record: Record  # the one with this value: commit, versions
    warnings: tuple[str, ...]  # a run with one is no evidence for a step
    normalised_latency_s: float | None = None  # at the machine speed of the newest record (`normalise.py`)

    @property
    def commit(self) -> str | None:
        """Of the network's repository (`commit_of`), with a + where files differed from it; None where unknown."""
        commit, dirty = commit_of(self.record)
        return commit and commit[:10] + ("+" if dirty else "")


@dataclass(frozen=True)
class Step:
    """A change of level at point `first` (an index into the series' points)."""

    first: int
    before: float  # medians of the levels, in SI
    after: float
    changed: tuple[str, ...]  # other differences to the point before, as text

    @property
    def change(self) -> float:
        """Relative: 0.1 is ten per cent more."""
        return self.after / self.before - 1


@dataclass(frozen=True)
class Series:
    """One case on one kind of machine, run by run."""

    key: str
    machine: str
    metric: Metric
    points: tuple[Point, ...]
    steps: tuple[Step, ...] = ()


def series(records: Iterable[Record], metric: Metric) -> tuple[Series, ...]:
    """The series of a metric, by case and processor, in the order of their first run; failed cases have no point.

    They have steps where ruptures is installed (`can_find_steps`) and enough runs have no warning.
    """
    groups: dict[tuple[str, str], list[CaseResult]] = {}
    for run in _runs(records):
        machine = run.environment.machine.cpu_model if run.environment else None
        if run.ok and machine is not None:
            groups.setdefault((run.key, machine), []).append(run)
    found = []
    for (key, machine), runs in groups.items():
        anchor = anchor_of([record for run in runs for record in run.measured])
        points = tuple(point for run in runs if (point := _point(run, metric, anchor)))
        if points:
            found.append(Series(key, machine, metric, points, steps(points)))
    return tuple(found)


def can_find_steps() -> bool:
    """Whether the library that finds steps is installed."""
    return find_spec("ruptures") is not None


def steps(points: Sequence[Point]) -> tuple[Step, ...]:
    """The changes of level, without runs that have a warning; empty where there are too few runs."""
    clear = [index for index, point in enumerate(points) if not point.warnings]
    if len(clear) < MIN_POINTS or not can_find_steps():
        return ()
    values = [points[index].value for index in clear]
    borders = _without_small(values, levels([math.log(value) for value in values]))
    found = []
    for number, border in enumerate(borders[1:-1], start=1):
        first = clear[border]
        found.append(
            Step(
                first,
                median(values[borders[number - 1] : border]),
                median(values[border : borders[number + 1]]),
                changed(points[clear[border - 1]].record, points[first].record),
            )
        )
    return tuple(found)


def levels(logarithms: Sequence[float]) -> list[int]:
    """The borders of the levels of a series, its ends included: [0, ..., len]."""
    import numpy
    import ruptures

    signal = numpy.asarray(logarithms)
    # Most differences from one run to the next are scatter, whatever steps there are.
    scatter = max(1.4826 * float(numpy.median(numpy.abs(numpy.diff(signal)))) / math.sqrt(2), MIN_SCATTER)
    search = ruptures.KernelCPD(kernel="rbf", min_size=MIN_LEVEL, params={"gamma": WIDTH}).fit(
        (signal / scatter).reshape(-1, 1)
    )
    return [0, *(search.predict(pen=PENALTY * math.log(len(signal))) or [len(signal)])]


def _without_small(values: Sequence[float], borders: Sequence[int]) -> list[int]:
    """The borders without those over which the median hardly changes, the smallest taken out first."""
    borders = list(borders)
    while len(borders) > 2:
        medians = [median(values[low:high]) for low, high in pairwise(borders)]
        changes = [abs(math.log(after / before)) for before, after in pairwise(medians)]
        smallest = min(range(len(changes)), key=changes.__getitem__)
        if changes[smallest] >= math.log1p(MIN_CHANGE):
            break
        del borders[smallest + 1]
    return borders


def changed(before: Record, after: Record) -> tuple[str, ...]:
    """Differences between two records that could explain a step: the commits and the comparable facts."""
    (first, _), (second, _) = commit_of(before), commit_of(after)
    pairs: list[tuple[str, object, object]] = [("commit", first and first[:10], second and second[:10])]
    if after.model and after.model.source:  # its commit is the network's, and not co3d-bench's
        pairs.append(("co3d-bench", _bench_commit(before), _bench_commit(after)))
    pairs += [(name.rpartition(".")[2], fact(before, name), fact(after, name)) for name in COMPARABLE_FACTS]
    return tuple(f"{name} {was} → {now}" for name, was, now in pairs if was != now)


def _bench_commit(record: Record) -> str | None:
    commit = record.environment.git_commit if record.environment else None
    return commit and commit[:10]


def _point(run: CaseResult, metric: Metric, anchor: Record | None) -> Point | None:
    """A run as a point, with the latency normalised to `anchor`; None where the run has no such figure."""
    figure = run.figure(metric)
    if figure is None or figure.value <= 0:
        return None
    record = figure.record
    normalised = normalised_latency_s(record, anchor) if anchor and metric.name == "latency_s" else None
    return Point(run.run_id, record.started_at, figure.value, record, run.warnings if metric.noisy else (), normalised)


def _runs(records: Iterable[Record]) -> list[CaseResult]:
    """Every run of every case on every machine, cases in the order of their first record, runs in that of time.

    A process that failed before it knew its machine counts for each machine of its run.
    """
    runs: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        runs.setdefault((record.key, record.run_id), []).append(record)
    found: list[CaseResult] = []
    for run in runs.values():
        machines = dict.fromkeys(_machine(record) for record in run if record.environment)
        for machine in machines or (None,):
            found += case_results(record for record in run if _machine(record) in (machine, None))
    order = {key: index for index, (key, _) in enumerate(reversed(runs))}
    return sorted(found, key=lambda run: (-order[run.key], run.records[0].started_at))


def _machine(record: Record) -> str | None:
    return record.environment.machine.cpu_model if record.environment else None
