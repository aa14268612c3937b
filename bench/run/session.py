"""The rounds of a run as they happen: what is measured next, what is passed on, when the page is renewed.

Everything that takes time is handed in, so that tests run it with a clock of their own and no process at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..measure.job import Verified
from ..plan.plan import Turn
from ..record.case import Case
from ..record.record import Counters, Record
from .boards.boards import Away
from .progress import Progress
from .rounds import Aim, Round, fits, next_process, next_round, seconds_left, time_left_text

# The number of a round (0: of energy), and all records so far: to show them.
AfterRound = Callable[[int, Sequence[Record]], None]


@dataclass(frozen=True)
class Hints:
    """What a process is told besides its turn: what others found out before it, and what it does beyond timing."""

    counters: Counters | None = None
    operations: Counters | None = None
    verified: Verified | None = None
    energy: bool = False


@dataclass(frozen=True)
class Refusal:
    """The engine of a case does not run the network; and why."""

    why: str


@dataclass(frozen=True)
class Tools:
    """What a session needs of the world."""

    # One fresh process; None if it was stopped. Raises Away where its board is lost.
    measure: Callable[[Turn, Hints], Record | Refusal | None]
    keep: Callable[[Sequence[Record], Record], Record]  # (those before, the record) onto the disk; as it is there
    settle: Callable[[str], None]  # a device: nothing of its last case has to be left there
    lose: Callable[[str, str], None]  # a device, and why nothing more is run there
    stopped: Callable[[], bool]
    usable: Callable[[str], bool]  # whether an engine is installed
    after_round: AfterRound
    clock: Callable[[], float]


@dataclass
class Share:
    """Of how many processes, how long they took in all, and how much of that was warming up and sampling."""

    processes: int = 0
    wall_s: float = 0.0
    measuring_s: float = 0.0

    def add(self, record: Record, wall_s: float) -> None:
        self.processes += 1
        self.wall_s += wall_s
        self.measuring_s += measuring_s(record)

    @property
    def own_s(self) -> float:
        return self.wall_s - self.measuring_s

    def text(self, what: str) -> str:
        """`round 1: 52 s in 12 processes, of which 21 s were not warm-up or samples`."""
        return (
            f"{what}: {self.wall_s:.0f} s in {self.processes} process{'es' if self.processes != 1 else ''}, "
            f"{self.own_s:.0f} s of them the harness's own (neither warm-up nor samples)"
        )


def measuring_s(record: Record) -> float:
    """Seconds of a process in which the network ran for its figures: warm-up, samples, blocks of energy."""
    timing = record.timing
    blocks = (*record.energy.busy, *record.energy.idle) if record.energy else ()
    energy_s = sum(block.seconds for block in blocks)
    return (timing.warmup_s + timing.sampling_wall_s if timing else 0.0) + energy_s


@dataclass
class Session:
    """One run. `records` begins with those that a resumed run has already."""

    aim: Aim
    tools: Tools
    progress: Progress
    begun: float  # by the clock, when the run began
    cases: list[Case]
    instead: Mapping[Case, Sequence[str]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)  # in the order of time
    at_host: frozenset[str] = frozenset()  # devices
    wants_energy: bool = False
    lost: set[str] = field(default_factory=set)  # devices
    _late: set[Case] = field(default_factory=set)  # another process of these would not end in time
    _last_s: dict[Case, float] = field(default_factory=dict)
    _first: dict[Case, Record] = field(default_factory=dict)  # of this call: code may have changed since the run began
    _all: Share = field(default_factory=Share)
    _shown: int = 0  # records, when they were shown last

    def __post_init__(self) -> None:
        self._instead = dict(self.instead)

    def of_case(self) -> dict[Case, list[Record]]:
        """The records of each case that has some."""
        found: dict[Case, list[Record]] = {}
        for record in self.records:
            found.setdefault(record.case, []).append(record)
        return found

    def next_round(self) -> Round | None:
        """What is still to be done within the aim and the time."""
        open_cases = [case for case in self.cases if case.device not in self.lost and case not in self._late]
        return next_round(open_cases, self.of_case(), self.aim)

    def energy_turns(self) -> tuple[Turn, ...]:
        """Where rounds have no known end, energy is measured behind the last one, in a process of its own for each case
        whose device has a sensor; else the last process of the case does it (`_hints`)."""
        if not (self.wants_energy and self.aim.open):
            return ()
        found = self.of_case()
        return tuple(
            Turn(case, next_process(found[case]))
            for case in self.cases
            if case in found and case.device not in self.lost
            if not any(record.error or record.energy for record in found[case])
        )

    def missing(self) -> int:
        """Processes that were asked for by number and are not there; those of failed cases are not missed."""
        found = self.of_case()
        whole = {case: found.get(case, []) for case in self.cases}
        return sum(max(0, self.aim.processes - len(of)) for of in whole.values() if not any(each.error for each in of))

    def run(self) -> None:
        """Round after round, then energy; ends early where it is stopped."""
        told = 0
        while not self.tools.stopped() and (round_ := self.next_round()):
            self._turns(round_.number, round_.turns)
            if round_.number == 1 and self._all.processes:
                told = self._all.processes
                self.progress.note(self._all.text("round 1"))
        if not self.tools.stopped() and (turns := self.energy_turns()):
            self._turns(0, turns)
        self.progress.end()
        if self._all.processes > told:
            self.progress.note(self._all.text("all rounds"))

    def _turns(self, number: int, turns: Iterable[Turn]) -> None:
        """The processes of one round (0: of energy), and what there is shown."""
        for turn in turns:
            if self.tools.stopped():
                break
            if turn.case.device in self.lost:
                continue
            if number and not fits(self._last_s.get(turn.case), self.tools.clock() - self.begun, self.aim):
                self._late.add(turn.case)
                continue
            self._take(number, turn)
        if len(self.records) > self._shown:
            self._shown = len(self.records)
            self.progress.end()
            self.tools.after_round(number, tuple(self.records))

    def _take(self, number: int, turn: Turn) -> None:
        """One process; where its engine refuses the network, one of the engine that takes its place."""
        case = turn.case
        begin = self.tools.clock()
        passed_s = begin - self.begun
        left_s = seconds_left(self.cases, self.of_case(), self._last_s, self.aim)
        left = time_left_text(left_s, passed_s, self.aim) if number else ""
        self.progress.started(number, case, left, at_host=case.device in self.at_host)
        try:
            got = self.tools.measure(turn, self._hints(turn, energy_pass=number == 0))
        except Away as away:
            self.lost.add(case.device)
            self.tools.lose(case.device, str(away))
            return
        if isinstance(got, Refusal):
            if other := self._replace(case, got.why):
                self._take(number, Turn(other))
            return
        if got is None:
            return
        got = self.tools.keep(self.records, got)
        self.records.append(got)
        wall_s = self.tools.clock() - begin
        self._last_s[case] = wall_s
        self._all.add(got, wall_s)
        if got.ok:
            self._first.setdefault(case, got)
        self.progress.finished(got)
        self.tools.settle(case.device)

    def _hints(self, turn: Turn, *, energy_pass: bool) -> Hints:
        """What the first process of the case in this call found out, and whether this one measures energy."""
        last = not self.aim.open and turn.process == self.aim.processes
        energy = self.wants_energy and (energy_pass or last)
        first = self._first.get(turn.case)
        if first is None:
            return Hints(operations=self._operations(turn.case.model), energy=energy)
        verified = None
        if first.verification and first.output_sha256:
            verified = Verified(output_sha256=first.output_sha256, verification=first.verification)
        return Hints(counters=first.counters, verified=verified, energy=energy)

    def _operations(self, model: str) -> Counters | None:
        """What was counted of a network, if all of it could be: else a note says what could not, and why."""
        ways = ("macs", "macs_once", "macs_functional", "macs_aten", "flops_torch")
        for record in self._first.values():
            counters = record.counters
            if record.case.model == model and counters and all(getattr(counters, way) is not None for way in ways):
                return counters
        return None

    def _replace(self, case: Case, why: str) -> Case | None:
        """The case with the next engine in the place of one that refuses the network; None where there is none."""
        others = self._instead.get(case, ())
        usable = next((name for name in others if self.tools.usable(name)), None)
        place = self.cases.index(case)
        if usable is None:
            del self.cases[place]
            self.progress.note(f"{case.model}: {why}; no other engine is here to take its place")
            return None
        other = case.model_copy(update={"backend": usable})
        self.progress.note(f"{case.model}: {why}; {usable} takes its place")
        if other in self.cases:  # asked for by name as well
            del self.cases[place]
            return None
        self.cases[place] = other
        self._instead[other] = others[others.index(usable) + 1 :]
        return other
