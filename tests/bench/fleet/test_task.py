"""What the workers of one process share: few of them reach their boards at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from co3d_bench.bench.fleet import task
from co3d_bench.bench.plan.plan import BoardFacts

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
