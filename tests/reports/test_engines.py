"""Engines beside each other: rows, and the section that shows them."""

import math
import re

import pytest

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports.engines import MOST_PLOTTED, best_gain, engine_text, groups, plotted, several_engines, speeds
from co3d_bench.reports.headline import headline
from co3d_bench.reports.html import render_html
from co3d_bench.reports.page import page_of
from co3d_bench.reports.sections.engines import SECTION as ENGINES
from co3d_bench.reports.sections.engines import engine_table, same_class
from co3d_bench.reports.sections.environment import engines
from co3d_bench.reports.sections.latency import MOST_STRIPS, SECTION
from co3d_bench.reports.tables.render import frame, markdown
from co3d_bench.reports.tables.results import build, small

from ..factories import (
    make_batch_records,
    make_case,
    make_default_records,
    make_engine_record,
    make_engine_records,
    make_environment,
    make_record,
    make_samples,
    make_wrong_record,
    with_timing,
)

EVEN = {"spread": 0.0, "disturbed_share": 0.0}


def at(record, latency_s):
    """The same record with every sample alike."""
    timing = record.timing.model_copy(update={"samples": make_samples(latency_s, **EVEN)})
    return record.model_copy(update={"timing": timing})


def table_of(records):
    return build(case_results(records))


def rows(records):
    """By network, engine and precision: the head (and unit) of each column with its value."""
    table = engine_table(groups(case_results(records)))
    return {
        (row.model, row.title): {(c.head, c.unit.text): cell for c, cell in zip(table.columns, row.cells, strict=True)}
        for row in table.rows
    }


def values(row):
    return [row[head].value for head in DATA]


DATA = (
    ("Speed", "\u00d7 eager"), ("Build", "s"), ("File", "MB"), ("Resident", "MB"),
    ("Difference", "max"), ("Difference", "L2"), ("Same class", "%"),
)  # fmt: skip


def test_one_engine_has_nothing_to_be_compared_with():
    assert not several_engines(case_results(make_default_records()))
    assert groups(case_results(make_default_records())) == ()
    assert 'id="engines"' not in render_html(make_default_records())


def test_speed_is_that_of_medians_against_eager_in_float32():
    eager = at(make_engine_record("x3d-m", "eager"), 0.3)
    found = rows([eager, at(make_engine_record("x3d-m", "openvino", "bf16"), 0.1)])
    row = found["x3d-m", "openvino · bfloat16"]
    assert row["Latency", "ms"].text == "100 (n = 1)"
    assert values(row) == [pytest.approx(3), 3.8, 15_900_000, 412_000_000, 1.3e-2, 1.3e-2 / 3, 0.991]
    assert row["Same class", "%"].text == "99.1"
    reference = found["x3d-m", "eager · float32"]
    assert values(reference)[0] == 1.0
    assert values(reference)[4:] == [None, None, None]  # it is held to its own definition
    assert reference["Difference", "max"].text == "the reference"
    assert [row["Speed", "\u00d7 eager"].share for row in found.values()] == [
        1.0,
        pytest.approx(1 / 3),
    ]  # fastest first


def test_only_the_same_network_under_the_same_circumstances_is_compared():
    eager = make_engine_record("x3d-m", "eager")
    single = make_engine_record("x3d-m", "fused", case=make_case("x3d-m", backend="fused", threads=1))
    batch = make_engine_record("x3d-m", "fused", case=make_case("x3d-m", backend="fused", batch=8))
    other = make_engine_record("x3d-s", "fused")
    elsewhere = make_environment(versions={"torch": "1.13"})
    moved = make_engine_record("x3d-m", "fused", environment=elsewhere)
    assert list(speeds(case_results([eager, single, batch, other, moved]))) == [eager.key]
    assert [(group.title, group.setting) for group in groups(case_results([eager, single, batch, other]))] == [
        ("X3D-M", "batch 1 · 2 threads"),
        ("X3D-M", "batch 1 · 1 thread"),
        ("X3D-M", "batch 8 · 2 threads"),
        ("X3D-S", ""),
    ]


