"""Events in, operators out: invented events with exact times."""

from __future__ import annotations

import pytest

from co3d_bench.bench.profile.trace import STEP, Event, operators_of
from co3d_bench.bench.profile.work import VIEWS, Argument


def tensor(*shape):
    return Argument((shape,), 4)


def step(start, *events, length=1000):
    """A step at `start` with (name, begins, ends, *arguments) inside, in nanoseconds after it."""
    return [
        Event(STEP, start, start + length),
        *(Event(name, start + begins, start + ends, tuple(arguments)) for name, begins, ends, *arguments in events),
    ]


def by_kind(events):
    return {operator.kind: operator for operator in operators_of(events).operators}


LINEAR = ("aten::linear", 100, 500, tensor(2, 3), tensor(4, 3), Argument())
INSIDE = [("aten::t", 120, 140, tensor(4, 3)), ("aten::mm", 150, 450, tensor(2, 3), tensor(3, 4))]


def test_operators_inside_operators_are_counted_once():
    found = by_kind(step(0, LINEAR, *INSIDE))
    assert set(found) == {"matrix product"}
    product = found["matrix product"]
    assert (product.name, product.calls, product.events) == ("aten::linear", 1, 2)
    assert product.traced_s == pytest.approx(400e-9)
    assert (product.macs, product.moved_bytes) == (24, 4 * (6 + 12 + 8))
    assert product.shapes == ((2, 3), (4, 3))


def test_what_wraps_known_operators_is_looked_into():
    found = by_kind(step(0, ("aten::matmul", 50, 700, tensor(2, 3), tensor(3, 4)), *INSIDE))
    assert found["matrix product"].name == "aten::mm"
    assert found["matrix product"].traced_s == pytest.approx(300e-9)
    assert found[VIEWS].traced_s == pytest.approx(20e-9)


def test_an_unknown_operator_is_one_row_without_work():
    found = by_kind(step(0, ("aten::roll", 0, 90, tensor(5)), ("aten::narrow", 10, 20, tensor(5))))
    assert set(found) == {"aten::roll"}
    assert (found["aten::roll"].macs, found["aten::roll"].moved_bytes) == (None, None)
    assert found["aten::roll"].traced_s == pytest.approx(90e-9)


def test_a_view_that_has_to_copy_is_a_copy():
    found = by_kind(
        step(
            0,
            ("aten::contiguous", 0, 90, tensor(5)),
            ("aten::clone", 5, 85, tensor(5)),
            ("aten::empty_like", 10, 20, tensor(5)),
            ("aten::copy_", 30, 80, tensor(5), tensor(5)),
        )
    )
    assert found["copy"].traced_s == pytest.approx(50e-9)
    assert found["copy"].moved_bytes == 40
    assert found[VIEWS].calls == 1


def test_times_are_medians_over_steps_of_what_each_step_spent():
    def relu(begins, ends):
        return "aten::relu", begins, ends, tensor(8)

    events = [
        *step(0, relu(0, 100), relu(200, 300)),
        *step(2000, relu(0, 110), relu(200, 300)),
        *step(4000, relu(0, 900), relu(900, 1000)),  # somebody else had the core
    ]
    (operator,) = operators_of(events).operators
    assert operator.traced_s == pytest.approx(210e-9)
    assert operator.calls == 2


def test_calls_on_other_shapes_stand_apart():
    (first, second) = operators_of(
        step(0, ("aten::relu", 0, 10, tensor(8)), ("aten::relu", 10, 40, tensor(16)))
    ).operators
    assert (first.shapes, second.shapes) == (((16,),), ((8,),))  # the dearer one first


def test_events_outside_the_steps_are_not_counted():
    traced = operators_of([*step(1000, LINEAR, *INSIDE), Event("aten::relu", 0, 900, (tensor(8),))])
    assert traced.events == 3
    assert [operator.name for operator in traced.operators] == ["aten::linear"]
    assert operators_of([Event("aten::relu", 0, 900, (tensor(8),))]).operators == ()
