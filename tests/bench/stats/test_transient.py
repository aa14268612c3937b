"""The curve over the frames since a start: from the answers of each film, and what is read off it."""

import numpy as np
import pytest
from records import make_record

from co3d_bench.bench.record.case import TransientSetup
from co3d_bench.bench.record.record import ModelFacts
from co3d_bench.bench.record.transient import CurvePoint, Transient
from co3d_bench.bench.stats.scores import wilson
from co3d_bench.bench.stats.transient import after_delay, at, curve_of, frames_to, frames_until, steady


def record_of(values, measure="error", receptive_field=4, delay=2):
    record = make_record()
    points = tuple(CurvePoint(value=value, low=value, high=value) for value in values)
    run = Transient(start="zeros", measure=measure, source="noise", shown=4, curve=points, answers="0" * 64,
                    duration_s=1.0, network_s=1.0)  # fmt: skip
    case = record.case.model_copy(update={"transient": TransientSetup(start="zeros")})
    facts = ModelFacts(name="net", family="nets", form="frame", title="Net", input_shape=(3, 8, 8), classes=5,
                       receptive_field=receptive_field, delay=delay)  # fmt: skip
    return record.model_copy(update={"case": case, "model": facts, "transient": run, "timing": None})


def test_a_curve_is_of_each_frame():
    ranks = np.array([[3, 0, 0], [0, 0, 0], [1, 2, 0], [1, 0, 0]], np.uint16)
    for point, hits in zip(curve_of("top1", ranks), (1, 3, 4), strict=True):
        assert point.model_dump() == wilson(hits, 4).model_dump()
    errors = np.array([[0.5, 0.1], [0.3, 0.2], [0.4, 0.0]])
    assert curve_of("error", errors) == (
        CurvePoint(value=0.4, low=0.3, high=0.5),
        CurvePoint(value=0.1, low=0.0, high=0.2),
    )


def test_what_is_read_off_an_error():
    record = record_of([0.8, 0.5, 0.3, 0.0, 0.0])
    assert record.kind == "transient"
    assert [point.value for point in (after_delay(record), steady(record)) if point] == [0.3, 0.0]
    assert (frames_to(record, 0.5), frames_to(record, 0.1)) == (3, 4)
    assert at(record.transient, 9) is at(record.transient, 0) is None


def test_the_way_of_an_accuracy_ends_at_its_steady_figure():
    record = record_of([0.1, 0.5, 0.2, 0.6, 0.5], "top1")  # it rises beyond, as with padded zeros in the paper
    assert frames_to(record, 0.5) == 4  # at the third frame it had turned back
    assert frames_to(record, 0.1) == 5


@pytest.mark.parametrize("record", [record_of([0.8, 0.1, 0.0]), record_of([0.8] * 9, receptive_field=None, delay=None)])
def test_nothing_is_steady_before_the_start_is_forgotten(record):
    assert steady(record) is frames_to(record, 0.5) is None


def test_no_way_takes_no_frames():
    assert frames_to(record_of([0.0] * 5), 0.5) is None
    assert frames_until([1.0, 0.4, 0.6, 0.3, 0.0], 0.5, first=1) == 4


def test_the_answer_to_the_frame_that_fills_the_receptive_field_is_steady():
    found = steady(record_of([0.8, 0.5, 0.3, 0.1], receptive_field=4))
    assert found
    assert found.value == 0.1
