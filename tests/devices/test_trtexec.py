"""What trtexec prints and writes, by recorded output (tests/devices/trtexec) and by text that is none."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.devices import trtexec

RECORDED = Path(__file__).with_name("trtexec")


def recorded(name):
    return (RECORDED / name).read_text()


def test_a_summary_with_one_percentile():
    found = trtexec.parse_summary(recorded("summary_8.2.txt"))
    assert found.throughput == 233.689
    assert found.latency.median_s == pytest.approx(4.52756e-3)
    assert found.latency.percentiles_s == {99: pytest.approx(5.51622e-3)}
    assert found.compute.min_s == pytest.approx(4.23773e-3)
    assert found.compute.max_s == pytest.approx(5.25439e-3)
    assert found.compute.mean_s == pytest.approx(4.26986e-3)
    assert found.host_wall_s == 3.01255


def test_a_summary_with_three_percentiles():
    found = trtexec.parse_summary(recorded("summary_10.9.txt"))
    assert found.throughput == 691.435
    assert found.compute.percentiles_s == {
        90: pytest.approx(1.40308e-3),
        95: pytest.approx(1.67834e-3),
        99: pytest.approx(2.57642e-3),
    }


def test_a_whole_log_tells_version_and_device():
    log = recorded("log_8.2.5.txt")
    assert trtexec.parse_version(log) == (8, 2, 5)
    assert trtexec.parse_device(log) == "Tesla T4"
    found = trtexec.parse_summary(log)
    # "End-to-End Host Latency" of this version is not "Latency".
    assert found.latency.max_s == pytest.approx(36.7351e-3)


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        ("[TensorRT v8205]", (8, 2, 5)),
        ("[TensorRT v8510]", (8, 5, 10)),
        ("[TensorRT v8601]", (8, 6, 1)),
        ("[TensorRT v100300]", (10, 3, 0)),
        ("[TensorRT v101401] [b48]", (10, 14, 1)),
        ("[TensorRT v110300] [b99]", (11, 3, 0)),
        ("[TensorRT v8.6.1]", (8, 6, 1)),
    ],
)
def test_versions(banner, version):
    assert trtexec.parse_version(f"&&&& RUNNING TensorRT.trtexec {banner} # trtexec --help\n") == version


def test_times_are_those_of_the_file():
    queries = trtexec.parse_times(recorded("times_8.5.2.json"))
    assert len(queries) == 5
    first = queries[0]
    assert first.compute_s == pytest.approx(1.0097e-3)
    assert first.latency_s == pytest.approx(1.26825e-3)
    assert first.enqueue_s == pytest.approx(0.46e-3)
    assert first.start_s == pytest.approx(1.00055)
    assert first.end_s == pytest.approx(1.00179)


def test_the_warm_up_is_left_out_as_the_tool_leaves_it_out():
    # The tool's rule is when a query began computing: 1.00055, 1.00156, 1.00258, ... here.
    queries = trtexec.parse_times(recorded("times_8.5.2.json"))
    assert trtexec.after_warm_up(queries, 0.2) == queries
    assert trtexec.after_warm_up(queries, 1.0012) == queries[1:]
    assert trtexec.after_warm_up(queries, 2.0) == ()


def test_words_of_a_version_before_8():
    row = (
        '[ { "startInMs" : 1, "endInMs" : 2, "startComputeMs" : 2, "endComputeMs" : 4, "startOutMs" : 4, '
        '"endOutMs" : 5, "inMs" : 1, "computeMs" : 2, "outMs" : 1, "latencyMs" : 4, "endToEndMs" : 4 } ]'
    )
    (query,) = trtexec.parse_times(row)
    assert query == trtexec.Query(start_s=2e-3, end_s=5e-3, compute_s=2e-3, latency_s=4e-3, enqueue_s=None)


def test_outputs():
    outputs = trtexec.parse_outputs(recorded("outputs.json"))
    assert outputs["probs_phone"] == ((1, 5), [0.0435101, 0.0340782, 0.0555826, 0.195444, 0.671385])
    assert set(outputs) == {"probs_phone", "probs_headset", "probs_gaze"}


def test_an_output_that_is_no_number_stays_one():
    text = '[\n  { "name" : "info"\n  , "dimensions" : "1x4"\n  , "values" : [ nan, -inf, inf, -nan ]\n  }\n]\n'
    shape, values = trtexec.parse_outputs(text)["info"]
    assert shape == (1, 4)
    assert math.isnan(values[0])
    assert values[1:3] == [-math.inf, math.inf]
    assert math.isnan(values[3])


def test_a_failure_names_the_operator():
    said = trtexec.failure(recorded("node_error.txt"))
    assert said.startswith("QuantizeLinear: ")
    assert "QuantDequantLinearHelper" in said
    assert "\n" not in said


def test_a_failure_without_a_node_is_its_first_complaint():
    assert "Cask convolution isConsistent check failed" in trtexec.failure(recorded("build_error_10.3.txt"))
    assert trtexec.failure("") == "it did not say why"


BAD = {
    "no summary": (trtexec.parse_summary, "&&&& FAILED", "printed no"),
    "no throughput": (trtexec.parse_summary, "=== Performance summary ===\n", "Throughput"),
    "a line less": (trtexec.parse_summary, recorded("summary_8.2.txt").replace("GPU Compute", "CPU"), "GPU Compute"),
    "no banner": (trtexec.parse_version, "trtexec: not found", "version"),
    "times that are not JSON": (trtexec.parse_times, "[ {", "not JSON"),
    "times that are no list": (trtexec.parse_times, "{}", "no list"),
    "a row without its time": (trtexec.parse_times, '[{"startComputeMs": 1, "endD2hMs": 2}]', "row 0.*computeMs"),
    "a row that is none": (trtexec.parse_times, "[1]", "row 0"),
    "a latency below zero": (
        trtexec.parse_times,
        '[{"startComputeMs": 1, "endD2hMs": 2, "computeMs": 1, "latencyMs": -1}]',
        "no time",
    ),
    "values of another shape": (
        trtexec.parse_outputs,
        '[{"name": "y", "dimensions": "2x2", "values": [1]}]',
        "1 values for 2x2",
    ),
}


@pytest.mark.parametrize(("read", "text", "words"), BAD.values(), ids=BAD.keys())
def test_what_is_not_its_output_is_said_in_one_line(read, text, words):
    with pytest.raises(trtexec.TrtexecError, match=words) as caught:
        read(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=200))
@pytest.mark.parametrize(
    "read", [trtexec.parse_summary, trtexec.parse_times, trtexec.parse_outputs, trtexec.parse_version]
)
def test_any_text_is_read_or_refused(read, text):
    with contextlib.suppress(trtexec.TrtexecError):
        read(text)
    assert "\n" not in trtexec.failure(text)
