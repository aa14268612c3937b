"""The host of a fleet with a cluster that the test plays: what is written, once, whatever workers and boards do."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from records import make_record

from co3d_bench.bench.errors import ENVIRONMENT, UserError
from co3d_bench.bench.fleet import assign, host
from co3d_bench.bench.fleet.boards import boards_of
from co3d_bench.bench.fleet.host import Host
from co3d_bench.bench.fleet.lock import check_only_host, only_host
from co3d_bench.bench.fleet.post import deliver, stop_all
from co3d_bench.bench.fleet.ready import make_fleet_plan
from co3d_bench.bench.fleet.show import Shown
from co3d_bench.bench.fleet.task import Ended, leave, measure_case, probe
from co3d_bench.bench.plan.plan import BoardFacts
from co3d_bench.bench.record.record import Record
from co3d_bench.bench.record.store import StoreWarning, read_records
from co3d_bench.bench.run.stop import Stop

from .conftest import configured


class Future:
    """A task that has ended."""

    def __init__(self, result):
        self._result = result

    def add_done_callback(self, call):
        call(self)

    def result(self, timeout=None):
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    def release(self):
        pass


class Cluster:
    """A client whose tasks end at once, each as the next of its board's deeds has it; by default it measures."""

    status = "running"

    def __init__(self, boards, **deeds):
        self.boards = boards
        self.deeds = {name.replace("_", "-"): list(each) for name, each in deeds.items()}
        self.measured, self.answers, self.left = [], [], []
        self.joining, self.leaving = {}, {}

    def subscribe_topic(self, topic, handler):
        self.report = lambda message: handler((0.0, message))

    def scheduler_info(self, n_workers):
        return {"workers": {board.name: {"resources": board.resources} for board in self.boards}}

    def submit(self, function, *words, resources, pure, key=None):
        (name,) = (each.removeprefix("board:") for each in resources)
        if function is leave:
            self.left.append(name)
            return Future(self.leaving.get(name))
        if function is probe:
            return Future(self.joining.get(name, "still away"))
        assert function is measure_case
        waiting = self.deeds.get(name, [])
        return Future((waiting.pop(0) if waiting else Cluster.measures)(self, words[0]))

    def run(self, function, *words, **more):
        assert function in (deliver, stop_all)
        self.answers.append(words[-1])

    def say(self, task, kind, execution="1", **fields):
        self.report({"kind": kind, "token": task.token, "execution": execution, "worker": "w", **fields})

    def record(self, task, number=1, execution="1"):
        made = make_record(run_id=task.run.run_id, case=task.case, process=number, fleet=task.facts)
        self.say(task, "record", execution, record=made.model_dump_json())

    def measures(self, task):
        self.measured.append((task.board.name, task.case.model))
        self.say(task, "begin")
        self.record(task)
        return Ended("done")


class Killed(BaseException):
    """The end of the host's process."""


def killed(cluster, task):
    raise Killed


def lost(cluster, task):
    cluster.say(task, "begin")
    return Ended("lost", f"{task.board.name} is lost: the cable")


@pytest.fixture
def world(tables, monkeypatch):
    """Runs a host with the deeds of its boards; returns host, cluster, and what is left."""
    monkeypatch.setattr(assign, "WAIT_AFTER_FAILURE_S", (0.0, 0.0))
    monkeypatch.setattr(assign, "BUSY_EVERY_S", 0.0)
    tables["plan"]["batch"] = [1, 2]
    Path(tables["run"]["out"]).mkdir()

    def play(kept=(), reached=("lab-1", "lab-2"), joining=None, leaving=None, **deeds):
        config = configured(tables)
        boards = boards_of(config)
        facts = {name: BoardFacts(4) for name in reached}
        plan = make_fleet_plan(
            config, boards, facts, {board.name: "away" for board in boards if board.name not in facts}
        )
        cluster = Cluster(boards, **deeds)
        cluster.joining, cluster.leaving = joining or {}, leaving or {}
        lines = []
        with Stop() as stop:
            made = Host(cluster, plan, config, list(kept), "run-1", stop)
            shown = Shown(live=False)
            shown.note = lines.append
            made.use({}, ("worker",), shown, lambda records: None)
            why = made.run()
        return made, cluster, why, lines

    play.tables = tables
    return play


def keys(records):
    return sorted((record.key, record.process) for record in records)


def test_each_case_is_written_once_with_its_board_and_its_place_in_the_order(world):
    made, cluster, why, _ = world()
    stored = read_records(world.tables["run"]["out"])
    assert stored == made.records
    assert len(keys(stored)) == len(set(keys(stored))) == 4
    assert {record.fleet.order for record in stored} == {1, 2, 3, 4}
    assert {record.fleet.board for record in stored} == {"lab-1", "lab-2"}
    assert (why, made.missing(), cluster.left) == ([], 0, ["lab-1", "lab-2"])


def test_a_record_of_a_task_that_was_given_up_is_refused_and_one_that_is_there_is_not_written_twice(world):
    def twice(cluster, task):
        cluster.say(task, "begin", "1")
        cluster.say(task, "begin", "2")  # its worker came back, and dask ran it again
        cluster.record(task, execution="1")
        cluster.record(task, execution="2")
        cluster.record(task, execution="2")  # its answer was lost
        cluster.report({"kind": "record", "token": "of a host that was killed", "execution": "9", "worker": "w"})
        return Ended("done")

    _, cluster, _, _ = world(lab_1=[twice])
    assert cluster.answers.count("refused") == 2
    assert len(read_records(world.tables["run"]["out"])) == 4


