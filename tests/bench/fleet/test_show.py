"""What a person sees of a fleet."""

import io

from records import failed_record, make_record

from co3d_bench.bench.fleet.assign import OnShelf
from co3d_bench.bench.fleet.boards import FleetBoard
from co3d_bench.bench.fleet.show import Shown, row
from co3d_bench.bench.plan.plan import BoardFacts
from co3d_bench.bench.record.case import Case

CASE = Case(model="x3d-s", device="xavier", backend="aten-json", threads=4)


def on_shelf(name="lab-1", **state):
    return OnShelf(FleetBoard(name, f"{name}.local", (name, "xavier")), **{"facts": BoardFacts(4), **state})


def test_a_row_has_case_stage_heat_and_time_left():
    state = {"stage": "process 2: sampling 5/15", "temperature_c": 51.4, "left": "about 40 s left", "kind": "state"}
    assert row(on_shelf(case=CASE), state, 0.0) == (
        "lab-1",
        "x3d-s aten-json fp32 b1 t4",
        "process 2: sampling 5/15",
        "51 C",
        "about 40 s left",
    )
    assert row(on_shelf(case=CASE), {}, 0.0)[3:] == ("", "")


def test_a_board_without_a_case_says_why():
    assert row(on_shelf(), {}, 0.0)[2] == "idle"
    assert row(on_shelf(free_at_s=5.0), {}, 0.0)[2] == "waits, to be tried again"
    assert row(on_shelf(facts=None), {}, 0.0)[2] == "not reached"
    assert row(on_shelf(aside=True), {}, 0.0)[2] == "set aside"


def test_without_a_terminal_there_is_a_line_for_each_thing():
    stream = io.StringIO()
    shown = Shown(stream)
    boards = [on_shelf(), on_shelf("lab-2", facts=None, why_away="no route\x1b[2J")]
    shown.begin("run-1", [CASE], boards, "3 rounds", 2)
    shown.board(boards[0], {"stage": "sampling"})
    shown.finished(boards[0], make_record(case=CASE, latency_s=(0.1, 0.2, 0.3)))
    shown.finished(boards[0], failed_record(case=CASE, process=2))
    shown.end()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "run run-1: 1 case on 1 of 2 boards; each case 3 rounds; 2 processes measured before"
    assert lines[1].startswith("lab-2: not reached, and may join later: no route")
    assert "\x1b" not in lines[1]
    assert lines[2] == f"lab-1  {CASE.key}  process 1  200 ms"
    assert lines[3] == f"lab-1  {CASE.key}  process 2  FAILED  crash: it fell"


def test_on_a_terminal_the_boards_stand_in_a_table_and_lines_above_it():
    stream = io.StringIO()
    shown = Shown(stream, live=True)
    board = on_shelf()
    shown.begin("run-1", [CASE], [board], "3 rounds", 0)
    board.case = CASE
    shown.board(board, {"stage": "sampling", "temperature_c": 40.0})
    shown.note("lab-2: joins")
    shown.end()
    text = stream.getvalue()
    assert "lab-2: joins" in text
    for word in ("board", "time left", "x3d-s aten-json", "sampling", "40 C"):
        assert word in text
