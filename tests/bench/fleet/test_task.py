"""What the workers of one process share: few of them reach their boards at a time. And why a case ended early."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from co3d_bench.bench.fleet import task
from co3d_bench.bench.fleet.task import CaseTask, Ended, RunFacts
from co3d_bench.bench.plan.plan import BoardFacts
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.environment import Checkout
from co3d_bench.bench.record.fleet import FleetFacts
from co3d_bench.bench.run.boards.boards import BoardUnavailable
from co3d_bench.bench.run.ready import aim_of_run, settings_of
from co3d_bench.bench.run.stop import Stop

from .conftest import configured


def test_few_boards_are_asked_at_a_time_and_all_of_them_once(monkeypatch, tables):
    asked, answered, at_once, lock = [], [], [], threading.Lock()

    def reach_boards(names, profiles, run_id):
        with lock:
            asked.append(names[0])
            at_once.append(len(asked) - len(answered))
        time.sleep(0.02)
        with lock:
            answered.append(names[0])
        return {names[0]: BoardFacts(4)}, {}

    monkeypatch.setattr(task, "reach_boards", reach_boards)
    one = configured(tables).profiles["lab-1"]
    boards = [one.model_copy(update={"name": f"lab-{number}"}) for number in range(3 * task.MOST_AT_ONCE)]
    with ThreadPoolExecutor(len(boards)) as pool:
        found = list(pool.map(lambda board: task.probe(board, None), boards))
    assert found == [BoardFacts(4)] * len(boards)
    assert sorted(asked) == sorted(board.name for board in boards)
    assert 1 < max(at_once) <= task.MOST_AT_ONCE


class Losing:
    """A session that loses its board at once."""

    def __init__(self, tools, **others):
        self.tools = tools

    def run(self):
        self.tools.lose("shelf", "lab-1 is lost: the start was refused")


@pytest.mark.parametrize(
    ("holder", "other"), [(("run-2", "12:00:00"), True), (("run-1", "12:00:00"), False), (None, False)]
)
def test_a_board_that_another_run_took_between_two_processes_is_busy_and_not_lost(monkeypatch, tables, holder, other):
    monkeypatch.setattr(task, "Session", Losing)
    config = configured(tables)
    facts = RunFacts(config, settings_of(config), aim_of_run(config), {}, Checkout(), "run-1", ("worker",))
    case = Case(model="x3d-xs", device="shelf", threads=1)
    asked = CaseTask(
        "t", facts, case, config.profiles["lab-1"], FleetFacts(board="lab-1", host="h", seed=0, order=1), None
    )
    opened = SimpleNamespace(board=SimpleNamespace(holder=lambda: holder))
    with Stop() as stop:
        measured = task._Case(asked, opened, SimpleNamespace(), stop)
        if other:
            assert measured.measure([]) == Ended("busy", "run run-2 measures there since 12:00:00")
            return
        with pytest.raises(BoardUnavailable, match="the start was refused"):
            measured.measure([])
