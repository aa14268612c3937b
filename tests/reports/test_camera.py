"""Networks in front of a camera, in the terminal and on the page."""

import io
import sys
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from co3d_bench.bench.errors import NOTHING
from co3d_bench.bench.record.blobs import blobs_folder, write_blob
from co3d_bench.bench.record.camera import CameraRun, Reaction, Stage
from co3d_bench.bench.record.case import CameraSetup
from co3d_bench.bench.record.store import append_record
from co3d_bench.cli.main import main
from co3d_bench.reports.camera_evidence import render_camera_evidence
from co3d_bench.reports.commands import ReportError, camera_times, render_report, write_report
from co3d_bench.reports.html import render_html
from co3d_bench.reports.tables.camera import build, keeps_up, notes, rate_text, render_camera, summary

from ..factories import make_failed_record, make_record
from .device_records import by_minute

STAGES = (
    Stage(name="capture", wall_s=0.6, cpu_s=0.5, calls=600),
    Stage(name="network", wall_s=1.2, cpu_s=2.5, calls=120),
)


def watched(model="cox3d-s-13", every=5, late=0, dropped=0, run_id="run-1"):
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
        stages=STAGES,
    )
    return make_record(model, run_id=run_id).model_copy(update={"case": case, "timing": None, "camera": run})


def stored(folder, model="cox3d-s-13", fps=6.0, seconds=20.0, latency_s=0.01, sensors=None):
    """A record in a store, with the times of its frames in a blob: the last second of frames is dropped."""
    due = np.arange(int(fps * seconds)) / fps
    answered = np.where(due < seconds - 1, due + latency_s, np.nan)
    file = io.BytesIO()
    np.savez(file, due_s=due, answered_s=answered)
    record = watched(model, dropped=int(np.isnan(answered).sum()))
    run = {"times": write_blob(blobs_folder(folder), file.getvalue()), "due": len(due), "duration_s": seconds}
    record = record.model_copy(update={"camera": record.camera.model_copy(update=run), "sensors": sensors})
    append_record(folder, record)
    return record


def printed(records, width, times=None, render=render_camera):
    console = Console(width=width, file=None, record=True)
    with console.capture() as captured:
        console.print(render(records, times or {}))
    return captured.get()


def test_misses_stand_with_their_exact_interval():
    table = build([watched(late=2, dropped=1)])
    missed = table.rows[0].cells[[column.head for column in table.columns].index("Missed")]
    assert missed.value == 3 / 120
    assert missed.text == "2.50 (0.519 to 7.13)"  # scipy.stats.binomtest(3, 120).proportion_ci()
    assert missed.bad


@pytest.mark.parametrize(
    ("model", "every", "states", "shown"),
    [
        ("cox3d-s-13", 6, 1, "60.2"),  # at 5 frames/s, as trained
        ("cox3d-s-13", 2, 1, "49.2"),  # at 15 frames/s
        ("cox3d-s-13", 1, 6, "60.2"),  # each of the states that take turns sees 5 frames/s
        ("cox3d-s-13", 1, 1, None),  # nothing is published for 30 frames/s
        ("x3d-s", 1, 1, "64.7"),  # a clip network is shown every 6th frame however often it answers
    ],
)
def test_the_accuracy_is_that_of_the_rate_at_which_frames_are_seen(model, every, states, shown):
    record = watched(model, every=every)
    setup = record.case.camera.model_copy(update={"states": states})
    record = record.model_copy(update={"case": record.case.model_copy(update={"camera": setup})})
    table = build([record])
    heads = [column.head for column in table.columns]
    assert (table.rows[0].cells[heads.index("Accuracy")].text if "Accuracy" in heads else None) == shown


def test_a_sentence_says_at_which_rate_it_keeps_up():
    assert keeps_up(watched()) == (
        "CoX3D-S (13) (eager) keeps up with 1 in 5 frames of 30/s: each of 120 was answered within 100 ms"
    )
    assert "does not keep up with every frame of 30/s: of 120 answers 1 came late and 2 never" in (
        keeps_up(watched(every=1, late=1, dropped=2)) or ""
    )


