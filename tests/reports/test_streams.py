"""Several cameras before one network, in the terminal and on the page."""

from __future__ import annotations

import math
from typing import Any

import pytest
from rich.console import Console

from co3d_bench.bench.record.camera import CameraRun, Streams, StreamsTrial
from co3d_bench.bench.record.case import CameraSetup
from co3d_bench.bench.stats.frame import frame
from co3d_bench.reports.camera_evidence import render_camera_evidence
from co3d_bench.reports.charts.streams import missed_over_cameras
from co3d_bench.reports.html import render_html
from co3d_bench.reports.tables.camera import build, keeps_up, rate_text, summary

from ..factories import make_record
from .charts.specs import assert_valid, layers

ONE, CALL = "one after the other", "one call for all"


def trial(streams: int, verdict: Any, way: Any = ONE, seconds: float = 31.0, missed: int = 0, **more: Any) -> Any:
    due = round(30 * seconds)
    return StreamsTrial(
        streams=streams,
        way=way,
        seconds=seconds,
        due=streams * due,
        missed=missed,
        worst_due=due,
        worst_missed=math.ceil(missed / streams),
        verdict=verdict,
        **more,
    )


SEARCH = (
    *(trial(1, "not known", seconds=5.0), trial(2, "not known", seconds=5.0), trial(4, "not known", seconds=5.0)),
    *(
        trial(8, "no", seconds=3.0, missed=360),
        trial(6, "no", seconds=9.0, missed=70),
        trial(5, "not known", seconds=60.0),
    ),
    trial(4, "yes", missed=8),
    *(trial(2, "not known", CALL, 5.0), trial(4, "no", CALL, 4.0, 200), trial(3, "yes", CALL)),
)


def watched(streams: Any = "auto", count: int = 4, way: Any = ONE, tried: Any = SEARCH, notes: Any = ()) -> Any:
    found = Streams(count=count, way=way, tried=tried, notes=notes)
    shown = found.shown or tried[0]
    run = CameraRun(
        source="random",
        duration_s=shown.seconds,
        deadline_s=0.1,
        due=shown.due,
        in_time=shown.due - shown.missed,
        late=0,
        dropped=shown.missed,
        latency_s={"p50": 0.0082},
        mean_age_s=0.03,
        peak_age_s=0.07,
        longest_gap_s=0.2,
        times="0" * 64,
        streams=found,
    )
    case = make_record("cox3d-s-13").case.model_copy(update={"camera": CameraSetup(fps=30, streams=streams)})
    return make_record("cox3d-s-13").model_copy(update={"case": case, "timing": None, "camera": run})


def cell_of(record: Any, head: str) -> Any:
    table = build([record])
    return table.rows[0].cells[[column.head for column in table.columns].index(head)]


def test_the_most_cameras_are_a_figure_and_a_sentence():
    record = watched()
    assert (cell_of(record, "Cameras").text, cell_of(record, "Cameras").value) == ("4; 5 not known", 4)
    assert cell_of(record, "Served").text == ONE
    assert rate_text(record) == "30/s (each camera)"
    assert keeps_up(record) == (
        "CoX3D-S (13) (eager) keeps up with 4 cameras, every frame of 30/s, one after the other: each misses at most "
        "1 % of its deadlines at 99 % confidence; whether 5 do is not known after 60.0 s; one call for all, 3 for "
        "certain"
    )
    assert summary([record]) == "1 of 1 keep up with their camera"


@pytest.mark.parametrize(
    ("tried", "cell", "words"),
    [
        (
            [trial(1, "no", seconds=3.0, missed=30)],
            "not even one",
            "does not keep up with even one camera, every frame",
        ),
        ([trial(1, "not known", seconds=60.0)], "not known", "may or may not keep up with one camera, every frame"),
        ([trial(1, "not known", seconds=60.0)], "not known", "; a longer --duration says more"),
        ([trial(1, "not known", seconds=9.0)], "not known", "; known after 31 s without a miss at the earliest"),
    ],
)
def test_not_even_one_and_not_known_are_said(tried, cell, words):
    record = watched(count=0, tried=tried)
    assert cell_of(record, "Cameras").text == cell
    assert words in (keeps_up(record) or "")
    assert summary([record, watched()]) == "1 of 2 keep up with their camera"