def test_the_fastest_comes_first_and_what_has_no_speed_last():
    found = groups(case_results(make_engine_records()))
    for group in found:
        latencies = [case.value("latency_s") or math.inf for case in group.cases]
        assert latencies == sorted(latencies)
    assert [group.title for group in found] == ["X3D-M", "CoX3D-M (16)", "CoX3D-M (64)"]


def test_a_wrong_answer_shows_how_wrong_and_no_speed():
    records = [make_engine_record("x3d-m", "eager"), make_wrong_record("x3d-m")]
    assert values(rows(records)["x3d-m", "onnxruntime · float32"]) == [None, None, None, None, 0.42, 0.21, 0.31]
    html = str(ENGINES.render(page_of(records)))
    (failed,) = re.findall(r'<tr[^>]*class=" failed">.*?</tr>', html, flags=re.DOTALL)
    assert 'colspan="6"><span><strong>failed</strong> wrong-answer: the output is 0.42 off' in failed
    assert re.findall(r'data-value="([\d.]+)"', failed) == ["0.42", "0.21", "0.31"]


def test_the_best_gain_is_one_without_warnings():
    eager = at(make_engine_record("x3d-m", "eager"), 0.3)
    fused = at(make_engine_record("x3d-m", "fused"), 0.15)
    warned = with_timing(at(make_engine_record("x3d-m", "openvino"), 0.01), background_load=0.9)

    def gain(*records):
        found = best_gain(case_results(records))
        return found and (found.record.case.backend, found.speed)

    assert gain(eager, fused, warned) == ("fused", pytest.approx(2))
    assert gain(eager, warned) == ("openvino", pytest.approx(30))
    assert gain(eager) is None
    assert gain(fused) is None


def test_the_headline_shows_the_fastest_engine_in_float32_and_its_gain():
    found = headline(case_results(make_engine_records()))
    assert found.title.startswith("CoX3D-M (64) by openvino has the highest published accuracy of all that keep up")
    assert (
        "Of 28 measured cases, this shows each network by its fastest engine: "
        "cpu · openvino · float32 · batch 1 · 2 threads · random-0."
    ) in found.sentences
    gain = next(text for text in found.sentences if text.startswith("By "))
    assert re.fullmatch(r"By openvino in bfloat16, .+ is 1\d times as fast as by eager in float32\.", gain), gain
    assert any("CoX3D-M (16) [onnxruntime · bfloat16] (wrong-answer)" in text for text in found.sentences)


def test_of_each_network_the_fastest_engine_speaks_though_no_engine_ran_all():
    records = [
        at(make_engine_record("x3d-m", "eager"), 0.2),
        at(make_engine_record("x3d-m", "fused"), 0.1),
        at(make_engine_record("cox3d-m-16", "eager"), 0.025),
        at(make_engine_record("cox3d-m-16", "openvino"), 0.005),
    ]
    found = headline(case_results(records))
    assert found.title.startswith("X3D-M by fused")
    assert [(fact.value) for fact in found.facts[1:3]] == ["CoX3D-M (16) by openvino"] * 2  # every frame; fastest
    assert found.facts[-1].value == "20 \u00d7 as fast"
    assert found.facts[-1].detail == "CoX3D-M (16) by openvino against X3D-M by fused"


def test_of_ten_engines_the_reference_and_the_best_are_drawn():
    assert [setting.title for setting in plotted(case_results(make_engine_records()))] == [
        "cpu · eager · float32 · batch 1 · 2 threads · random-0",
        "cpu · openvino · float32 · batch 1 · 2 threads · random-0",
    ]
    assert len(plotted(case_results(make_batch_records()))) == 2
    assert "8 more settings are in the tables" in render_html(make_engine_records())


def test_the_section_shows_every_row_and_how_wrong():
    page = render_html(make_engine_records())
    section = re.search(r'<section id="engines".*?</section>', page, flags=re.DOTALL)
    assert section is not None
    text = section[0]
    assert text.count("<tbody") == 3
    assert text.count("<tr data-model") == 30
    assert text.count(">\nthe reference</span>") + text.count(">the reference</span>") == 3
    assert "wrong-answer: the output is 0.42 off" in text
    assert "no kernel for aten::mean.dim" in text
    assert "ONNX Runtime 1.23.2, CPUExecutionProvider, 2 threads" in text
    assert "99.1" in text
    assert " style=" not in text  # the page's policy forbids them