def test_what_the_store_has_is_sent_to_the_task_and_not_measured_again(world):
    first, *_ = world()[0].records
    Path(world.tables["run"]["out"], "records.jsonl").unlink()
    _, cluster, _, _ = world(kept=[first])
    assert len(cluster.measured) == 3
    world.tables["run"]["processes"] = 2
    _, cluster, _, _ = world(kept=[first])
    lines = [line for answer in cluster.answers if answer != "kept" for line in answer]
    assert first in [Record.model_validate_json(line) for line in lines]


def test_a_board_that_is_lost_three_times_in_a_row_is_set_aside_and_the_other_does_its_cases(world):
    _, cluster, why, lines = world(lab_1=[lost, lost, lost])
    assert (why, {name for name, _ in cluster.measured}) == ([], {"lab-2"})
    assert [line for line in lines if "lab-1 is lost" in line] == [
        "lab-1 is lost: the cable; tried again soon",
        "lab-1 is lost: the cable; tried again soon",
        "lab-1 is lost: the cable; set aside after 3 times in a row",
    ]


def test_what_a_worker_runs_into_costs_its_board_and_not_the_run(world):
    def dies(cluster, task):
        return MemoryError("all of it")

    _, cluster, why, lines = world(lab_1=[dies, dies, dies])
    assert (why, len(cluster.measured)) == ([], 4)
    assert "lab-1: its worker ended: MemoryError: all of it; set aside after 3 times in a row" in lines


def test_a_case_that_has_a_record_is_no_other_boards(world):
    world.tables["run"]["processes"] = 2

    def half(cluster, task):
        cluster.measures(task)
        return Ended("lost", f"{task.board.name} is lost: the cable")

    made, _, why, _ = world(lab_1=[half, lost, lost])
    (case,) = made.shelf.waiting
    assert made.shelf.owner[case] == "lab-1"
    (line,) = why
    assert line.startswith("device shelf: 1 case without a board: lab-1: set aside (lab-1 is lost: the cable); lab-2: ")


def test_a_board_on_which_another_run_measures_is_waited_for(world):
    def busy(cluster, task):
        return Ended("busy", "run X measures there since 12:00:00")

    _, cluster, why, lines = world(reached=("lab-1",), lab_1=[busy] * 5)
    assert (why, len(cluster.measured)) == ([], 4)
    assert sum("run X measures there" in line for line in lines) == 1


def test_a_host_after_one_that_was_killed_asks_the_board_that_has_the_case(world):
    with pytest.raises(Killed):
        world(reached=("lab-2",), lab_2=[killed])
    given = Path(world.tables["run"]["out"], "fleet.jsonl")
    assert '"board":"lab-2"' in given.read_text()
    with given.open("a") as file:
        file.write('{"run_id":"run-1","board":"lab')  # the power went
    with pytest.warns(StoreWarning, match=r"fleet\.jsonl, line 2"):
        made, cluster, why, _ = world()
    boards = {record.case: record.fleet.board for record in made.records}
    assert boards[made._order[0]] == "lab-2"  # lab-1 is asked first, and would get the first case
    assert (why, len(cluster.measured)) == ([], 4)


def test_what_a_killed_host_left_on_a_board_is_ended_also_where_that_gets_no_case_any_more(world):
    with pytest.raises(Killed):
        world(reached=("lab-2",), lab_2=[killed])
    _, cluster, why, _ = world(reached=("lab-1",))
    assert (why, cluster.left) == ([], ["lab-1", "lab-2"])


def test_a_board_that_cannot_be_left_clean_is_named(world):
    _, _, why, lines = world(leaving={"lab-1": TimeoutError("timed out after 120 s"), "lab-2": "no route"})
    assert why == []
    assert lines[-2:] == [
        "lab-1: .cache/co3d-bench/agent/run-1 is left there for a later run: TimeoutError: timed out after 120 s",
        "lab-2: .cache/co3d-bench/agent/run-1 is left there for a later run: no route",
    ]


def test_a_task_that_begins_after_ctrl_c_measures_nothing(world):
    def begins(cluster, task):
        os.kill(os.getpid(), signal.SIGINT)
        cluster.say(task, "begin")
        return Ended("refused")

    made, cluster, _, _ = world(reached=("lab-1",), lab_1=[begins])
    assert cluster.answers == ["refused", "run-1"]  # the last: all of the run is stopped
    assert (made.records, len(made.shelf.waiting)) == ([], 4)


def test_a_board_that_was_away_joins_while_another_works(world, monkeypatch):
    monkeypatch.setattr(host, "LOOK_EVERY_S", 0.0)
    _, cluster, _, lines = world(reached=("lab-1",), joining={"lab-2": BoardFacts(4)})
    assert "lab-2: joins" in lines
    assert "lab-2" in {name for name, _ in cluster.measured}


def test_one_host_a_store(tmp_path):
    check_only_host(tmp_path / "results")
    assert not (tmp_path / "results").exists()
    with only_host(tmp_path / "results"):
        with pytest.raises(UserError, match=r"process \d+ measures a fleet"):
            check_only_host(tmp_path / "results")
        with pytest.raises(UserError, match=r"process \d+ measures a fleet") as raised, only_host(tmp_path / "results"):
            pass
        assert raised.value.exit_code == ENVIRONMENT
    with only_host(tmp_path / "results"):
        pass
