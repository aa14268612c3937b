"""Networks in front of a camera, in the terminal and on the page."""

from rich.console import Console

from co3d_bench.bench.record.camera import CameraRun, Reaction
from co3d_bench.bench.record.case import CameraSetup
from co3d_bench.reports.html import render_html
from co3d_bench.reports.tables.camera import build, keeps_up, render_camera, summary

from ..factories import make_record


def watched(model="cox3d-s-13", every=5, late=0, dropped=0, **changes):
    case = make_record(model).case.model_copy(update={"camera": CameraSetup(fps=30, every=every)})
    run = CameraRun(
        source="film.mp4",
        duration_s=20.0,
        deadline_s=0.1,
        due=120,
        in_time=120 - late - dropped,
        late=late,
        dropped=dropped,
        latency_s={"p50": 0.0082, "p90": 0.0101},
        mean_age_s=0.118,
        peak_age_s=0.24,
        longest_gap_s=0.221,
        reaction=Reaction(
            half_s=7.0,
            half_range_s=(7.0, 7.4),
            nine_tenths_s=8.6,
            nine_tenths_range_s=(8.4, 8.6),
            scenes=4,
            frame_s=0.2,
        ),
        times="0" * 64,
        growth_bytes=36_000_000,
        **changes,
    )
    return make_record(model).model_copy(update={"case": case, "timing": None, "camera": run})


def printed(records, width):
    console = Console(width=width, file=None, record=True)
    with console.capture() as captured:
        console.print(render_camera(records))
    return captured.get()


def test_misses_stand_with_their_exact_interval():
    table = build([watched(late=2, dropped=1)])
    missed = table.rows[0].cells[[column.head for column in table.columns].index("missed")]
    assert missed.value == 3 / 120
    assert missed.text == "2.50 (0.519 to 7.13)"  # scipy.stats.binomtest(3, 120).proportion_ci()
    assert missed.bad


def test_a_sentence_says_at_which_rate_it_keeps_up():
    assert keeps_up(watched()) == (
        "CoX3D-S (13) (eager) keeps up with 1 in 5 frames of 30/s: each of 120 was answered within 100 ms"
    )
    assert "does not keep up with every frame of 30/s: of 120, 1 were answered late and 2 dropped" in (
        keeps_up(watched(every=1, late=1, dropped=2)) or ""
    )


def test_a_narrow_terminal_has_fewer_columns_and_never_half_a_name():
    wide, narrow = printed([watched()], 160), printed([watched()], 50)
    assert "longest gap" in wide
    assert "longest gap" not in narrow
    assert "CoX3D-S (13)" in narrow
    assert "missed" in narrow


def test_the_page_has_them_beside_the_figures_of_speed_and_alone():
    both, alone = render_html([make_record(), watched()]), render_html([watched()])
    for page in (both, alone):
        assert "In front of a camera" in page
    assert "1 of 1 keep up with their camera" in alone
    assert "keep up with their camera" not in both
    assert "In front of a camera" not in render_html([make_record()])


def test_a_failed_one_is_counted_as_none():
    assert summary([watched(), watched(dropped=1)]) == "1 of 2 keep up with their camera"
    assert summary([]) == "No network could be watched"