def test_what_ended_a_search_is_said():
    more = trial(8, "no", why="8 would need 3.4 GB of 3")
    record = watched(tried=(*SEARCH[:3], more, SEARCH[6]))
    assert (keeps_up(record) or "").endswith("confidence; 8 would need 3.4 GB of 3")


def test_so_many_cameras_as_were_asked_for():
    tried = (trial(2, "yes"), trial(2, "no", CALL, missed=40))
    record = watched(2, 2, tried=tried)
    assert cell_of(record, "Cameras").text == "2"
    assert keeps_up(record) == (
        "CoX3D-S (13) (eager) keeps up with every frame of 30/s of each of 2 cameras, one after the other: all 1860 "
        "were answered within 100 ms; one call for all missed 40"
    )
    record = watched(2, 2, tried=(trial(2, "no", missed=40),))
    assert "of 1860 answers 0 came late and 40 never; one camera missed 20 of 930" in (keeps_up(record) or "")


def test_why_one_call_was_not_watched_is_said():
    record = watched(2, 2, tried=(trial(2, "yes"),), notes=("one call for all: a batch of 2 failed: no kernel",))
    assert (keeps_up(record) or "").endswith("within 100 ms; one call for all: a batch of 2 failed: no kernel")
    record = watched(count=4, tried=SEARCH[:7], notes=("one call for all: a batch of 2 failed: no kernel",))
    assert (keeps_up(record) or "").endswith("after 60.0 s; one call for all: a batch of 2 failed: no kernel")


def test_what_was_tried_is_drawn_both_ways_with_the_limit():
    spec = missed_over_cameras(watched().camera.streams, "frame")
    assert_valid(spec)
    dots, rings = layers(spec or {}, "point")
    assert [round(row["x"]) for row in dots] == [1, 2, 4, 5, 6, 8]
    assert [round(row["x"]) for row in rings] == [2, 3, 4]
    assert dots[2]["share"] == 8 / 3720
    assert dots[2]["low"] < dots[2]["share"] < dots[2]["high"]
    (limit,) = [rows for rows in layers(spec or {}, "rule") if "text" in rows[0]]
    assert limit[0]["share"] == 0.01
    assert spec
    assert spec["description"].startswith("Missed by cameras, one after the other: 1: 0 %, 2: 0 %, 4: 0.215 %")
    assert missed_over_cameras(watched(2, 2, tried=(trial(2, "yes"),)).camera.streams, "frame") is None


def test_the_page_and_the_evidence_have_it():
    record = watched(notes=("one call for all: a batch of 2 failed: no",))
    page = render_html([record])
    assert "How many cameras" in page
    assert "How many cameras" not in render_html([watched(2, 2, tried=(trial(2, "yes"),))])
    console = Console(width=160, record=True)
    with console.capture() as captured:
        console.print(render_camera_evidence([record], {}))
    text = captured.get()
    assert "one call for all: a batch of 2 failed: no" in text
    rows = [line.split() for line in text.splitlines() if "one after the other" in line]
    assert [row[0] for row in rows] == list("1248654")
    assert rows[3][5:] == ["3.00", "50.0", "50.0", "no"]


def test_in_data_it_has_columns():
    (row,) = frame([watched()]).to_dict("records")
    assert (row["cameras"], row["camera_way"], row["cameras_searched"]) == (4, ONE, True)
    assert row["worst_missed_share"] == 2 / 930


def test_pictures_are_drawn_in_a_browser(open_html: Any) -> None:
    opened = open_html(render_html([watched()]))
    assert opened.complaints == []
    assert opened.page.locator(".camera svg").count() == 1
