"""What the worker of a board does: reach it, measure one case there with all its fresh processes, leave it clean.

It is today's path over ssh (`bench/run`), with one case in its session; each record goes to the client before the next
process starts, and before the board forgets it.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from ...devices.profile import DeviceProfile
from ...devices.remote.board import AgentError, Board
from ...devices.remote.files import MOVING, STANDING
from ...devices.remote.ssh import Ssh, Unreachable
from ..measure.job import BoardHost, Event
from ..plan.plan import BoardFacts, CaseProcess
from ..plan.resolve import Resolved
from ..record.case import Case, WeightsFile
from ..record.environment import Checkout
from ..record.fleet import CoolDownHeld, FleetFacts
from ..record.record import Record, Settings
from ..run.boards.boards import Boards, BoardUnavailable, reach_boards
from ..run.boards.sensor_log import Thermometer
from ..run.processes import Parent
from ..run.progress import Silent
from ..run.resume import EarlierRun
from ..run.rounds import Aim
from ..run.run import BOARD_WORKER, WORKER
from ..run.session import Hints, Refusal, Session, Tools
from ..run.stop import Stop
from .cool import Cooling, hold
from .post import Post, Refused, posting
from .warm import Warm


@dataclass(frozen=True)
class RunFacts:
    """What all cases of a run have in common. `config` has the devices of one board only."""

    config: Resolved
    settings: Settings
    aim: Aim
    weights: Mapping[str, WeightsFile]
    checkout: Checkout
    run_id: str
    board_worker: Sequence[str] | None = None  # the process of a case; None: by the worker's own installation


@dataclass(frozen=True)
class CaseTask:
    """One case for one board."""

    token: str  # of this one assignment
    run: RunFacts
    case: Case
    board: DeviceProfile
    facts: FleetFacts
    since_s: float | None  # since the board's last case of this run ended; None: this is its first
    known: tuple[Record, ...] = ()  # records of the same network, whose operations need not be counted again


@dataclass(frozen=True)
class Ended:
    """How a task ended. `done`: the case is through, as far as its rounds go. `lost`: the board is not reached any
    more. `busy`: another run measures there."""

    how: Literal["done", "lost", "busy", "refused", "stopped"]
    why: str = ""


def for_board(config: Resolved, case: Case, board: DeviceProfile) -> Resolved:
    """The config in which the device of a case is this board."""
    return replace(config, catalog=replace(config.catalog, devices={case.device: board}))


def probe(board: DeviceProfile, run_id: str | None) -> BoardFacts | str:
    """What a plan must know of a board, or why it is not reached, or which other run measures there."""
    with _FEW:
        reached, unavailable = reach_boards([board.name], {board.name: board}, run_id)
    return reached[board.name] if board.name in reached else unavailable[board.name]


def measure_case(task: CaseTask) -> Ended:
    """Measure a case on its board, as far as it has not been."""
    with posting(task.run.run_id, task.token) as (post, stop):
        try:
            records = post.begin()
            post.state(stage="reaching the board")
            with _FEW:
                opened = _open(task.run.run_id, task.board)
                other = _other_run(opened, task)
            if other:
                return Ended("busy", other)
            return _Case(task, opened, post, stop).measure(records)
        except BoardUnavailable as error:
            _forget(task.run.run_id, task.board.name)
            return Ended("lost", str(error))
        except Refused as error:
            return Ended("refused", str(error))


def leave(run_id: str, board: DeviceProfile) -> str | None:
    """End what runs on a board for this run, and remove all that was copied; why that could not be done, or None."""
    with _LOCK:
        opened = _OPEN.pop((run_id, board.name), None)
    there = opened.board if opened else Board(Ssh(board.host or ""), run_id, board.python)
    try:
        with _FEW:
            if opened is None:  # a host that was killed may have left a folder there
                there.open()
            there.clean()
    except (Unreachable, AgentError) as error:
        return str(error)
    finally:
        if opened:
            opened.boards.forget()
    return None


@dataclass
class _Opened:
    """A board that a run has opened in this process."""

    boards: Boards
    host: BoardHost
    board: Board


# So many boards are asked, opened or left by one process at a time: on a busy host fifty ssh that connect at once need
# longer than the ten seconds after which each gives up.
MOST_AT_ONCE = 16
_FEW = threading.BoundedSemaphore(MOST_AT_ONCE)
# Of this process, for all its workers.
_WARM = Warm(BOARD_WORKER)
# By run and board: a board is opened once, not for each case.
_OPEN: dict[tuple[str, str], _Opened] = {}
_LOCK = threading.Lock()


def _open(run_id: str, profile: DeviceProfile) -> _Opened:
    """The board of a run, opened at the first call. Raises BoardUnavailable."""
    with _LOCK:
        opened = _OPEN.get((run_id, profile.name))
    if opened is None:
        boards = Boards({profile.name: profile}, run_id, report=lambda why: None)
        host = boards.host(profile.name)
        assert host is not None  # noqa: S101 - a board of a fleet has a host
        board = Board(Ssh(host.host, socket=host.socket), run_id, profile.python)
        opened = _Opened(boards, host.model_copy(update={"takes_over": True}), board)
        with _LOCK:
            _OPEN[run_id, profile.name] = opened
    else:
        opened.boards.host(profile.name)  # connected again where the connection broke
    return opened


def _forget(run_id: str, name: str) -> None:
    """Open a board anew at the next case."""
    with _LOCK:
        opened = _OPEN.pop((run_id, name), None)
    if opened:
        opened.boards.forget()


def _other_run(opened: _Opened, task: CaseTask) -> str | None:
    """Which other run measures on a board. Raises BoardUnavailable."""
    try:
        holder = opened.board.holder()
    except (Unreachable, AgentError) as error:
        raise BoardUnavailable(f"{task.board.name} is lost: {error}") from error
    if holder is None or holder[0] == task.run.run_id:  # what runs there is ours, of a host that was killed
        return None
    return f"run {holder[0]} measures there since {holder[1]}"


class _Reports(Silent):
    """What a session reports, for the client."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._process = ""

    def started(self, round_number: int, case: Case, left: str, at_host: bool) -> None:
        self._process = f"process {round_number}" if round_number else "energy"
        self._post.state(stage=self._process, left=left)

    def event(self, event: Event) -> None:
        if event.temperature_c is not None:
            self._post.state(temperature_c=event.temperature_c)
        if event.phase:
            count = f" {event.done}/{event.total}" if event.total else ""
            self._post.state(stage=f"{self._process}: {event.phase}{count}")


