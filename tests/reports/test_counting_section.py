"""The counters of a record side by side, and none where nothing was counted."""

from __future__ import annotations

from co3d_bench.reports.page import page_of
from co3d_bench.reports.sections.counting import render

from ..factories import make_failed_record, make_record


def counted(**changes):
    record = make_record("cox3d-m-16")
    return record.model_copy(update={"counters": record.counters.model_copy(update=changes)})


def test_every_counter_has_its_column_in_one_unit():
    record = counted(macs=325_456_057, macs_once=312_384_944, macs_functional=None, flops_torch=592_040_992)
    html = str(render(page_of([record])))
    for text in ("0.3255", "0.3124", "0.2960"):
        assert f">{text}</span>" in html
    assert 'data-value="325456057"' in html
    assert record.counters.counter in html


def test_a_network_is_listed_once_whatever_its_settings():
    one, two = counted(), make_record("cox3d-m-16")
    two = two.model_copy(update={"case": two.case.model_copy(update={"threads": 7})})
    assert str(render(page_of([one, two]))).count('<th scope="row"') == 1


def test_the_section_is_left_out_where_nothing_was_counted():
    assert render(page_of([make_failed_record("x3d-m")])) is None


def test_names_are_escaped():
    record = make_record("x3d-s")
    record = record.model_copy(update={"model": record.model.model_copy(update={"title": "<script>"})})
    assert "<script>" not in str(render(page_of([record])))