def test_a_deadline_below_a_call_of_the_network_is_said():
    """120 calls in 1.2 s: 10 ms a call."""
    late = watched(every=1, late=20, dropped=100)
    short = late.model_copy(update={"camera": late.camera.model_copy(update={"deadline_s": 0.005})})
    said = "the deadline of 5 ms is below the 10.0 ms of a call of the network, whatever waits"
    assert said in (keeps_up(short) or "")
    assert "deadline" not in (keeps_up(late) or "")  # it was waiting that made them late


def test_a_camera_that_showed_nothing_is_not_kept_up_with():
    none = watched(every=1)
    none = none.model_copy(update={"camera": none.camera.model_copy(update={"due": 0, "in_time": 0})})
    assert keeps_up(none) == "CoX3D-S (13) (eager): no frame came from film.mp4"
    assert summary([none]) == "0 of 1 keep up with their camera"


def test_notes_stand_below_the_table_each_once_with_the_networks_they_are_about():
    both = [watched().model_copy(update={"notes": ("video film.mp4: it is 3.00 s long",)})] * 2
    own = watched("x3d-s").model_copy(update={"notes": ("its weights are random",)})
    assert notes(both) == ("video film.mp4: it is 3.00 s long",)
    assert notes([*both, own])[1] == "X3D-S: its weights are random"
    assert printed(both, 100).count("it is 3.00 s long") == 1
    assert "it is 3.00 s long" in render_html(both)


def test_a_narrow_terminal_has_fewer_columns_and_never_half_a_name():
    wide, narrow = printed([watched()], 160), printed([watched()], 50)
    assert "Longest gap" in wide
    assert "Longest gap" not in narrow.partition("No room")[0]
    assert "No room in 50 columns for: " in narrow
    assert "Longest gap" in narrow.partition("No room")[2]
    assert "No room" not in wide
    assert "CoX3D-S (13)" in narrow
    assert "Missed" in narrow


def test_the_page_has_them_beside_the_figures_of_speed_and_alone():
    both, alone = render_html([make_record(), watched()]), render_html([watched()])
    for page in (both, alone):
        assert "In front of a camera" in page
    assert "1 of 1 keep up with their camera" in alone
    assert "judged here by the speed of calls alone. 1 of 1 keep up with their camera" in both
    assert "calls alone" not in alone
    speed = render_html([make_record()])
    assert "In front of a camera" not in speed
    assert "calls alone" not in speed


def test_a_failed_row_says_of_which_camera_and_engine():
    failed = make_failed_record("x3d-s").model_copy(update={"case": watched("x3d-s").case})
    (row,) = build([failed]).rows
    assert row.error == f"6/s (1 in 5), eager: {failed.error.message}"
    assert "X3D-S failed, 6/s (1 in 5), eager: " in printed([failed], 200)


def test_a_failed_one_is_counted_as_none():
    assert summary([watched(), watched(dropped=1)]) == "1 of 2 keep up with their camera"
    assert summary([]) == "No network could be watched"


def test_the_page_draws_the_frames_from_their_blob_and_says_what_cannot_be_read(tmp_path):
    record = stored(tmp_path)
    page = write_report(tmp_path).read_text()
    assert page.count('<figure class="card camera"') == 1
    assert "Over 20.0 s: 114 frames in time, 0 late, 6 dropped" in page
    assert "minute by minute" not in page
    (blobs_folder(tmp_path) / record.camera.times).write_bytes(b"damaged")
    damaged = write_report(tmp_path).read_text()
    assert '<figure class="card camera"' not in damaged
    assert "CoX3D-S (13) (6/s (1 in 5)) has no picture: the times of its frames" in damaged
    assert "95.0 % of 120" not in damaged


def test_a_run_of_two_minutes_is_shown_minute_by_minute_and_a_shorter_one_is_not(tmp_path):
    short, long = stored(tmp_path / "short"), stored(tmp_path / "long", seconds=120.0)
    times = camera_times(tmp_path / "short", [short]) | camera_times(tmp_path / "long", [long])
    assert "minutes" not in printed([short], 160, times)
    assert (
        "2 minutes: the last minute has 98.3 % of the first one's answers a second; median latency 10.0 ms in the "
        "first minute, 10.0 ms in the last; most missed in minute 2: 1.67 %"
    ) in " ".join(printed([long], 300, times).split())
    assert "minutes" not in printed([long], 160)  # nothing is known of its frames
    page = write_report(tmp_path / "long").read_text()
    assert "2 minutes: the last" in page
    assert page.count("Minute by minute without heat, clock, throttling (not read)") == 1
    assert "Shaded" not in page


