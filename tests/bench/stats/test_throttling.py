"""Whether a device was slowed down while samples were taken."""

from co3d_bench.bench.record.sensing import SensorFigure, Sensors, Spread
from co3d_bench.bench.stats.summary import throttled
from co3d_bench.bench.stats.throttling import throttle_signs, throttling_would_show

from ..records import make_record


def counter(name, added):
    return SensorFigure(name=name, kind="counter", before=0.0, added=added, after=added)


def gauge(name, before, low, high):
    during = Spread(min=low, median=low, max=high, count=3)
    return SensorFigure(name=name, before=before, during=during, after=before)


def flags(**changes):
    return SensorFigure(name="gpu_throttle", kind="flags", **changes)


NOT_THROTTLED = (
    counter("cpu_throttle_events", 0.0),
    counter("throttle_events/oc1", 0.0),
    counter("gpu_power_capped_s", 3.0),
    counter("gpu_thermal_capped_s", None),
    gauge("cooling_state/gpu-throttle", 0, 0, 0),
    gauge("gpu_max_hz", 1.3e9, 1.3e9, 1.3e9),
    gauge("gpu_hz", 1.3e9, 1.0e9, 1.3e9),
    flags(words=("power cap (software)",)),
    flags(reason="not supported"),
)
LOUD = {
    counter("cpu_throttle_events", 2.0): "the processor was throttled 2 x",
    counter("throttle_events/oc1", 1.0): "over-current or under-voltage: 1 x oc1",
    counter("gpu_thermal_capped_s", 0.5): "GPU: slowed down by heat for 0.5 s",
    gauge("cooling_state/gpu-throttle", 0, 0, 2): "gpu-throttle was at work (state 2)",
    gauge("gpu_max_hz", 1.3e9, 0.9e9, 1.3e9): "GPU: the cap of its clock fell from 1300 to 900 MHz",
    flags(words=("power cap (software)", "thermal slowdown (hardware)")): "GPU: thermal slowdown (hardware)",
}


def of(*figures):
    return Sensors(figures=figures)


def test_what_is_as_it_should_be_is_no_sign():
    assert throttle_signs(of(*NOT_THROTTLED)) == ()
    # What has no value, or shows nothing of throttling, is no evidence that there was none.
    would = [True, True, False, False, True, True, False, True, False]
    assert [throttling_would_show(of(figure)) for figure in NOT_THROTTLED] == would


def test_each_sign_has_its_words():
    assert throttle_signs(of(*LOUD)) == tuple(LOUD.values())
    assert all(throttling_would_show(of(figure)) for figure in LOUD)


def test_a_record_that_was_throttled_says_so():
    events, *_, hot = LOUD
    assert throttled(make_record(sensors=of(*NOT_THROTTLED))) is None
    found = throttled(make_record(sensors=of(hot, events)))
    assert found == "GPU: thermal slowdown (hardware); the processor was throttled 2 x"
    assert throttled(make_record()) is None
