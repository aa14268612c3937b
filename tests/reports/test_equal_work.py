"""Clips and frames at equal work: words, table, chart, section, terminal."""

from dataclasses import replace

import pytest
from rich.console import Console

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.bench.stats.equal_work import EqualWork
from co3d_bench.bench.stats.metrics import MS, G
from co3d_bench.reports.charts.equal_work import equal_work_chart
from co3d_bench.reports.equal_work import cost_of_video, costs_text, render_equal_work, sentence, table, works, works_of
from co3d_bench.reports.html import render_html
from co3d_bench.reports.page import page_of
from co3d_bench.reports.sections.equal_work import render

from ..factories import DEFAULT_MODELS, make_engine_record, make_failed_record, make_noisy_record, make_record
from .charts.specs import assert_valid, layers

X3D_M = EqualWork(clip=4.97e9, frame=0.325e9, clip_frames=16, frames_per_s=6.0)


def found(*records):
    return works(case_results(records or [make_record(name) for name in DEFAULT_MODELS]))


def test_a_sentence_says_where_clips_are_cheaper_and_what_they_cost_without_overlap():
    assert sentence(X3D_M, "X3D-M", "CoX3D-M (16)") == (
        "X3D-M costs less than CoX3D-M (16) from a stride of 16 frames on; at stride 16, without overlap, it costs "
        "0.956 times as much: nearly the same"
    )
    assert "; at stride 16, without overlap, it costs 0.311 times as much" in sentence(
        replace(X3D_M, frame=1e9), "X", "Y"
    )
    late = sentence(replace(X3D_M, frame=0.1e9), "X", "Y")
    assert "from a stride of 50 frames on, which leaves out frames between its clips of 16;" in late
    assert sentence(replace(X3D_M, clip=0.3e9), "X", "Y") == "X costs less than Y at every stride"


def test_costs_are_of_a_second_of_video_where_its_rate_is_known():
    assert costs_text(X3D_M, G, "MACs", "X3D-M", "CoX3D-M (16)") == (
        "MACs of a second of video (6 frames), G: CoX3D-M (16) 1.95; X3D-M 29.8 at stride 1, 14.9 at stride 2, 7.46 at "
        "stride 4, 3.73 at stride 8, 1.86 at stride 16"
    )
    unknown = replace(X3D_M, clip=0.16, frame=0.01, frames_per_s=None)
    assert costs_text(unknown, MS, "Time", "X", "Y").startswith(
        "Time of a frame of video, ms: Y 10.0; X 160 at stride 1"
    )
    assert cost_of_video(unknown, 2) == 0.08


def test_each_cost_of_each_pair_is_a_row():
    rows = table(found()).rows
    assert [row.title for row in rows[:2]] == ["X3D-S and CoX3D-S (13)"] * 2
    assert [row.cells[0].text for row in rows] == ["MACs", "Time"] * 3
    macs = rows[2]
    assert macs.detail == "a second of video (6 frames)"
    assert [cell.text for cell in macs.cells[1:]] == [
        "1.95 G",
        "29.8 G",
        "1.86 G",
        "stride 16",
    ]


def test_time_is_set_against_time_of_the_same_circumstances_only():
    clip, frame = make_record("x3d-m"), make_record("cox3d-m-16")
    machine = frame.environment.machine.model_copy(update={"cpu_model": "another"})
    other = frame.model_copy(update={"environment": frame.environment.model_copy(update={"machine": machine})})
    assert [work.word for work in found(clip, frame)] == ["MACs", "Time"]
    assert [work.word for work in found(clip, other)] == ["MACs"]


def test_a_call_of_a_batch_is_several_predictions():
    def batch(record):
        return record.model_copy(update={"case": record.case.model_copy(update={"batch": 4})})

    single, several = found(make_record("x3d-m"), make_record("cox3d-m-16")), None
    several = found(batch(make_record("x3d-m")), batch(make_record("cox3d-m-16")))
    assert several[1].costs.clip == pytest.approx(single[1].costs.clip / 4)


def test_a_warning_stands_at_times_and_not_at_macs():
    macs, time = found(make_noisy_record("x3d-m"), make_record("cox3d-m-16"))
    assert (bool(macs.warnings), bool(time.warnings)) == (False, True)
    html = str(render(page_of([make_noisy_record("x3d-m"), make_record("cox3d-m-16")])))
    assert "(measured with a warning !)" in html
    assert 'class="marks"' in html


def test_the_chart_has_both_lines_and_where_they_cross():
    work = found()[-1]
    spec = equal_work_chart(work)
    assert_valid(spec)
    (crossing,) = [rows for rows in layers(spec, "point") if len(rows) == 1]
    assert crossing[0]["x"] == work.costs.stride
    assert [point["x"] for point in layers(spec, "line")[0]] == list(work.costs.strides)
    below = replace(work, costs=replace(work.costs, clip=work.costs.frame / 2))
    assert [len(rows) for rows in layers(equal_work_chart(below), "point")] == [len(below.costs.strides)]
    assert_valid(equal_work_chart(below))


def test_the_section_is_there_where_a_pair_is():
    assert "Clips and frames at equal work" in render_html([make_record("x3d-m"), make_record("cox3d-m-16")])
    assert render(page_of([make_record("x3d-m")])) is None
    assert render(page_of([make_failed_record("x3d-m"), make_record("cox3d-m-16")])) is None


def test_the_terminal_shows_the_pairs_of_a_network():
    cases = case_results([make_record(name) for name in DEFAULT_MODELS])
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render_equal_work(works_of(cases, {"cox3d-m-64"})))
    text = captured.get()
    assert "CoX3D-M (64)" in text
    assert "CoX3D-M (16)" not in text
    assert "X3D-S" not in text
    assert works_of(cases, {"x3d-xs"}) == {}


def test_macs_which_no_engine_changes_are_said_once():
    records = [make_engine_record(name, engine) for engine in ("eager", "openvino") for name in ("x3d-m", "cox3d-m-64")]
    found = works_of(case_results(records), {"cox3d-m-64"})
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render_equal_work(found))
    assert len(found) == 2
    assert captured.get().count("MACs of a second of video") == 1
    assert captured.get().count("Time of a second of video") == 2
    page = render_html(records)
    assert (page.count('data-value="MACs"'), page.count('data-value="Time"')) == (1, 2)
