"""The host process of a fleet: gives cases to free boards and writes what they measured.

It alone writes the store. What was measured is decided by the keys of its records, never by what dask remembers: a task
asks for them when it begins, and each of its records is kept once.
"""

from __future__ import annotations

import queue
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from ...devices.remote.board import FOLDER
from ..plan.plan import BoardFacts
from ..plan.resolve import Resolved
from ..record.case import Case, WeightsFile
from ..record.environment import read_checkout
from ..record.fleet import FleetFacts
from ..record.record import Record
from ..record.store import append_record
from ..run.ready import aim_of_run, settings_of
from ..run.rounds import aim_text, next_round
from ..run.session import missing_processes
from ..run.stop import Stop
from .assign import OnShelf, Shelf, in_order
from .boards import FleetBoard
from .given import last_given, note_given
from .post import Message, deliver, stop_all, topic
from .ready import FleetPlan
from .show import FleetProgress
from .task import CaseTask, Ended, RunFacts, leave, measure_case, probe

if TYPE_CHECKING:
    from distributed import Client, Future

# How often signals are looked at while nothing arrives, and boards that are not there.
TICK_S = 0.2
LOOK_EVERY_S = 30.0
# How long boards may take to stop, and to be left clean.
STOP_S = 30.0
LEAVE_S = 120.0


def workers_there(client: Client) -> frozenset[str]:
    """The resources that the workers of a cluster offer at this moment."""
    workers: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return frozenset(name for worker in workers.values() for name in worker.get("resources", {}))


def probe_on(client: Client, board: FleetBoard, config: Resolved, run_id: str | None) -> Future:
    """Have the worker of a board look who is there."""
    return client.submit(probe, config.profiles[board.name], run_id, resources={board.resource: 1}, pure=False)


def seconds_since(record: Record) -> float:
    """How long ago a process ended, by the clock of the calendar."""
    begun = datetime.fromisoformat(record.started_at)
    return (datetime.now(timezone.utc) - begun).total_seconds() - record.duration_s


def result_of(future: Future, timeout_s: float | None = None) -> Any:
    """What a task returned, or why it returned nothing, in one line: its worker ended, or something unforeseen."""
    try:
        return future.result(timeout_s)
    except Exception as error:  # noqa: BLE001 - whatever a worker ran into costs its board, not the others
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason is given'}"


@dataclass
class _Assignment:
    """A case that was given to a board."""

    case: Case
    each: OnShelf
    future: Future
    execution: str | None = None


@dataclass
class _Inbox:
    """What arrives from dask, in whichever thread: reports of tasks, and ends of tasks."""

    arrived: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)

    def report(self, event: tuple[float, Message]) -> None:
        self.arrived.put(("report", event[1]))

    def watch(self, future: Future, kind: str, name: str) -> None:
        future.add_done_callback(lambda ended: self.arrived.put((kind, (name, ended))))

    def next(self) -> tuple[str, Any] | None:
        with suppress(queue.Empty):
            return self.arrived.get(timeout=TICK_S)
        return None


