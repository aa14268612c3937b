"""Heat, clocks and throttling minute by minute."""

from co3d_bench.bench.record.sensing import InMinute, SensorFigure, Sensors, Spread
from co3d_bench.bench.stats.device_minutes import device_minutes, unread_by_minute


def gauge(name, *values, before=None):
    spreads = [Spread(min=value, median=value, max=value, count=1) for value in values]
    return SensorFigure(
        name=name, before=before, during=spreads[0], minutes=tuple(InMinute(during=each) for each in spreads)
    )


def test_the_hottest_zone_of_each_minute_and_the_clocks():
    found = device_minutes(
        Sensors(
            figures=(gauge("temperature_c/a", 50, 60), gauge("temperature_c/b", 55, 40), gauge("gpu_hz", 1e9, 9e8))
        ),
        2,
    )
    assert [(minute.heat_c, minute.zone) for minute in found] == [(55, "b"), (60, "a")]
    assert [(minute.cpu_hz, minute.gpu_hz) for minute in found] == [(None, 1e9), (None, 9e8)]


def test_throttling_is_that_of_the_whole_run_minute_by_minute():
    """A cap that fell stays fallen: it is set against the one before the samples, not against the minute before."""
    flags = SensorFigure(
        name="gpu_throttle",
        kind="flags",
        words=("thermal slowdown (hardware)",),
        minutes=(InMinute(), InMinute(), InMinute(words=("thermal slowdown (hardware)",))),
    )
    sensors = Sensors(figures=(gauge("gpu_max_hz", 1.3e9, 9e8, 9e8, before=1.3e9), flags))
    fell = "GPU: the cap of its clock fell from 1300 to 900 MHz"
    assert [minute.signs for minute in device_minutes(sensors, 3)] == [
        (),
        (fell,),
        (fell, "GPU: thermal slowdown (hardware)"),
    ]
    assert "throttling" not in unread_by_minute(sensors, 3)


def test_what_is_not_known_has_its_reason():
    assert device_minutes(None, 2) == device_minutes(Sensors(reason="none"), 2) == ()
    assert unread_by_minute(None, 2) == dict.fromkeys(("heat", "clock", "throttling"), "not read")
    old = Sensors(figures=(gauge("cpu_hz", 1e9).model_copy(update={"minutes": ()}),))
    assert unread_by_minute(old, 2)["clock"] == "not read minute by minute"
    lacking = Sensors(figures=(gauge("cpu_hz", 1e9, 1e9), SensorFigure(name="temperature_c", reason="no zone")))
    assert unread_by_minute(lacking, 2) == {"heat": "no zone", "throttling": "not read minute by minute"}
