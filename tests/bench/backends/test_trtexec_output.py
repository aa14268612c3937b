"""What trtexec prints and writes, by recorded output (tests/bench/backends/trtexec) and by text that is none."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.backends import trtexec_output as trtexec
from co3d_bench.bench.errors import UserError

RECORDED = Path(__file__).with_name("trtexec")


def recorded(name):
    return (RECORDED / name).read_text()


@pytest.mark.parametrize(
    ("name", "throughput", "last"),
    [
        ("summary_8.2.txt", "Throughput: 233.689 qps", "Total Host Walltime: 3.01255 s"),
        ("summary_10.9.txt", "Throughput: 691.435 qps", "Total Host Walltime: 3.0039 s"),
        ("log_8.2.5.txt", "Throughput: 40.997 qps", "Total Host Walltime: 3.0734 s"),
    ],
)
def test_its_own_summary(name, throughput, last):
    lines = trtexec.summary_lines(recorded(name))
    assert [line.partition(":")[0] for line in lines] == [
        *("Throughput", "Latency", "GPU Compute Time", "Total Host Walltime")
    ]
    assert (lines[0], lines[-1]) == (throughput, last)
    assert trtexec.summary_lines("[I] Throughput: 1 qps, before any summary") == ()


def test_a_whole_log_reports_version_device_and_warm_up():
    log = recorded("log_8.2.5.txt")
    assert trtexec.parse_version(log) == (8, 2, 5)
    assert trtexec.parse_device(log) == "Tesla T4"
    assert trtexec.parse_warm_up(log) == 6
    assert trtexec.parse_version(recorded("summary_10.9.txt")) == (10, 9, 0)


def test_options_are_those_that_the_help_lists():
    known = trtexec.parse_options(
        "  --onnx=<file>   ONNX model\n  --memPoolSize=poolspec  Specify\n--fp16  (default = --x)"
    )
    assert known == {"--onnx", "--memPoolSize", "--fp16", "--x"}


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
    assert first.start_s == pytest.approx(1.00055)
    assert first.end_s == pytest.approx(1.00156)


def test_the_warm_up_is_left_out_as_the_tool_leaves_it_out():
    # The tool's rule is when a query began computing: 1.00055, 1.00156, 1.00258, ... here.
    times = recorded("times_8.5.2.json")
    assert trtexec.parse_times(times, 0.2) == trtexec.parse_times(times)
    assert trtexec.parse_times(times, 1.0012) == trtexec.parse_times(times)[1:]
    assert trtexec.parse_times(times, 2.0) == ()


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
    assert trtexec.failure("") == "it gave no reason"


BAD = {
    "no banner": (trtexec.parse_version, "trtexec: not found", "version"),
    "times that are not JSON": (trtexec.parse_times, "[ {", "not JSON"),
    "times that are no list": (trtexec.parse_times, "{}", "no list"),
    "no warm-up": (trtexec.parse_warm_up, "[I] Warmup", "Warmup"),
    "a row without its time": (trtexec.parse_times, '[{"startComputeMs": 1, "endComputeMs": 2}]', "row 0.*computeMs"),
    "a row that is none": (trtexec.parse_times, "[1]", "row 0"),
    "a time below zero": (
        trtexec.parse_times,
        '[{"startComputeMs": 1, "endComputeMs": 2, "computeMs": -1}]',
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
    with pytest.raises(UserError, match=words) as caught:
        read(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=200))
@pytest.mark.parametrize(
    "read", [trtexec.parse_warm_up, trtexec.parse_times, trtexec.parse_outputs, trtexec.parse_version]
)
def test_any_text_is_read_or_refused(read, text):
    with contextlib.suppress(UserError):
        read(text)
    assert "\n" not in trtexec.failure(text)