class Host:
    """A run of a fleet, in one thread."""

    def __init__(
        self, client: Client, fleet: FleetPlan, config: Resolved, kept: list[Record], run_id: str, stop: Stop
    ) -> None:
        """`kept`: the records of boards that a resumed run already has."""
        self._client, self._config, self._stop, self.run_id = client, config, stop, run_id
        self.aim, self.records = aim_of_run(config), kept
        at_boards = [case for case in fleet.plan.cases if case.device in fleet.plan.at_host]
        self._order = in_order(at_boards, config.fleet.seed)
        self._of_case: dict[Case, list[Record]] = {case: [] for case in self._order}
        for record in kept:
            self._of_case.setdefault(record.case, []).append(record)
        boards = [
            OnShelf(board, fleet.reached.get(board.name), fleet.away.get(board.name, "")) for board in fleet.boards
        ]
        owners = {record.case: record.fleet.board for record in kept if record.fleet}
        waiting = [case for case in self._order if self._wants_more(case)]
        self.shelf = Shelf({each.board.name: each for each in boards}, waiting, config.plan.threads, owners)
        self.shelf.left = last_given(config.run.out, run_id)
        self._used = {*owners.values(), *self.shelf.left.values()}
        for record in kept:
            if record.fleet and (each := self.shelf.boards.get(record.fleet.board)):
                each.last_end_s = time.monotonic() - max(0.0, seconds_since(record))
        self._inbox = _Inbox()
        self._running: dict[str, _Assignment] = {}  # by token
        self._probing: set[str] = set()
        self._looked_s = time.monotonic()

    def use(
        self,
        weights: Mapping[str, WeightsFile],
        board_worker: Sequence[str] | None,
        progress: FleetProgress,
        after_case: Callable[[Sequence[Record]], None],
    ) -> None:
        """What its tasks need, and what reports on them."""
        config = replace(self._config, catalog=replace(self._config.catalog, devices={}))
        settings, checkout = settings_of(config), read_checkout()
        self._facts = RunFacts(config, settings, self.aim, weights, checkout, self.run_id, board_worker)
        self._progress, self._after_case = progress, after_case

    def missing(self) -> int:
        """Processes of the boards' cases that have no record."""
        return missing_processes(self._order, self._of_case, self.aim)

    def run(self) -> list[str]:
        """Measure until no board can take what is left; returns why something is left, a line for each device."""
        self._client.subscribe_topic(topic(self.run_id), self._inbox.report)
        boards = list(self.shelf.boards.values())
        self._progress.begin(self.run_id, self._order, boards, aim_text(self.aim), len(self.records))
        try:
            while not self._stop.signal and self._client.status == "running":
                self._hand_out()
                if not self._running and not self._may_go_on():
                    break
                self._take_next()
                self._look()
            self._stop_all()
            self._leave_boards()
        finally:
            self._progress.end()
        return self._left()

    # ---- giving out

    def _may_go_on(self) -> bool:
        """Whether a board will be free for a case that waits."""
        takes = self.shelf.takes
        return any(takes(each, case) for case in self.shelf.waiting for each in self.shelf.boards.values())

    def _hand_out(self) -> None:
        now_s = time.monotonic()
        for each in self.shelf.boards.values():
            if case := self.shelf.next_case(each, now_s):
                self.shelf.begin(each, case)
                self._submit(each, case, now_s)

    def _submit(self, each: OnShelf, case: Case, now_s: float) -> None:
        token, board = secrets.token_hex(8), each.board
        order = self._order.index(case) + 1
        task = CaseTask(
            token=token,
            run=self._facts,
            case=case,
            board=self._config.profiles[board.name],
            facts=FleetFacts(board=board.name, host=board.host, seed=self._config.fleet.seed, order=order),
            since_s=None if each.last_end_s is None else now_s - each.last_end_s,
            known=self._counted(case.model),
        )
        resources = {board.resource: 1}
        note_given(self._config.run.out, self.run_id, board.name, case)
        future = self._client.submit(measure_case, task, key=f"{case.key}-{token}", resources=resources, pure=False)
        self._running[token] = _Assignment(case, each, future)
        self._used.add(board.name)
        self._inbox.watch(future, "ended", token)
        self._progress.board(each, {"stage": "waiting for its worker"})

    def _counted(self, model: str) -> tuple[Record, ...]:
        """One record of a network whose operations were counted."""
        found = (record for record in self.records if record.case.model == model and record.counters)
        slim = (record.model_copy(update={"timing": None, "sensors": None}) for record in found)
        return tuple(record for _, record in zip(range(1), slim, strict=False))

    # ---- what arrives

    def _take_next(self) -> None:
        arrived = self._inbox.next()
        if arrived is None:
            return
        kind, content = arrived
        if kind == "report":
            self._take_report(content)
        elif kind == "ended":
            self._take_end(*content)
        else:
            self._take_probe(*content)

    def _take_report(self, message: Message) -> None:
        assignment = self._running.get(message["token"])
        kind, execution = message["kind"], message["execution"]
        if assignment and kind == "begin" and not self._stop.signal:
            assignment.execution = execution
            self._answer(message, [record.model_dump_json() for record in self._of_case[assignment.case]])
        elif assignment is None or assignment.execution != execution:
            # Of a task that was given up, whose case is another board's, or one that begins after Ctrl-C.
            if kind in ("begin", "record"):
                self._answer(message, "refused")
        elif kind == "record":
            self._keep(assignment, Record.model_validate_json(message["record"]))
            self._answer(message, "kept")
        else:
            self._progress.board(assignment.each, message)

    def _answer(self, message: Message, answer: Any) -> None:
        run = partial(self._client.run, on_error="ignore", workers=[message["worker"]])
        with suppress(OSError, ValueError, KeyError):  # its worker is gone, and dask says so when the task ends
            run(deliver, message["execution"], answer)

    def _keep(self, assignment: _Assignment, record: Record) -> None:
        """Write a record, once, and before its task goes on."""
        of_case = self._of_case[assignment.case]
        if any(other.process == record.process for other in of_case):
            return
        append_record(self._config.run.out, record)
        self.records.append(record)
        of_case.append(record)
        self.shelf.owner[assignment.case] = assignment.each.board.name
        self._progress.finished(assignment.each, record)

    def _take_end(self, token: str, future: Future) -> None:
        assignment = self._running.pop(token, None)
        if assignment is None:
            return
        each, now_s, found = assignment.each, time.monotonic(), result_of(future)
        ended = found if isinstance(found, Ended) else Ended("lost", f"{each.board.name}: its worker ended: {found}")
        future.release()
        if ended.how == "done":
            self.shelf.end(each, now_s)
            self._after_case(self.records)
        elif ended.how == "busy":
            if ended.why != each.why_away:
                self._progress.note(f"{each.board.name}: {ended.why}; its cases wait, or go to others")
            self.shelf.busy(each, ended.why, now_s)
        elif ended.how == "lost" and not self._stop.signal:
            self.shelf.lose(each, ended.why, now_s)
            after = f"set aside after {each.failures} times in a row" if each.aside else "tried again soon"
            self._progress.note(f"{ended.why}; {after}")
        else:
            self.shelf.give_back(each, now_s)
        self._progress.board(each, {})

    # ---- boards that come late, and those whose worker is gone

    def _look(self) -> None:
        """Every now and then: ask for boards that were not there, and give up tasks whose worker is gone."""
        if time.monotonic() - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s, there = time.monotonic(), workers_there(self._client)
        for name, each in self.shelf.boards.items():
            if each.facts is None and name not in self._probing and each.board.resource in there:
                self._probing.add(name)
                self._inbox.watch(probe_on(self._client, each.board, self._config, self.run_id), "probed", name)
        for token, assignment in tuple(self._running.items()):
            if assignment.each.board.resource not in there:
                assignment.future.cancel()
                self._inbox.arrived.put(("ended", (token, assignment.future)))

    def _take_probe(self, name: str, future: Future) -> None:
        self._probing.discard(name)
        each, found = self.shelf.boards[name], result_of(future)
        if isinstance(found, BoardFacts):
            each.facts = found
            self._progress.note(f"{name}: joins")
        else:
            each.why_away = str(found)
        self._progress.board(each, {})

    # ---- the end

    def _stop_all(self) -> None:
        """Where cases still run, have them stopped, and keep what they measured until then."""
        if self._running and self._client.status == "running":
            self._client.run(stop_all, self.run_id, on_error="ignore")
        deadline = time.monotonic() + STOP_S
        while self._running and time.monotonic() < deadline and self._client.status == "running":
            self._take_next()

    def _leave_boards(self) -> None:
        """End what runs on the boards and remove what was copied, also by a host that was killed."""
        if self._client.status != "running":
            return
        there = workers_there(self._client)
        boards = [self.shelf.boards[name].board for name in sorted(self._used & self.shelf.boards.keys())]
        leaving = {
            board.name: self._client.submit(
                leave, self.run_id, self._config.profiles[board.name], resources={board.resource: 1}, pure=False
            )
            for board in boards
            if board.resource in there
        }
        deadline = time.monotonic() + LEAVE_S
        for name, future in leaving.items():
            if why := result_of(future, max(0.1, deadline - time.monotonic())):
                self._progress.note(f"{name}: {FOLDER}/{self.run_id} is left there for a later run: {why}")

    def _left(self) -> list[str]:
        """Why cases are left, a line for each device."""
        if self._stop.signal:
            return []
        if self._client.status != "running":
            return ["the scheduler is gone; what was measured before is kept"]
        lines = []
        for device in dict.fromkeys(case.device for case in self.shelf.waiting):
            cases = [case for case in self.shelf.waiting if case.device == device]
            boards = [each for each in self.shelf.boards.values() if device in each.board.kinds]
            why = "; ".join(f"{each.board.name}: {_why_not(each)}" for each in boards)
            lines.append(f"device {device}: {len(cases)} case{'s' if len(cases) != 1 else ''} without a board: {why}")
        return lines

    def _wants_more(self, case: Case) -> bool:
        """Whether a case has another process to come."""
        records = self._of_case[case]
        later = self._config.run.energy and self.aim.open and records  # energy is measured behind the last round
        without = later and not any(record.error or record.energy for record in records)
        return bool(next_round((case,), self._of_case, self.aim) or without)


def _why_not(each: OnShelf) -> str:
    if each.aside:
        return f"set aside ({each.why_away})"
    return f"not reached ({each.why_away})" if each.facts is None else "it does not take them, or has not begun them"
