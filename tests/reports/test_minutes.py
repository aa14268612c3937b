"""A long run minute by minute, in words and as rows."""

import numpy as np

from co3d_bench.bench.record.sensing import Sensors
from co3d_bench.bench.stats.camera import FrameTimes
from co3d_bench.reports.minutes import minutes_table, minutes_text, run_minutes, sensor_notes

from .device_records import NO_HEAT, by_minute


def frames(seconds=120, missed_from=90):
    due = np.arange(float(seconds))
    return FrameTimes(due, due + np.where(due < missed_from, 0.01, 0.5), seconds, 0.1)


def test_a_sentence_has_the_frames_and_the_device():
    found = run_minutes(frames(), by_minute())
    assert minutes_text(found, by_minute()) == (
        "2 minutes: the last minute has 100 % of the first one's answers a second; median latency 10.0 ms in the first "
        "minute, 500 ms in the last; most missed in minute 2: 50.0 %; hottest zone 60.0 \u00b0C in the first, 85.0 in "
        "the last; CPU clock 3.00 GHz in the first, 2.00 in the last; throttled in 1 of 2 minutes, first in minute 2: "
        "the processor was throttled 7 x"
    )
    assert minutes_text(run_minutes(frames(119), by_minute()), by_minute()) is None


def test_a_row_for_each_minute_with_the_columns_that_are_known():
    table = minutes_table(run_minutes(frames(), by_minute()))
    assert [column.head for column in table.columns] == ["Missed", "p50", "Answers", "Heat", "CPU clock", "Throttled"]
    assert [row.title for row in table.rows] == ["1", "2"]
    assert [cell.text for cell in table.rows[1].cells[:5]] == ["50.0", "500", "100", "85.0", "2.00"]
    alone = minutes_table(run_minutes(frames(), None))
    assert [column.head for column in alone.columns] == ["Missed", "p50", "Answers"]


def test_what_no_sensor_reads_is_said_once_with_its_reason():
    virtual = by_minute(heat=False, counted=False)
    assert sensor_notes([(frames(), virtual)] * 2) == (
        f"Minute by minute without heat ({NO_HEAT}); throttling (this kernel or processor counts none)",
    )
    text = minutes_text(run_minutes(frames(), virtual), virtual) or ""
    assert "zone" not in text
    assert "throttled" not in text
    assert "heat, clock, throttling (not read)" in sensor_notes([(frames(), None)])[0]
    late = Sensors(reason="the sensors were not ready")
    assert "(the sensors were not ready)" in sensor_notes([(frames(), late)])[0]
    assert sensor_notes([(frames(), by_minute()), (frames(119), None)]) == ()


def test_sensors_of_a_longer_stretch_are_not_those_of_the_run():
    """Two ways of serving several cameras are watched one after the other, and the record has the sensors of both."""
    found = run_minutes(frames(180), by_minute())
    assert [each.device for each in found] == [None] * 3
    assert "hottest" not in (minutes_text(found, by_minute()) or "")
    assert "not read minute by minute" in sensor_notes([(frames(180), by_minute())])[0]


def test_a_clock_that_is_a_constant_is_said_to_be_one():
    figures = [
        figure.model_copy(update={"note": "often a constant"}) if figure.name == "cpu_hz" else figure
        for figure in by_minute().figures
    ]
    assert sensor_notes([(frames(), Sensors(figures=tuple(figures)))]) == ("CPU clock: often a constant",)
