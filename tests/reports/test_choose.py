"""Which one to take, in the terminal, as text and on the page, which judges as the terminal does."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from typing import Any

import pytest

from co3d_bench.bench.errors import EXIT_CODES, NOTHING, OK, USAGE
from co3d_bench.bench.record.store import append_record
from co3d_bench.bench.stats.choose import CONSTRAINTS, Verdict, candidates, choose
from co3d_bench.cli.choose import LIMITS
from co3d_bench.reports.html import render_html
from co3d_bench.reports.sections.choose import candidate_data, rules, stops
from co3d_bench.reports.tables.choose import build, choice_of, engine_text, summary, why

from ..choices import make_candidates, make_limits
from ..command import call
from ..factories import (
    make_default_records,
    make_engine_record,
    make_failed_record,
    make_model,
    make_noisy_record,
    make_record,
)
from .conftest import Opened
from .test_camera import watched

STORES = 200
HOSTILE = "<img src=x onerror=alert(1)>"


def judged(verdict: Verdict) -> list[Any]:
    """What the page must say as well, to the last digit."""
    numbers = {name: "infinite" if value == math.inf else value for name, value in verdict.figures.items()}
    wrong = [
        [each.constraint.name, "infinite" if each.value == math.inf else each.value, each.limit]
        for each in verdict.violations
    ]
    return [verdict.candidate.case.key, verdict.use.way, verdict.use.every, verdict.use.states, numbers, wrong]


ON_THE_PAGE = """stores => stores.map(([candidates, rules, limits]) => {
  const said = value => value === Infinity ? "infinite" : value;
  return choose(candidates, rules, limits).map(({ candidate, use, figures, violations }) => [
    candidate.key, use.way, use.every, use.states,
    Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, said(value)])),
    violations.map(({ constraint, value, limit }) => [constraint.name, said(value), limit]),
  ]);
})"""


@pytest.fixture(scope="module")
def page(open_report: Any) -> Opened:
    return open_report([*make_default_records(), watched("cox3d-m-64", every=5)])


def test_the_page_judges_as_the_terminal_does(page: Opened) -> None:
    draw = random.Random(5)
    stores = [(make_candidates(draw), make_limits(draw)) for _ in range(STORES)]
    given = [[[candidate_data(each) for each in store], rules(store), limits] for store, limits in stores]
    found = page.page.evaluate(ON_THE_PAGE, given)
    expected = [[judged(verdict) for verdict in choose(store, limits)] for store, limits in stores]
    assert found == json.loads(json.dumps(expected))
    assert sum(any(not verdict[-1] for verdict in store) for store in expected) > STORES / 5
    assert page.complaints == []


# --- the page


def field(page: Any, name: str) -> Any:
    return page.locator(f".choice [name={name}]")


def reasons(page: Any, table: str = ".results") -> dict[str, str]:
    rows = page.locator(f"{table} tr[data-case]").all()
    return {row.get_attribute("data-model"): " ".join(row.locator(".why").all_inner_texts()) for row in rows}


def lit(page: Any) -> set[str]:
    """The networks that are fully drawn: the same in every plot that has them."""
    marks = """figure => Array.from(figure.querySelectorAll(".mark-symbol path[aria-label]"))
      .map(mark => [mark.getAttribute("aria-label"), Number(mark.getAttribute("opacity") ?? 1) === 1])"""
    plots = [figure.evaluate(marks) for figure in page.query_selector_all("#pareto .plots figure")]
    bright = {name for plot in plots for name, full in plot if full}
    for plot in plots:
        assert {name for name, full in plot if full} == bright & {name for name, _ in plot}
    assert len(plots) > 2
    return bright


def test_without_a_limit_everything_is_lit_and_no_row_says_why(page: Opened) -> None:
    assert len(lit(page.page)) == 6
    assert set(reasons(page.page).values()) == {""}
    assert page.page.locator(".choice output").inner_text() == ""


def test_what_fits_is_lit_everywhere_and_each_other_row_says_why(page: Opened) -> None:
    field(page.page, "fps").fill("30")
    field(page.page, "deadline").fill("100")
    field(page.page, "accuracy").fill("60.5")
    choice = choice_of(
        [*make_default_records(), watched("cox3d-m-64", every=5)], {"fps": 30.0, "deadline": 0.1, "accuracy": 60.5}
    )
    assert [verdict.candidate.title for verdict in choice.verdicts if verdict.feasible] == [
        "CoX3D-M (64)",
        "CoX3D-M (16)",
    ]
    found = reasons(page.page)
    assert found["cox3d-m-16"] == "fits: 30/s (5 states)"
    assert found["x3d-m"] == "gives 3.46 answers/s, 2.54 below 6; latency (p90) 292 ms, 192 above 100"
    of_choice = {verdict.candidate.case.model: why(verdict) for verdict in choice.verdicts if not verdict.feasible}
    assert {model: found[model] for model in of_choice} == of_choice
    assert lit(page.page) == {"CoX3D-M (64)", "CoX3D-M (16)"}
    faded = page.page.locator("tr.faded .why").first  # its row is, but not why
    ink = "e => [getComputedStyle(e).opacity, getComputedStyle(e).color, getComputedStyle(document.body).color]"
    opacity, colour, of_text = faded.evaluate(ink)
    assert (opacity, colour) == ("1", of_text)
    assert reasons(page.page, ".camera") == {"cox3d-m-64": "fits: 6/s (1 in 5)"}
    said = page.page.locator(".choice output").inner_text()
    assert said == "2 of 6 networks fit:"
    assert summary(choice) == "2 of 6 networks fit --fps 30 --deadline 100ms --accuracy 60.5"
    assert [text.split(" eager")[0] for text in page.page.locator(".fitting li").all_inner_texts()] == [
        "CoX3D-M (64)",
        "CoX3D-M (16)",
    ]


def test_a_case_of_speed_is_lit_where_a_camera_shows_that_it_keeps_up(open_report: Any) -> None:
    late = watched("x3d-m", every=6, dropped=60)
    late = late.model_copy(update={"camera": late.camera.model_copy(update={"latency_s": {}})})
    opened = open_report([make_record("x3d-s"), watched("x3d-s", every=6), watched("x3d-s", every=1), late])
    field(opened.page, "fps").fill("30")
    assert reasons(opened.page) == {"x3d-s": "fits: 30/s"}  # both of its ways were watched
    assert opened.page.locator(".camera .why").all_inner_texts() == [
        "fits: 5/s (1 in 6)",
        "fits: 30/s",
        "gives 2.50 answers/s, 2.50 below 5",
    ]
    assert opened.page.locator(".camera tr.faded").count() == 1
    assert opened.complaints == []


def test_few_samples_hide_no_miss_and_a_case_of_a_camera_leads_to_its_row(open_report: Any) -> None:
    late, well = watched("x3d-s", every=6, late=6), watched("cox3d-s-13", every=6)
    opened = open_report([make_noisy_record("x3d-s"), make_noisy_record("cox3d-s-13"), late, well])
    page = opened.page
    field(page, "fps").fill("30")
    field(page, "deadline").fill("100")
    missed = "5.00 % of answers missed 100 ms, above 1 %"
    assert page.locator(".camera .why").all_inner_texts() == [missed, "fits: 5/s (1 in 6)"]
    (verdict, _) = choice_of([late, well], {"fps": 30.0, "deadline": 0.1}).verdicts[::-1]
    assert why(verdict) == missed
    link = page.locator(".fitting li a", has_text="CoX3D-S (13)")
    link.click()
    assert page.locator("tr:target").get_attribute("data-model") == "cox3d-s-13"
    page.locator(".filters [name=form]").select_option("frame")  # a camera's rows are filtered as all others
    assert page.locator(".camera tr[data-case]:visible").count() == 1
    assert opened.complaints == []


def test_a_warning_has_its_mark_among_those_that_fit(open_report: Any) -> None:
    page = open_report([make_noisy_record("x3d-s"), make_record("x3d-m")]).page
    field(page, "accuracy").fill("60")
    assert [text.split(" eager")[0] for text in page.locator(".fitting li").all_inner_texts()] == ["X3D-M", "X3D-S !"]


def test_the_limits_are_in_the_address_beside_filters_and_come_back(page: Opened) -> None:
    page.page.locator(".filters [name=form]").select_option("frame")
    address = page.page.evaluate("location.search")
    assert address == "?fps=30&deadline=100&accuracy=60.5&form=frame"
    before = reasons(page.page)
    page.page.evaluate("location.hash = '#table'")  # a link on the page, which does not forget them
    page.page.reload()
    page.page.wait_for_selector("body[data-drawn]")
    assert field(page.page, "deadline").input_value() == "100"
    assert reasons(page.page) == before
    page.page.get_by_role("button", name="No limits").click()
    page.page.wait_for_url(lambda url: "fps" not in url)
    assert page.page.evaluate("location.search + location.hash") == "?form=frame#table"
    page.page.get_by_role("button", name="Reset").click()
    page.page.wait_for_url(lambda url: "form" not in url)
    assert set(reasons(page.page).values()) == {""}


def test_sliders_and_numbers_follow_each_other_by_keyboard(page: Opened) -> None:
    slider = page.page.get_by_role("slider", name="Accuracy, at least, in %")
    assert slider.get_attribute("aria-valuetext") == "no limit"
    slider.focus()
    page.page.keyboard.press("End")
    assert field(page.page, "accuracy").input_value() == "72"
    assert slider.get_attribute("aria-valuetext") == "72 %"
    assert page.page.locator(".choice output").inner_text() == "0 of 6 networks fit"
    assert lit(page.page) == set()
    page.page.keyboard.press("ArrowLeft")
    assert page.page.locator(".choice output").inner_text() == "1 of 6 networks fit:"
    page.page.locator("tr[data-model=x3d-s] td").first.click()  # what is picked is lit, whatever fits
    assert lit(page.page) == {"X3D-S"}
    page.page.keyboard.press("Escape")
    assert lit(page.page) == {"CoX3D-M (64)"}
    field(page.page, "accuracy").fill("64.9")
    assert slider.get_attribute("aria-valuetext") == "64.9 %"
    slider.focus()
    page.page.keyboard.press("Home")
    assert field(page.page, "accuracy").input_value() == ""
    assert page.page.locator("tr.faded").count() == 0
    assert page.complaints == []


def test_paper_shows_limits_only_where_they_are_set(page: Opened) -> None:
    page.page.get_by_role("button", name="No limits").click()
    page.page.emulate_media(media="print")
    assert not page.page.locator(".choice").is_visible()
    field(page.page, "accuracy").evaluate("field => { field.value = 60; field.dispatchEvent(new Event('input')); }")
    assert page.page.locator(".choice").is_visible()
    page.page.emulate_media(media="screen")
    page.page.get_by_role("button", name="No limits").click()


def test_what_nobody_knows_has_no_slider_and_is_said() -> None:
    html = render_html(make_default_records())
    assert "Not known of any network here: reaction, power." in html
    assert 'name="watts"' not in html
    assert 'name="memory"' in html


def test_without_scripts_a_statement_of_where_to_ask_remains(open_report: Any) -> None:
    page = open_report(make_default_records(), javascript=False).page
    assert "co3d-bench choose --fps 30 --deadline 100ms" in page.locator("#choose .lead").inner_text()
    assert not page.locator(".choice").is_visible()
    assert "Set limits" not in page.locator("#choose").inner_text()


def test_names_from_outside_are_text(open_report: Any) -> None:
    record = make_record("x3d-s", model=make_model("x3d-s", title=HOSTILE))
    opened = open_report([record, make_record("x3d-m")])
    field(opened.page, "accuracy").fill("60")
    assert HOSTILE in opened.page.locator(".fitting").inner_text()
    assert opened.page.locator("img").count() == 0
    assert opened.complaints == []


def test_a_single_network_is_spoken_of_as_one() -> None:
    records = [make_record("x3d-m")]
    assert summary(choice_of(records, {})).startswith("1 network in its rank; no limit was set")
    assert summary(choice_of(records, {"deadline": 1.0})) == "the only network fits --deadline 1000ms"
    said = summary(choice_of(records, {"deadline": 0.1}))
    assert said.startswith("the only network does not fit --deadline 100ms; nearest is X3D-M (eager, 6/s)")


def test_stops_span_what_was_measured() -> None:
    deadline, accuracy = CONSTRAINTS[1], CONSTRAINTS[-1]
    assert stops(deadline, (0.0141, 0.291)) == (10, 15, 20, 30, 50, 70, 100, 150, 200, 300)
    assert stops(deadline, (0.01,)) == (10,)
    assert stops(accuracy, (59.4, 62.8)) == (59, 60, 61, 62, 63)
    assert stops(deadline, ()) == ()


def test_stops_end_whatever_a_record_holds() -> None:
    deadline, accuracy = CONSTRAINTS[1], CONSTRAINTS[-1]
    assert stops(deadline, (1e24,)) == (1e27,)
    assert stops(deadline, (1e-24, 2e-24)) == (1e-21, 1.5e-21, 2e-21)
    assert stops(accuracy, (59.4, 1e18))[-1] == 100


# --- the terminal


@pytest.fixture
def store(tmp_path: Any) -> Any:
    records = [*make_default_records(), make_failed_record("x3d-l"), watched("x3d-s", every=6)]
    for record in records:
        append_record(tmp_path / "results", record)
    return tmp_path


def test_the_terminal_shows_what_fits_and_why_the_rest_does_not(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    done = call(store, "choose", "--fps", "30", "--deadline", "100ms", "--accuracy", "62")
    assert (done.returncode, done.stderr) == (OK, "")
    rows = [line.split()[:2] for line in done.stdout.splitlines() if line.startswith(("CoX3D", "X3D", "x3d"))]
    assert rows == [["CoX3D-M", "(64)"], ["X3D-S", "64.7"], ["CoX3D-M", "(16)"], ["x3d-l", "failed,"]]
    assert "3 of 6 networks fit --fps 30 --deadline 100ms --accuracy 62" in done.stdout
    assert "not X3D-M (eager, 6/s (1 in 5)): gives 3.46 answers/s, 2.54 below 6; latency (p90) 292 ms" in done.stdout
    assert "x3d-l failed, the kernel ended the measuring process" in done.stdout


def test_where_nothing_fits_the_exit_code_says_so_and_the_nearest_limit_is_named(store: Any) -> None:
    done = call(store, "choose", "results", "--accuracy", "72")
    assert (done.returncode, done.stderr) == (NOTHING, "")
    shown = " ".join(done.stdout.split())
    assert "none of 6 networks fits --accuracy 72; nearest is CoX3D-M (64) (eager, 6/s)" in shown
    assert "it would fit --accuracy 71" in shown
    assert "`choose`" in EXIT_CODES[NOTHING]
    shown = " ".join(call(store, "choose", "--watts", "10", "--accuracy", "72").stdout.split())
    assert "no change of a single limit would admit one" in shown
    assert "power not known; accuracy 71.0 %, 0.970 below 72" in shown
    assert "power is measured by `co3d-bench run` with an energy sensor" in shown
    assert "measured by" not in call(store, "choose", "--accuracy", "72").stdout
    shown = " ".join(call(store, "choose", "--react", "3s").stdout.split())
    assert "reaction is measured by `co3d-bench camera`" in shown


def test_text_and_data_have_a_row_for_each_network_or_with_all_for_each_use(store: Any) -> None:
    done = call(store, "choose", "--fps", "30", "--deadline", "100ms", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    fit = ["cox3d-m-64", "x3d-s", "cox3d-m-16", "cox3d-s-13", "x3d-xs"]
    assert [row["model"] for row in rows if row["rank"]] == fit
    assert (rows[0]["accuracy_top1_percent"], rows[0]["answers_per_s"], rows[0]["why_not"]) == ("71.03", "30.0", "")
    assert rows[1]["measured"] == "camera"
    assert rows[-1]["error"].startswith("the kernel")
    rows = json.loads(call(store, "choose", "--fps", "30", "--format", "json", "--all").stdout)
    # 3 clip networks in two ways, one of them watched in one of these; 3 frame networks in three; one failed
    assert len(rows) == 2 * 3 + 3 * 3 + 1
    done = call(store, "choose", "--format", "md")
    assert done.stdout.startswith("| Network | Form | Rank | Accuracy, % | Answers |")


@pytest.mark.parametrize(
    ("option", "typed", "message"),
    [
        ("--fps", "0", "'0': must be a number above 0, of frames a second"),
        ("--fps", "nan", "'nan': must be a number above 0"),
        ("--fps", "9" * 400, "must be a number above 0, of frames a second"),
        ("--deadline", "soon", "'soon': must be a time above 0: 100ms, 90s"),
        ("--deadline", "100 miles", "'100 miles': must be a time above 0"),
        ("--react", "-3s", "'-3s': must be a time"),
        ("--memory", "lots", "'lots': must be an amount of memory above 0: 512MB"),
        ("--memory", "512", "'512': must be an amount of memory"),
        ("--watts", "٣", "'٣': must be a number above 0, of watts"),
        ("--accuracy", "140", "'140': must be a percentage above 0, up to 100"),
        ("--accuracy", "1e5", "'1e5': must be a percentage"),
    ],
)
def test_a_wrong_limit_is_one_line(tmp_path: Any, option: str, typed: str, message: str) -> None:
    done = call(tmp_path, "choose", option, typed)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert f"Invalid value for '{option}': " in done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_units_may_be_typed(store: Any) -> None:
    done = call(store, "choose", "--deadline", "1m", "--memory", "0.5GiB", "--accuracy", "65 %", "--watts", "900mW")
    asked = "--deadline 60000ms --memory 536.871MB --watts 0.9 --accuracy 65"
    assert (done.returncode, asked in " ".join(done.stdout.split())) == (NOTHING, True)
    assert [each.name for each in LIMITS] == [each.name for each in CONSTRAINTS]


def test_a_store_without_anything_to_choose_is_one_line(tmp_path: Any) -> None:
    done = call(tmp_path, "choose", "none")
    assert (done.returncode, done.stdout) == (NOTHING, "")
    assert "no records at" in done.stderr
    append_record(tmp_path / "results", make_failed_record("x3d-s"))
    done = call(tmp_path, "choose")
    assert (done.returncode, done.stdout) == (NOTHING, "")
    assert "results: no network was measured without an error" in done.stderr


def test_a_warning_keeps_its_mark() -> None:
    table = build(choice_of([make_noisy_record("x3d-s"), make_record("x3d-m")], {}))
    assert [(row.title, row.all_marks) for row in table.rows] == [("X3D-M", ()), ("X3D-S", ("!",))]


def test_the_engine_says_what_candidates_differ_in() -> None:
    found = candidates([make_engine_record("x3d-m", "eager"), make_engine_record("x3d-m", "openvino", "bf16")])
    text = engine_text(found)
    assert [text(each) for each in found] == ["eager \u00b7 float32", "openvino \u00b7 bfloat16"]
    assert engine_text(found[:1])(found[0]) == "eager"
