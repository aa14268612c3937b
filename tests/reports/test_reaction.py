"""The reaction to a new scene on the page."""

from typing import Any

from co3d_bench.bench.record.camera import Reaction
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.bench.stats.metrics import get_metric
from co3d_bench.reports.charts.reaction import PLOT, reaction_chart, same_scenes
from co3d_bench.reports.html import render_html
from co3d_bench.reports.page import page_of
from co3d_bench.reports.sections.reaction import render

from .charts.specs import assert_valid, layers
from .test_camera import watched


def reacting(model, half_s=7.0, source="noise", video=None, **more):
    record = watched(model, **more)
    ends = (half_s, half_s + 0.4)
    found = Reaction(
        half_s=half_s,
        half_range_s=ends,
        nine_tenths_s=half_s + 1,
        nine_tenths_range_s=(half_s + 1, half_s + 1),
        scenes=4,
        frame_s=0.2,
        source=source,
    )
    case = record.case.model_copy(update={"input": video or record.case.input})
    return record.model_copy(update={"case": case, "camera": record.camera.model_copy(update={"reaction": found})})


def test_networks_stand_at_their_reaction_and_their_accuracy():
    spec = reaction_chart([reacting("x3d-s", 1.6), reacting("cox3d-s-13", 8.0)])
    assert_valid(spec)
    points = next(rows for rows in layers(spec, "point", size=150))
    assert [(point["model"], point["x"], point["y"]) for point in points] == [
        ("x3d-s", 1.6, 64.71),
        ("cox3d-s-13", 8.0, 60.18),
    ]
    assert points[0]["tooltip"]["Half of the way"] == "1.60 (1.60 to 2.00) s"
    assert reaction_chart([reacting("x3d-s")]) is None
    assert PLOT.cost is get_metric("reaction_half_s")


def test_networks_of_one_plot_were_shown_the_same_scenes():
    noise = [reacting("x3d-s", 1.6), reacting("cox3d-s-13", 8.0)]
    film = [reacting("cox3d-s-13", 7.0, "film", "video:a.mp4:0123456789ab")]
    other = [reacting("x3d-s", 1.0, "film", "video:b.mp4:ba9876543210")]
    assert same_scenes([*noise, *film, *other]) == tuple(noise)
    newer = reacting("x3d-s", 1.8, run_id="run-2")
    assert same_scenes([*noise, newer])[0] is newer
    assert same_scenes([watched(), watched("x3d-s")])  # noise, in records that do not say so
    assert same_scenes([]) == ()


def test_the_section_is_sorted_by_reaction_and_says_what_the_scenes_were():
    html = str(render(page_of([reacting("cox3d-s-13", 8.0, "film"), reacting("x3d-s", 1.6, "film")])))
    assert 0 < html.index("X3D-S") < html.index("CoX3D-S (13)")
    assert "4 scenes of the film" in html
    assert "Reaction to a new scene" in render_html([reacting("x3d-s")])
    nothing = watched()
    nothing = nothing.model_copy(update={"camera": nothing.camera.model_copy(update={"reaction": None})})
    assert render(page_of([nothing])) is None


def test_the_metric_is_that_of_the_record():
    (case,) = case_results([reacting("x3d-s", 1.6)], ("camera",))
    assert (case.value("reaction"), case.value("reaction_nine_tenths")) == (1.6, 2.6)


def test_it_is_drawn_in_a_browser(open_html: Any) -> None:
    opened = open_html(render_html([reacting("x3d-s", 1.6), reacting("cox3d-s-13", 8.0)]))
    assert opened.complaints == []
    assert opened.page.locator(".plot-reaction svg").count() == 1