@dataclass
class _Case:
    """One case while it is measured."""

    task: CaseTask
    opened: _Opened
    post: Post
    stop: Stop
    held: CoolDownHeld | None = None  # until the first record has it
    lost: list[str] = field(default_factory=list)

    def measure(self, records: list[Record]) -> Ended:
        """Its missing processes. Raises BoardUnavailable, Refused."""
        task, run = self.task, self.task.run
        self.held = self._cool_down()
        reports = _Reports(self.post)
        parent = Parent(
            config=for_board(run.config, task.case, task.board),
            settings=run.settings,
            weights=run.weights,
            checkout=run.checkout,
            earlier=EarlierRun(run.run_id, {}),
            workers=(WORKER, run.board_worker or _WARM.command()),
            stop=self.stop,
            progress=reports,
        )
        tools = Tools(
            measure=partial(self._measure, parent),
            keep=self._keep,
            remove_cases=lambda device: self.opened.boards.remove_cases(task.board.name),
            lose=lambda device, why: self.lost.append(why),
            stopped=lambda: self.stop.signal is not None,
            usable=lambda name: True,
            after_round=lambda number, records: None,
            clock=time.monotonic,
        )
        session = Session(
            aim=run.aim,
            tools=tools,
            progress=reports,
            begun=time.monotonic(),
            cases=[task.case],
            records=records,
            at_host=frozenset({task.case.device}),
            wants_energy=run.config.run.energy,
            known=task.known,
        )
        session.run()
        if self.lost:
            with suppress(BoardUnavailable):
                if other := _other_run(self.opened, task):  # it began between two processes of this case
                    return Ended("busy", other)
            raise BoardUnavailable(self.lost[0])
        return Ended("stopped" if self.stop.signal else "done")

    def _measure(self, parent: Parent, process: CaseProcess, hints: Hints) -> Record | Refusal | None:
        facts = self.task.facts.model_copy(update={"cool_down": self.held})
        return replace(parent, fleet=facts).measure(process, hints, self.opened.host, None, may_refuse=False)

    def _keep(self, before: Sequence[Record], record: Record) -> None:
        self.post.keep(record)
        self.held = None

    def _cool_down(self) -> CoolDownHeld | None:
        asked = self.task.run.config.fleet.cool_down
        if asked is None:
            return None

        def show(temperature_c: float | None) -> None:
            self.post.state(stage=f"cooling down to {asked.text}", temperature_c=temperature_c)

        def wait(seconds: float) -> bool:
            return bool(select.select([self.stop], [], [], seconds)[0])

        if asked.time_s is not None:
            self.post.state(stage=f"cooling down for {asked.text}")
        return hold(asked, self.task.since_s, Cooling(self._temperature_c, wait, show))

    def _temperature_c(self) -> float | None:
        """Raises BoardUnavailable."""
        try:
            hello = self.opened.board.hello((*MOVING, *STANDING))
        except (Unreachable, AgentError) as error:
            raise BoardUnavailable(f"{self.task.board.name} is lost: {error}") from error
        return Thermometer(self.task.board, hello.snapshot).hottest_c()