def test_hostile_engine_notes_are_text():
    engine = make_engine_record("x3d-m").engine.model_copy(update={"notes": ("<script>alert(1)</script>",)})
    page = render_html([make_engine_record("x3d-m", "eager"), make_engine_record("x3d-m", engine=engine)])
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_warnings_have_the_mark_of_the_table_and_lead_to_it():
    warned = with_timing(make_engine_record("x3d-m", "fused"), background_load=0.9)
    page = render_html([make_engine_record("x3d-m", "eager"), warned])
    section = re.search(r'<section id="engines".*?</section>', page, flags=re.DOTALL)
    (title,) = re.findall(r'<a href="#warnings" title="([^"]*)"', section[0])
    assert title == "other work kept up to 0.9 cores busy"
    assert page.count('id="warnings"') == 1


def test_tables_in_text_have_the_columns_of_engines():
    table = table_of(make_engine_records())
    data = frame(table).set_index(["model", "backend", "precision"])
    row = data.loc["x3d-m", "openvino", "fp32"]
    assert row["speed_against_eager"] == pytest.approx(7.3, rel=0.05)
    assert (row["build_s"], row["file_mb"], row["difference"]) == (3.8, 15.9, 4.1e-7)
    wrong = data.loc["cox3d-m-16", "onnxruntime", "bf16"]
    assert wrong.isna()["speed_against_eager"]
    assert wrong["difference"] == 0.42
    assert "Speed, \u00d7 eager" in markdown(table)
    assert "speed_against_eager" not in frame(table_of(make_default_records())).columns


def test_streams_of_a_batch_have_a_rate_of_their_own():
    table = table_of(make_batch_records())
    one, eight = table.rows
    whole, each = table.cell(eight, "throughput_per_s").value, table.cell(eight, "per_stream_per_s").value
    assert each == pytest.approx(whole / 8)
    assert table.cell(one, "per_stream_per_s").value == table.cell(one, "throughput_per_s").value
    assert table.cell(eight, "latency_ms").value == pytest.approx(1 / each, rel=0.1)
    assert "16 would need 1.84 GB of 1.5" in next(dict(table.footnotes)[mark] for mark in eight.marks)
    assert "per_stream_per_s" not in frame(table_of(make_default_records())).columns


def test_eight_slow_streams_are_not_real_time():
    records = make_batch_records()[1:]
    found = headline(case_results(records))
    assert found.title.endswith("predictions/s in each of 8 streams are too few for 30\u00a0frames/s")


def test_the_environment_names_each_engine_once():
    shown = engines(make_engine_records())
    assert shown.count("OpenVINO 2026.1.0, CPU, 2 threads (openvino)") == 1
    assert "PyTorch 2.13.0, 2 threads (eager, fused)" in shown
    assert engines(make_default_records()) == ""


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (4.1e-7, "4.1e-07"), (0.013, "0.013"), (0.42, "0.42")])
def test_differences_of_any_size(value, text):
    assert small(value) == text


@pytest.mark.parametrize(("percent", "text"), [(100.0, "100"), (99.99, "99.9"), (87.0, "87.0")])
def test_all_is_only_where_it_is_all(percent, text):
    assert same_class(percent) == text


def test_an_engine_without_details():
    engine = make_engine_record("x3d-m").engine.model_copy(update={"provider": None, "threads": 1})
    assert engine_text(engine) == "ONNX Runtime 1.23.2, 1 thread"


def test_of_very_many_settings_a_few_have_plots_and_the_page_counts_the_others():
    records = [make_record(case=make_case(threads=threads)) for threads in range(1, MOST_PLOTTED + 4)]
    assert len(plotted(case_results(records))) == MOST_PLOTTED
    assert "3 more settings are in the tables" in render_html(records)


def test_of_very_many_cases_those_with_plots_have_strips():
    records = [make_record(case=make_case(threads=threads)) for threads in range(1, MOST_STRIPS + 6)]
    html = str(SECTION.render(page_of(records)))
    assert html.count("<figure") == MOST_STRIPS
    assert "5 more cases are in the table" in html