def test_all_pictures_are_drawn_in_a_browser(open_html: Any, tmp_path) -> None:
    stored(tmp_path, seconds=120.0, sensors=by_minute())
    html = write_report(tmp_path).read_text()
    assert "Shaded: minutes in which the device throttled" in html
    assert "Minute by minute without" not in html
    opened = open_html(html)
    assert opened.complaints == []
    assert opened.page.locator(".camera svg").count() == 6  # frames, curve, misses, median, heat, clock


def test_the_evidence_is_what_became_of_the_frames_and_what_each_stage_used(tmp_path):
    record = stored(tmp_path)
    text = printed([record], 160, camera_times(tmp_path, [record]), render_camera_evidence)
    for line in (
        "120 due: 114 in time, 0 late, 6 dropped; missed 5.00 (1.86 to 10.6) %",
        "latency from when a frame was due, ms: p50 8.20, p90 10.1",
        "age of the newest answer: mean 118 ms, peak 240 ms; longest gap 221 ms",
        "reacts to a new scene: half of the way after 7.00 (7.00 to 7.40) s, nine tenths after 8.60 (8.40 to 8.60) s",
        "resident memory grew by 36.0 MB",
    ):
        assert line in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith(("capture", "network"))}
    assert rows == {"capture": ["600", "1.00", "0.600", "0.500"], "network": ["120", "10.0", "1.20", "2.50"]}
    assert "cannot be read" not in text
    assert "cannot be read" in printed([record], 160, {}, render_camera_evidence)


def test_a_failed_one_says_why_in_its_evidence():
    failed = make_failed_record("x3d-s").model_copy(update={"case": watched("x3d-s").case})
    assert "failed, out-of-memory: " in printed([failed], 160, render=render_camera_evidence)


def ran(monkeypatch, *arguments):
    """The exit status of the command line."""
    monkeypatch.setattr(sys, "argv", ["co3d-bench", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code or 0


def test_show_prints_both_speed_first_and_other_verbs_say_that_there_is_no_speed(tmp_path, capsys, monkeypatch):
    stored(tmp_path)
    for verb in (
        ["history", "cox3d-s-13", str(tmp_path)],
        ["compare", str(tmp_path), str(tmp_path)],
        ["compare", f"{tmp_path}@newest", str(tmp_path)],
        ["check", str(tmp_path), "--baseline", str(tmp_path)],
        ["check", "--baseline", str(tmp_path)],
        ["report", str(tmp_path), "-o", str(tmp_path / "table.csv")],
        ["report", str(tmp_path), "-o", str(tmp_path / "plot.svg")],
    ):
        assert ran(monkeypatch, *verb) == NOTHING
        said = capsys.readouterr().err
        assert "only records of `co3d-bench camera`, which have no speed" in said
        assert len(said.splitlines()) == 1
    append_record(tmp_path, make_record("cox3d-s-13"))
    assert ran(monkeypatch, "show", "cox3d-s-13", str(tmp_path)) == 0
    text = capsys.readouterr().out
    assert 0 < text.index("Warm: whether") < text.index("in front of a camera")


def test_a_table_of_markdown_has_cameras_below_speed(tmp_path):
    stored(tmp_path)
    (head, _, row) = render_report(tmp_path).splitlines()
    assert head.startswith("| Network | Form | Answers due | Missed, % |")
    assert row.startswith("| CoX3D-S (13) | frame | 6/s (1 in 5) | 5.00 (1.86 to 10.6) |")
    with pytest.raises(ReportError, match=r"no speed.*; --format md or html shows these$"):
        render_report(tmp_path, "csv")
    append_record(tmp_path, make_record("cox3d-s-13"))
    both = render_report(tmp_path)
    assert 0 < both.index("Throughput") < both.index("Answers due")


def test_states_that_take_turns_are_named():
    record = watched(every=1)
    setup = record.case.camera.model_copy(update={"states": 5})
    record = record.model_copy(update={"case": record.case.model_copy(update={"camera": setup})})
    assert rate_text(record) == "30/s (5 states)"
    assert "keeps up with every frame of 30/s, by 5 states that take turns: each of" in (keeps_up(record) or "")
