"""Several stores on one page: each row is its own store's, and no figure is of two."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas
import pytest

from co3d_bench.bench.profile.operator_profile import append_profile, read_profiles_of
from co3d_bench.bench.record.record import KINDS
from co3d_bench.bench.record.sources import read_sources
from co3d_bench.bench.record.store import append_record
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.bench.stats.choose import candidates
from co3d_bench.bench.stats.frame import case_frame, load
from co3d_bench.reports.commands import write_report
from co3d_bench.reports.headline import headline
from co3d_bench.reports.page import page_of
from co3d_bench.reports.sections import camera as camera_section
from co3d_bench.reports.sections import counting, reaction
from co3d_bench.reports.select import pairs
from co3d_bench.reports.tables import accuracy, camera, transient
from co3d_bench.reports.tables.results import build

from ..factories import (
    DEFAULT_MODELS,
    WEIGHTS,
    make_accuracy_record,
    make_engine_record,
    make_environment,
    make_machine,
    make_model,
    make_record,
    make_samples,
)
from ..profiles import make_profile
from . import test_transient
from .test_camera import watched
from .test_reaction import reacting

CPUS = {"board": "Imaginary Board", "laptop": "Imaginary Laptop"}


@pytest.fixture
def stores(tmp_path):
    """The same cases, measured on two machines."""
    for number, (name, cpu) in enumerate(CPUS.items(), 1):
        environment = make_environment(machine=make_machine(cpu_model=cpu))
        for model in DEFAULT_MODELS[1:5]:
            samples = make_samples(0.05 * number, seed=f"{model} {name}")
            append_record(
                tmp_path / name, make_record(model, samples=samples, environment=environment, run_id=f"run-{name}")
            )
        append_record(tmp_path / name, make_engine_record("x3d-s", run_id=f"run-{name}", environment=environment))
    return [tmp_path / name for name in CPUS]


def test_each_row_is_that_of_its_own_store(stores):
    together = load(stores, by="case")
    for store in stores:
        own = together[together["source"] == store.name].drop(columns="source").reset_index(drop=True)
        pandas.testing.assert_frame_equal(own, load(store, by="case"), check_dtype=False)
    assert "source" not in load(stores[0], by="case").columns
    assert set(load(stores)["source"]) == set(CPUS)


def test_the_table_says_whose_each_row_is_and_speeds_are_within_a_source(stores):
    table = build(case_results(read_sources(stores)))
    assert [table.cell(row, "source").text for row in table.rows] == ["board"] * 5 + ["laptop"] * 5
    alone = build(case_results(read_sources(stores[0])))
    assert "source" not in [column.name for column in alone.columns]
    mine = [table.cell(row, "speed_against_eager").text for row in table.rows if row.key.startswith("board:")]
    assert mine == [alone.cell(row, "speed_against_eager").text for row in alone.rows]
    assert len({row.key for row in table.rows}) == 10


def test_pairs_and_the_headline_are_of_one_source(stores):
    results = case_results(read_sources(stores))
    found = pairs(results)
    assert found
    assert all(pair.origin.source == pair.result.source for pair in found)
    assert headline(results).title.startswith("board: ")  # twice as fast as the laptop
    assert headline(case_results(read_sources(stores[0]))).title == headline(results).title.removeprefix("board: ")


def test_an_accuracy_of_one_source_fills_no_gap_of_another(tmp_path):
    model = make_model("x3d-m", weights=WEIGHTS)
    for name in CPUS:
        append_record(tmp_path / name, make_record("x3d-m", model=model, run_id=name))
    append_record(tmp_path / "board", make_accuracy_record("x3d-m", 0.7))
    append_record(tmp_path / "board", watched("x3d-m").model_copy(update={"model": model}))
    sources = {r.source: r for r in case_results(read_sources([tmp_path / name for name in CPUS]))}
    assert sources["board"].value("accuracy_top1_percent") == pytest.approx(70.0)
    assert sources["laptop"].value("accuracy_top1_percent") != pytest.approx(70.0)
    found = {c.case.source: c for c in candidates(read_sources([tmp_path / name for name in CPUS])) if not c.watched}
    assert found["board"].reaction_frames is not None
    assert found["laptop"].reaction_frames is None


def test_tables_of_the_other_kinds_say_whose_each_row_is(tmp_path):
    for name in CPUS:
        for record in (watched("x3d-m", run_id=name), make_accuracy_record("x3d-m", 0.5)):
            append_record(tmp_path / name, record.model_copy(update={"run_id": name}))
        test_transient.stored(tmp_path / name)
    records = [r.of_source(name) for name in CPUS for r in read_sources(tmp_path / name)]
    for build_of, kind in ((camera.build, "camera"), (accuracy.build, "accuracy"), (transient.build, "transient")):
        table = build_of([record for record in records if record.kind == kind])
        assert [table.cell(row, "source").text for row in table.rows] == list(CPUS)
    assert len(case_frame(case_results(records, KINDS))) == 6


def test_plots_and_sentences_say_whose_they_are(tmp_path):
    noted = watched("x3d-m").model_copy(update={"notes": ("the film is short",)})
    cameras = [watched("x3d-m").of_source("board"), noted.of_source("laptop")]
    assert [f"{camera.keeps_up(each)}".partition(" (eager)")[0] for each in cameras] == [
        "board: X3D-M",
        "laptop: X3D-M",
    ]
    assert camera.notes(cameras) == ("laptop: X3D-M: the film is short",)
    drawn = str(camera_section.render(page_of(cameras)))
    assert re.findall(r">(\w+): X3D-M \(.+?\) has no picture", drawn) == list(CPUS)
    scored = make_accuracy_record("x3d-m", 0.5).of_source("board")
    assert accuracy.title_of(scored).startswith("board: X3D-M (eager, float32)")
    counted = str(counting.render(page_of([make_record("x3d-m").of_source(name) for name in CPUS])))
    assert dict.fromkeys(re.findall(r"(\w+): X3D-M\b", counted)) == dict.fromkeys(CPUS)
    test_transient.stored(tmp_path)
    (started,) = read_sources(tmp_path)
    assert transient.title_of(started.of_source("board")) == f"board: {transient.title_of(started)}"


def test_a_plot_of_reactions_says_which_source_it_is_of():
    one = [reacting(model).of_source("board") for model in ("x3d-s", "cox3d-s-13")]
    page = str(reaction.render(page_of([reacting("x3d-s", run_id="2").of_source("laptop"), *one])))
    assert "Of several sources the one with most networks is shown, board." in page
    assert "<figcaption>board: Accuracy against reaction</figcaption>" in page
    assert "laptop" not in page
    assert "source" not in str(reaction.render(page_of([reacting("x3d-s")]))).partition("<table")[0]


def test_profiles_have_their_sources(tmp_path):
    for name in CPUS:
        append_profile(tmp_path / name, make_profile())
    found = read_profiles_of([tmp_path / name for name in CPUS])
    assert [profile.case.source for profile in found] == list(CPUS)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_of_two_machines_in_a_browser(stores, open_html: Callable[..., Any], tmp_path, width) -> None:
    page = open_html(write_report(stores, tmp_path / "all.html").read_text(), width).page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    rows = page.locator("table.results tbody tr:visible, #table tbody tr[data-case]:visible")
    assert rows.count() == 10
    page.select_option("select[name=device]", "cpu (laptop)")
    assert {row.get_attribute("data-case").partition(":")[0] for row in rows.all()} == {"laptop"}
    assert rows.count() == 5
