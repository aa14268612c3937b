"""The rounds of a run as they happen: what is measured next, what is passed on, when the page is renewed.

Clock and processes are arguments, so that tests run it with a fake clock and without processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..measure.job import Verified
from ..plan.plan import CaseProcess
from ..record.case import Case
from ..record.record import Counters, Record
from .boards.boards import BoardUnavailable
from .progress import Progress
from .rounds import Aim, Round, fits, next_process, next_round, seconds_left, time_left_text

# Called with the number of a round (0: of energy) and all records so far.
AfterRound = Callable[[int, Sequence[Record]], None]


@dataclass(frozen=True)
class Hints:
    """What a process gets besides its case: results of earlier processes, and whether it measures energy."""

    counters: Counters | None = None
    operations: Counters | None = None
    verified: Verified | None = None
    energy: bool = False


@dataclass(frozen=True)
class Refusal:
    """Why the engine of a case does not run the network."""

    why: str


@dataclass(frozen=True)
class Tools:
    """What a session uses from outside."""

    # One fresh process; None if it was stopped. Raises BoardUnavailable where its board is lost.
    measure: Callable[[CaseProcess, Hints], Record | Refusal | None]
    keep: Callable[[Sequence[Record], Record], None]  # (earlier records, the new one): write it to the disk
    remove_cases: Callable[[str], None]  # (device): remove what its last case left there
    lose: Callable[[str, str], None]  # (device, why): run nothing more there
    stopped: Callable[[], bool]
    usable: Callable[[str], bool]  # whether an engine is installed
    after_round: AfterRound
    clock: Callable[[], float]


@dataclass
class TimeShare:
    """A number of processes, their time, and how much of it was measuring."""

    processes: int = 0
    wall_s: float = 0.0
    measuring_s: float = 0.0

    def add(self, record: Record, wall_s: float) -> None:
        self.processes += 1
        self.wall_s += wall_s
        self.measuring_s += measuring_s(record)

    @property
    def harness_s(self) -> float:
        return self.wall_s - self.measuring_s

    def text(self, what: str) -> str:
        """`round 1: 90 s in 12 processes: 52 s measuring, 38 s the harness's own (...)`."""
        return (
            f"{what}: {self.wall_s:.0f} s in {self.processes} process{'es' if self.processes != 1 else ''}: "
            f"{self.measuring_s:.0f} s measuring, {self.harness_s:.0f} s the harness's own (loading torch and the "
            "network, checking its answers, counting)"
        )


def measuring_s(record: Record) -> float:
    """Seconds that a process spent on measuring: warm-up, samples, blocks of energy, frames of a camera, films,
    frames since a start."""
    timing = record.timing
    blocks = (*record.energy.busy, *record.energy.idle) if record.energy else ()
    energy_s = sum(block.seconds for block in blocks)
    camera_s = record.camera.watched_s if record.camera else 0.0
    films_s = sum(each.duration_s for each in (record.evaluation, record.transient) if each)
    return (timing.warmup_s + timing.sampling_wall_s if timing else 0.0) + energy_s + camera_s + films_s


def missing_processes(cases: Iterable[Case], of_case: Mapping[Case, Sequence[Record]], aim: Aim) -> int:
    """How many of the requested processes have no record of all that was asked; those of failed cases do not count."""
    whole = [[each for each in of_case.get(case, ()) if not each.stopped] for case in cases]
    return sum(max(0, aim.processes - len(of)) for of in whole if not any(each.error for each in of))


@dataclass
class Session:
    """One run. `records` begins with those that a resumed run already has."""

    aim: Aim
    tools: Tools
    progress: Progress
    begun: float  # by the clock, when the run began
    cases: list[Case]
    instead: Mapping[Case, Sequence[str]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)  # in the order of time
    at_host: frozenset[str] = frozenset()  # devices
    wants_energy: bool = False
    known: Sequence[Record] = ()  # of other cases of this call, whose operations need not be counted again
    lost: set[str] = field(default_factory=set)  # devices
    _late: set[Case] = field(default_factory=set)  # cases whose next process would not end in time
    _last_s: dict[Case, float] = field(default_factory=dict)
    _first: dict[Case, Record] = field(default_factory=dict)  # of this call: code may have changed since the run began
    _all: TimeShare = field(default_factory=TimeShare)
    _shown: int = 0  # records, when they were shown last

    def __post_init__(self) -> None:
        self._instead = dict(self.instead)

    def of_case(self) -> dict[Case, list[Record]]:
        """The records of each case that has some."""
        records: dict[Case, list[Record]] = {}
        for record in self.records:
            records.setdefault(record.case, []).append(record)
        return records

    def next_round(self) -> Round | None:
        """The next round within the aim and the time; None where there is none."""
        open_cases = [case for case in self.cases if case.device not in self.lost and case not in self._late]
        return next_round(open_cases, self.of_case(), self.aim)

    def energy_processes(self) -> tuple[CaseProcess, ...]:
        """Processes that measure energy after the last round, where the number of rounds is not known before: one for
        each case whose device has a sensor. Otherwise the last process of a case measures energy (`_hints`)."""
        if not (self.wants_energy and self.aim.open):
            return ()
        records = self.of_case()
        return tuple(
            CaseProcess(case, next_process(records[case]))
            for case in self.cases
            if case in records and case.device not in self.lost
            if not any(record.error or record.energy for record in records[case])
        )

    def missing(self) -> int:
        """How many of the requested processes have no record of all that was asked; those of failed cases do not
        count."""
        return missing_processes(self.cases, self.of_case(), self.aim)

    def run(self) -> None:
        """Round after round, then energy; ends early where it is stopped."""
        noted = 0
        while not self.tools.stopped() and (round_ := self.next_round()):
            self._run_processes(round_.number, round_.processes)
            if round_.number == 1 and self._all.processes:
                noted = self._all.processes
                self.progress.note(self._all.text("round 1"))
        if not self.tools.stopped() and (processes := self.energy_processes()):
            self._run_processes(0, processes)
        self.progress.end()
        if self._all.processes > noted:
            self.progress.note(self._all.text("all rounds"))

    def _run_processes(self, number: int, processes: Iterable[CaseProcess]) -> None:
        """Run the processes of one round (0: of energy), then show the records."""
        for process in processes:
            if self.tools.stopped():
                break
            if process.case.device in self.lost:
                continue
            if number and not fits(self._last_s.get(process.case), self.tools.clock() - self.begun, self.aim):
                self._late.add(process.case)
                continue
            self._run_process(number, process)
        if len(self.records) > self._shown:
            self._shown = len(self.records)
            self.progress.end()
            self.tools.after_round(number, tuple(self.records))

    def _run_process(self, number: int, process: CaseProcess) -> None:
        """Run one process; where its engine refuses the network, one of the engine that replaces it."""
        case = process.case
        begin = self.tools.clock()
        passed_s = begin - self.begun
        left_s = seconds_left(self.cases, self.of_case(), self._last_s, self.aim)
        left = time_left_text(left_s, passed_s, self.aim) if number else ""
        self.progress.started(number, case, left, at_host=case.device in self.at_host)
        try:
            result = self.tools.measure(process, self._hints(process, energy_pass=number == 0))
        except BoardUnavailable as error:
            self.lost.add(case.device)
            self.tools.lose(case.device, str(error))
            return
        if isinstance(result, Refusal):
            if other := self._replace(case, result.why):
                self._run_process(number, CaseProcess(other))
            return
        if result is None:
            return
        self.tools.keep(self.records, result)
        self.records.append(result)
        wall_s = self.tools.clock() - begin
        self._last_s[case] = wall_s
        self._all.add(result, wall_s)
        if result.ok:
            self._first.setdefault(case, result)
        self.progress.finished(result)
        self.tools.remove_cases(case.device)

    def _hints(self, process: CaseProcess, *, energy_pass: bool) -> Hints:
        """The results of the case's first process in this call, and whether this process measures energy."""
        last = not self.aim.open and process.number == self.aim.processes
        energy = self.wants_energy and (energy_pass or last)
        first = self._first.get(process.case)
        if first is None:
            return Hints(operations=self._operations(process.case.model), energy=energy)
        verified = None
        if first.verification and first.output_sha256:
            verified = Verified(output_sha256=first.output_sha256, verification=first.verification)
        return Hints(counters=first.counters, verified=verified, energy=energy)

    def _operations(self, model: str) -> Counters | None:
        """The counters of a network on any engine, if all could be counted."""
        ways = ("macs", "macs_once", "macs_functional", "macs_aten", "flops_torch")
        for record in (*self._first.values(), *self.known):
            counters = record.counters
            if record.case.model == model and counters and all(getattr(counters, way) is not None for way in ways):
                return counters
        return None

    def _replace(self, case: Case, why: str) -> Case | None:
        """The case with the next engine, where its own refuses the network; None where there is none."""
        others = self._instead.get(case, ())
        usable = next((name for name in others if self.tools.usable(name)), None)
        index = self.cases.index(case)
        if usable is None:
            del self.cases[index]
            self.progress.note(f"{case.model}: {why}; no other engine is installed that could replace it")
            return None
        other = case.model_copy(update={"backend": usable})
        self.progress.note(f"{case.model}: {why}; {usable} replaces it")
        if other in self.cases:  # asked for by name as well
            del self.cases[index]
            return None
        self.cases[index] = other
        self._instead[other] = others[others.index(usable) + 1 :]
        return other
