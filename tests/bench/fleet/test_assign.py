"""Which case a free board gets, by a clock that the test moves."""

from itertools import permutations

from co3d_bench.bench.fleet.assign import BUSY_EVERY_S, WAIT_AFTER_FAILURE_S, OnShelf, Shelf, in_order
from co3d_bench.bench.fleet.boards import FleetBoard
from co3d_bench.bench.plan.plan import BoardFacts
from co3d_bench.bench.record.case import Case

A, B, C = (Case(model=name, device="xavier", threads=1) for name in "abc")
D = Case(model="d", device="tx2", threads=1)
SMALL = BoardFacts(4)


def on_shelf(name, kind="xavier", facts=SMALL):
    return OnShelf(FleetBoard(name, f"{name}.local", (name, kind)), facts)


def shelf(*boards, cases=(A, B, C), **more):
    return Shelf({each.board.name: each for each in boards}, list(cases), **more)


def test_the_order_is_the_seeds_and_does_not_depend_on_what_else_is_there():
    orders = {in_order((A, B, C, D), seed) for seed in range(20)}
    assert len(orders) > 10
    for cases in permutations((A, B, C, D)):
        assert in_order(cases, 7) == in_order((A, B, C, D), 7)
    assert in_order((A, C), 7) == tuple(case for case in in_order((A, B, C, D), 7) if case in (A, C))


def test_a_free_board_gets_the_first_case_that_it_can_take_and_one_at_a_time():
    first, second = on_shelf("lab-1"), on_shelf("lab-2", "tx2")
    made = shelf(first, second, cases=(A, D, B))
    assert (made.next_case(first, 0.0), made.next_case(second, 0.0)) == (A, D)
    made.begin(first, A)
    assert made.next_case(first, 0.0) is None
    made.end(first, 5.0)
    assert (made.next_case(first, 5.0), made.waiting, first.last_end_s) == (B, [D, B], 5.0)


def test_a_case_that_has_begun_stays_with_its_board_and_comes_first_there():
    first, second = on_shelf("lab-1"), on_shelf("lab-2")
    made = shelf(first, second, owner={C: "lab-2"})
    assert made.next_case(second, 0.0) == C
    assert not made.takes(first, C)
    second.aside = True
    assert not made.takes(second, C)
    assert not made.takes(first, C)


def test_what_a_killed_host_had_given_to_a_board_is_asked_for_there_first():
    first, second = on_shelf("lab-1"), on_shelf("lab-2")
    made = shelf(first, second, owner={A: "lab-2"}, left={B: "lab-2"})
    assert (made.next_case(first, 0.0), made.next_case(second, 0.0)) == (C, B)
    made.begin(second, B)
    made.lose(second, "away", 0.0)
    assert made.next_case(first, 0.0) == B  # from now on as any other
    made.left = {B: "lab-2"}
    second.facts = None
    assert made.next_case(first, 0.0) == B  # nobody waits for a board that is not reached


def test_a_board_is_set_aside_after_three_failures_in_a_row_and_its_cases_go_to_others():
    first, second = on_shelf("lab-1"), on_shelf("lab-2")
    made, now_s = shelf(first, second), 0.0
    for wait_s in WAIT_AFTER_FAILURE_S:
        made.begin(first, A)
        made.lose(first, "away", now_s)
        assert made.waiting == [A, B, C]  # at its place in the order
        assert made.next_case(first, now_s + wait_s - 1) is None
        now_s += wait_s
        assert made.next_case(first, now_s) == A
    made.begin(first, A)
    made.lose(first, "away", now_s)
    assert first.aside
    assert made.next_case(first, 1e9) is None
    assert made.next_case(second, now_s) == A


def test_a_case_that_is_through_ends_the_row_of_failures():
    first = on_shelf("lab-1")
    made = shelf(first)
    for _ in range(4):
        made.begin(first, A)
        made.lose(first, "away", 0.0)
        made.begin(first, A)
        made.end(first, 0.0)
        made.waiting.insert(0, A)
    assert not first.aside


def test_a_board_on_which_another_run_measures_is_asked_again_and_never_set_aside():
    first = on_shelf("lab-1")
    made = shelf(first)
    for turn in range(5):
        made.begin(first, A)
        made.busy(first, "run X measures there", turn * BUSY_EVERY_S)
        assert made.next_case(first, turn * BUSY_EVERY_S) is None
    assert made.next_case(first, 5 * BUSY_EVERY_S) == A


def test_a_board_cools_down_from_when_it_last_had_a_case_however_that_ended():
    first = on_shelf("lab-1")
    made = shelf(first)
    for now_s, leave in enumerate((made.end, made.give_back), 1):
        made.begin(first, made.waiting[0])
        leave(first, now_s)
        assert first.last_end_s == now_s
    for now_s, leave in enumerate((made.lose, made.busy), 10):
        made.begin(first, made.waiting[0])
        leave(first, "why", now_s)
        assert first.last_end_s == now_s


def test_a_board_that_comes_late_takes_cases_from_then_on():
    late = on_shelf("lab-1", facts=None)
    made = shelf(late, on_shelf("lab-2", "tx2"), cases=(A, D))
    assert made.next_case(late, 0.0) is None
    assert not made.takes(late, A)
    late.facts = BoardFacts(4)
    assert made.next_case(late, 0.0) == A
