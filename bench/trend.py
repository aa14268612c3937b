"""How a figure went from run to run, and where it changed for good: records in, series and steps out. Pure.

Steps are found by the library ruptures: PELT (Killick, Fearnhead and Eckley 2012,
https://doi.org/10.1080/01621459.2012.737745) with a Gaussian kernel (Arlot, Celisse and Harchaoui 2019,
https://jmlr.org/papers/v20/16-155.html), whose bounded cost a single slow run cannot turn into a step. It works on
logarithms, so that a step is a ratio. How often it errs: `python tests/speed/history_steps.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise

from .metrics import Metric
from .one_pace import at_one_pace
from .processes import speaking
from .record import COMPARABLE_FACTS, Record, fact
from .stats import doubts, median

INSTALL = "pip install 'co3d-bench[history]'"

# A level has at least so many runs, and a series so many before steps are looked for.
MIN_LEVEL = 3
MIN_POINTS = 2 * MIN_LEVEL
# Steps smaller than this are not told of: a hundredth of a latency is no news to anybody.
MIN_CHANGE = 0.02
# Of a series that does not scatter at all: one run in a hundred thousandth of itself must not look like an earthquake.
MIN_SCATTER = 0.002
# Of the kernel exp(-WIDTH d^2), d in units of the scatter; and what a further step must save, times ln(runs). Chosen by
# the script named above.
WIDTH = 0.1
PENALTY = 0.6


@dataclass(frozen=True)
class Point:
    """One run of a case: the middle value of its processes, of those that speak for it (`processes.py`)."""

    run_id: str
    started_at: str
    value: float  # in the metric's unit
    record: Record  # of the process with the middle value: commit, versions
    doubts: tuple[str, ...]

    @property
    def commit(self) -> str | None:
        """Of co3d-bench; with a + where files differed from it."""
        environment = self.record.environment
        if environment is None or environment.git_commit is None:
            return None
        return environment.git_commit[:10] + ("+" if environment.git_dirty else "")


@dataclass(frozen=True)
class Step:
    """From `first` on (an index into the series' points) the level is another one."""

    first: int
    before: float  # medians of the levels, in the metric's unit
    after: float
    changed: tuple[str, ...]  # what else is different since the point before, in words

    @property
    def change(self) -> float:
        """Relative: 0.1 is ten per cent more."""
        return self.after / self.before - 1


@dataclass(frozen=True)
class Series:
    """One case on one kind of machine, run after run."""

    key: str
    machine: str
    metric: Metric
    points: tuple[Point, ...]
    steps: tuple[Step, ...] = ()


def series(records: Iterable[Record], metric: Metric) -> tuple[Series, ...]:
    """The series of a metric, by case and processor, in the order of their first run; failed cases have no point.

    Steps are in them where ruptures is installed (`can_find_steps`) and there are enough runs free of doubt.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.ok and record.environment is not None:
            groups.setdefault((record.key, record.environment.machine.cpu_model), []).append(record)
    found = []
    for (key, machine), group in groups.items():
        runs: dict[str, list[tuple[float, Record]]] = {}
        for record in at_one_pace(group):
            if (value := metric.value(record)) is not None and value > 0:
                runs.setdefault(record.run_id, []).append((value, record))
        if not runs:
            continue
        points = tuple(_point(run_id, processes, metric) for run_id, processes in runs.items())
        points = tuple(sorted(points, key=lambda point: point.started_at))
        found.append(Series(key, machine, metric, points, steps(points)))
    return tuple(found)


def can_find_steps() -> bool:
    """Whether the library that finds steps is installed."""
    return find_spec("ruptures") is not None


def steps(points: Sequence[Point]) -> tuple[Step, ...]:
    """Where the level of these points changed, noisy runs left out; empty where they are too few."""
    clear = [index for index, point in enumerate(points) if not point.doubts]
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
    # From one run to the next most differences are scatter alone, whatever steps there are.
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
    """What differs between two records that could explain a step: the commit, and the facts that must agree."""
    found = []
    for name in ("git_commit", *COMPARABLE_FACTS):
        was, now = fact(before, name), fact(after, name)
        if was != now:
            short = name.rpartition(".")[2].replace("git_", "")
            cut = 10 if short == "commit" else None
            found.append(f"{short} {str(was)[:cut]} → {str(now)[:cut]}")
    return tuple(found)


def _point(run_id: str, processes: Sequence[tuple[float, Record]], metric: Metric) -> Point:
    ordered = sorted(processes, key=lambda each: each[0])
    if metric.noisy and len(ordered) > 1:
        those = {id(record) for record in speaking([record for _, record in ordered])}
        ordered = [each for each in ordered if id(each[1]) in those] or ordered
    middle = ordered[(len(ordered) - 1) // 2][1]
    value = median([each for each, _ in ordered])
    return Point(run_id, middle.started_at, value, middle, doubts(middle) if metric.noisy else ())
