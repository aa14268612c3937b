"""Which boards a fleet has, what each of them is, and what a plan on them holds; no board is asked."""

import pytest

from co3d_bench.bench.errors import NOT_HERE, USAGE, UserError
from co3d_bench.bench.fleet.boards import boards_of
from co3d_bench.bench.fleet.matching import device_facts, why_not
from co3d_bench.bench.fleet.ready import make_fleet_plan
from co3d_bench.bench.plan.plan import BoardFacts
from co3d_bench.bench.record.case import Case

from .conftest import configured

SMALL, LARGE = BoardFacts(4), BoardFacts(8, {"native": "no compiler"})


def wrong(tables):
    with pytest.raises(UserError) as raised:
        configured(tables)
    assert raised.value.exit_code == USAGE
    return raised.value.message


def test_every_device_with_a_host_is_a_board_and_all_that_it_extends(tables):
    first, second = boards_of(configured(tables))
    assert (first.name, first.host, first.kinds) == ("lab-1", "lab-1.local", ("lab-1", "shelf", "xavier"))
    assert first.resources == {"board:lab-1": 1, "lab-1": 1, "shelf": 1, "xavier": 1}
    assert second.resource == "board:lab-2"
    tables["fleet"] = {"boards": ["lab-2"]}
    assert [board.name for board in boards_of(configured(tables))] == ["lab-2"]


def test_what_is_no_board_is_named_with_what_to_write(tables):
    tables["fleet"] = {"boards": ["lab-7"]}
    assert wrong(tables) == "bench.toml: fleet.boards: lab-7: did you mean lab-2?"
    tables["fleet"] = {"boards": ["shelf"]}
    assert wrong(tables) == "bench.toml: fleet.boards: shelf: no host is set for it in [devices.shelf]"
    tables["fleet"] = {}
    tables["devices"]["lab-2"]["host"] = "lab-1.local"
    assert "lab-1 and lab-2 are both at lab-1.local" in wrong(tables)
    tables["devices"] = {"shelf": tables["devices"]["shelf"]}
    assert 'host = "user@lab-1"' in wrong(tables)


def test_a_device_with_a_host_that_is_left_out_of_the_fleet_is_not_measured_in_silence(tables):
    tables["fleet"] = {"boards": ["lab-1"]}
    tables["plan"]["devices"] = ["lab-2"]
    assert wrong(tables) == "bench.toml: plan.devices: lab-2: has a host, but is none of the boards of fleet.boards"


def test_a_kind_is_what_the_least_of_its_boards_can_do(tables):
    boards = boards_of(configured(tables))
    both = device_facts("shelf", boards, {"lab-1": SMALL, "lab-2": LARGE})
    assert both == BoardFacts(4)  # native runs on one of them
    assert device_facts("lab-2", boards, {"lab-1": SMALL, "lab-2": LARGE}) == LARGE
    assert device_facts("shelf", boards, {}) is None


def test_a_board_takes_the_cases_of_its_kinds_that_it_can_run(tables):
    first, second = boards_of(configured(tables))
    case = Case(model="x3d-s", device="shelf", backend="native", threads=6)
    assert why_not(case.model_copy(update={"device": "tx2"}), first, SMALL, ()) == "lab-1 is no tx2"
    assert why_not(case, second, LARGE, ()) == "lab-2: no compiler"
    assert why_not(case, first, SMALL, ("auto",)) == "lab-1 has 4 cores, and the case runs on 6"
    assert why_not(case, first, SMALL, (6,)) is None  # asked for by number: they take turns, as on one board


def test_a_plan_has_the_cases_of_boards_and_of_this_machine(tables):
    tables["plan"]["devices"] = ["shelf", "lab-2", "cpu"]
    config = configured(tables)
    made = make_fleet_plan(config, boards_of(config), {"lab-1": SMALL}, {"lab-2": "lab-2 is not reached"})
    assert [case.key.rsplit("/", 3)[0] for case in made.plan.cases] == [
        "x3d-xs/shelf/aten-json/fp32",
        "x3d-s/shelf/aten-json/fp32",
        "x3d-xs/cpu/eager/fp32",
        "x3d-s/cpu/eager/fp32",
    ]
    assert {case.device for case in made.here.cases} == {"cpu"}
    assert made.plan.unavailable == {
        "lab-2": "device lab-2: no board of it is reached, so these networks are not measured on it: x3d-xs, x3d-s\n"
        "lab-2 is not reached"
    }


def test_where_no_board_is_reached_nothing_starts(tables):
    config = configured(tables)
    with pytest.raises(UserError) as raised:
        make_fleet_plan(config, boards_of(config), {}, {"lab-1": "lab-1: why", "lab-2": "lab-2: why"})
    assert raised.value.exit_code == NOT_HERE
    assert raised.value.message.splitlines()[1:] == ["lab-1: why", "lab-2: why", "nothing was run"]
