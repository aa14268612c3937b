"""The figures of a case, from the fresh processes of its newest run. Pure.

They are computed only here: the terminal, the page, CSV, Markdown, `compare`, `load(by="case")` and the
SQL table `cases` use them. Each figure is the value of one of the case's records, and can be read there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ..errors import NOTHING, UserError
from ..record.case import Case
from ..record.cuda_facts import CudaFacts
from ..record.record import (
    BatchSearch,
    Counters,
    Engine,
    Environment,
    Failure,
    Kind,
    ModelFacts,
    Record,
    Timing,
    Verification,
)
from ..record.sensing import Energy, Sensors
from .accuracy import Accuracy, Known, MeasuredAccuracy, known_accuracy
from .metrics import ACCURACY_15FPS_RATE, Metric, get_metric
from .summary import Summary, background_load, cores_text, is_loaded, throttled

T = TypeVar("T")

CONFIDENCE = 0.95
# A larger half-width is a warning, and `--processes auto` adds rounds until it is reached: with it the intervals of two
# networks that differ by 5 % do not overlap.
MAX_HALF_WIDTH = 0.025


@dataclass(frozen=True)
class Figure:
    """One metric of a case, in SI."""

    value: float  # the lower median of the processes, so that one record has it
    low: float  # the 95 % interval of the median by ranks, from six processes on; below six their range
    high: float
    processes: int
    record: Record  # the one with this value

    @property
    def half_width(self) -> float | None:
        """Of the interval, relative to the value; None for a single process."""
        return (self.high - self.low) / 2 / abs(self.value) if self.processes > 1 and self.value else None


@dataclass(frozen=True)
class CaseResult:
    """A case as measured by one run: the records of its fresh processes in order; at least one."""

    records: tuple[Record, ...]
    scored: tuple[Record, ...] = ()  # records of the store with an accuracy of this network

    @property
    def case(self) -> Case:
        return self.records[0].case

    @property
    def key(self) -> str:
        return self.records[0].key

    @property
    def source(self) -> str:
        """The store or bundle that all of its records are of; empty where only one is shown."""
        return self.case.source

    @property
    def run_id(self) -> str:
        return self.records[0].run_id

    @cached_property
    def error(self) -> Failure | None:
        """Why the case has no figures: any wrong answer; otherwise only if every process failed."""
        errors = [record.error for record in self.records if record.error]
        wrong = next((error for error in errors if error.kind == "wrong-answer"), None)
        return wrong or (errors[-1] if len(errors) == len(self.records) else None)

    @property
    def ok(self) -> bool:
        return self.error is None

    @cached_property
    def measured(self) -> tuple[Record, ...]:
        """The processes with figures."""
        return () if self.error else tuple(record for record in self.records if record.ok)

    @cached_property
    def timed(self) -> tuple[Record, ...]:
        return tuple(record for record in self.measured if record.timing)

    @cached_property
    def record(self) -> Record:
        """The representative record, for facts: the one whose median latency is shown; where none was timed, the one
        with the error, else the last."""
        if shown := self.figure("latency_s"):
            return shown.record
        return next((each for each in reversed(self.records) if each.error == self.error), self.records[-1])

    # Facts come from the representative record; those it lacks (only one process is verified, a failed one may have
    # none) from the first record that has them.
    def _known(self, fact: Callable[[Record], T | None]) -> T | None:
        return next((found for each in (self.record, *self.records) if (found := fact(each)) is not None), None)

    @property
    def model(self) -> ModelFacts | None:
        return self._known(lambda record: record.model)

    @property
    def environment(self) -> Environment | None:
        return self._known(lambda record: record.environment)

    @property
    def timing(self) -> Timing | None:
        return self.record.timing if self.timed else None

    @property
    def verification(self) -> Verification | None:
        return self._known(lambda record: record.verification)

    @property
    def engine(self) -> Engine | None:
        return self._known(lambda record: record.engine)

    @property
    def sensors(self) -> Sensors | None:
        return self._known(lambda record: record.sensors)

    @property
    def cuda(self) -> CudaFacts | None:
        return self._known(lambda record: record.cuda)

    @property
    def batch_search(self) -> BatchSearch | None:
        return self._known(lambda record: record.batch_search)

    @property
    def device_kind(self) -> str | None:
        return self._known(lambda record: record.device_kind)

    @cached_property
    def accuracy(self) -> Known:
        """As measured of this very artefact, else as published."""
        return known_accuracy(self.record, self.model, self.scored)

    def figure(self, metric: str | Metric) -> Figure | None:
        """One metric over all processes; None where no process has it. A failed case keeps its exact figures (MACs,
        bytes), but has no noisy ones. An accuracy is that of `accuracy`, with its interval over films."""
        chosen = get_metric(metric) if isinstance(metric, str) else metric
        if chosen.name in ACCURACIES:
            return _accuracy_figure(ACCURACIES[chosen.name](self.accuracy), self.record)
        return figure_of(self.measured if chosen.noisy else self.records, chosen)

    def value(self, metric: str | Metric) -> float | None:
        """The value of `figure`."""
        found = self.figure(metric)
        return found.value if found else None

    @cached_property
    def latency_s(self) -> tuple[float, ...]:
        """The latencies of all timed predictions, process after process."""
        return tuple(s for record in self.timed if record.timing for s in record.timing.samples.latency_s)

    @cached_property
    def summary(self) -> Summary | None:
        """Of all timed predictions together: mean and standard deviation as the paper has them, and percentiles."""
        return Summary(self.latency_s) if self.latency_s else None

    @cached_property
    def counters(self) -> Counters | None:
        """The exact figures, from the first process that has them."""
        return next((record.counters for record in self.records if record.counters), None)

    @cached_property
    def energy(self) -> Energy | None:
        """From the process that measured it, else with the reason why none did."""
        found = [record.energy for record in self.records if record.energy]
        return next((energy for energy in found if energy.busy), found[-1] if found else None)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """The notes of all records, each once."""
        found = dict.fromkeys(note for record in self.records for note in record.notes)
        failed = sum(record.error is not None for record in self.records)
        more = [f"{failed} of {len(self.records)} fresh processes failed"] if failed and self.ok else []
        return (*found, *more)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """The warnings about the speed, as text. There are only three kinds."""
        found = []
        latency = self.figure("latency_s")
        width = latency.half_width if latency else None
        if latency and width is not None and width > MAX_HALF_WIDTH:
            few = rank_of_interval(latency.processes) is None
            what = f"its {latency.processes} processes range over" if few else "the 95 % interval of its median is"
            found.append(f"noisy: {what} ±{width:.1%}")
        loaded = [record for record in self.timed if is_loaded(record)]
        if loaded and 2 * len(loaded) >= len(self.timed):  # fewer do not move the median
            most = max(background_load(record) or 0.0 for record in loaded)
            of = f" in {len(loaded)} of {len(self.timed)} processes" if len(self.timed) > 1 else ""
            found.append(f"other work kept up to {cores_text(most)} busy{of}")
        signs = dict.fromkeys(why for record in self.timed if (why := throttled(record)))
        if signs:
            found.append(f"the device throttled: {'; '.join(signs)}")
        return tuple(found)


# The metrics that are of an artefact rather than of a process.
ACCURACIES: Mapping[str, Callable[[Known], Accuracy | None]] = {
    "accuracy_top1_percent": lambda known: known.main,
    "accuracy_15fps_percent": lambda known: known.on_camera(ACCURACY_15FPS_RATE),
}


def _accuracy_figure(found: Accuracy | None, record: Record) -> Figure | None:
    if found is None:
        return None
    if isinstance(found, MeasuredAccuracy):
        return Figure(found.top1, *found.ends, 1, found.record)
    return Figure(found.top1, found.top1, found.top1, 1, record)


def figure_of(records: Sequence[Record], metric: Metric) -> Figure | None:
    """The lower median of these processes and its interval; None where none has the metric."""
    found = [(value, record) for record in records if (value := metric.value(record)) is not None]
    if not found:
        return None
    ordered = sorted(found, key=lambda each: each[0])
    count = len(ordered)
    value, record = ordered[(count - 1) // 2]
    end = rank_of_interval(count) or 1
    return Figure(value, ordered[end - 1][0], ordered[-end][0], count, record)


def rank_of_interval(count: int, confidence: float = CONFIDENCE) -> int | None:
    """Which of `count` ordered values (1: the smallest) begins the interval of their median, which ends as many from
    the other end; None where even the whole range holds the median less often than `confidence`.

    Exact by the binomial distribution: each value lies below the true median with a chance of one half.
    """
    found, below = None, 0
    for rank in range(1, count // 2 + 1):
        below += math.comb(count, rank - 1)
        if 2 * below > (1 - confidence) * 2**count:
            break
        found = rank
    return found


def speed_records(records: Sequence[Record], where: str | Path) -> list[Record]:
    """Those of speed, of what is in a store (`where`). Raises UserError where there are only others: they have none."""
    found = [record for record in records if record.kind == "speed"]
    if records and not found:
        raise UserError(
            f"{where}: only records of {_verbs(records)}, which have no speed; measure it with `co3d-bench run`",
            NOTHING,
        )
    return found


def _verbs(records: Sequence[Record]) -> str:
    kinds = dict.fromkeys(record.kind for record in records)
    return " and ".join(f"`co3d-bench {_VERBS.get(kind, kind)}`" for kind in kinds)


_VERBS = {"accuracy": "evaluate"}


def case_results(records: Iterable[Record], kinds: Sequence[Kind] = ("speed",)) -> tuple[CaseResult, ...]:
    """Of each case of these kinds its newest run, in the order in which the cases first appeared.

    A case of another source is another case (`Case.key`), so no figure is of two stores or machines.
    The order of a store is the order of time: the newest run is that of the last record, with all that it has, also
    where two runs wrote at once. A process that was measured again, since it had failed, counts as it came out last.
    Each comes with the records of its network's accuracy.
    """
    found: dict[str, dict[str, dict[int, Record]]] = {}  # of each case by run, the newest last
    scored: dict[str, list[Record]] = {}
    for record in records:
        if record.evaluation:
            scored.setdefault(record.case.model, []).append(record)
        if record.kind not in kinds:
            continue
        runs = found.setdefault(record.key, {})
        runs[record.run_id] = {**runs.pop(record.run_id, {}), record.process: record}
    newest = (next(reversed(runs.values())) for runs in found.values())
    ordered = (tuple(run[process] for process in sorted(run)) for run in newest)
    return tuple(CaseResult(run, tuple(scored.get(run[0].case.model, ()))) for run in ordered)
