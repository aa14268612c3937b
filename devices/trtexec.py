"""What NVIDIA's `trtexec` prints and writes, read back. Pure: text in, numbers out; nothing is started here.

Its words are those of samples/common/sampleReporting.cpp in NVIDIA/TensorRT, which have changed little from
TensorRT 8.0 to 11: a summary on standard output, and one row a query in the file of `--exportTimes`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# "[08/11/2022-06:55:33] [I] ", before all that it says itself
_STAMP = re.compile(r"^\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[(?P<level>[VIWEF])\] ?", re.MULTILINE)
_BANNER = re.compile(r"\[TensorRT v(?P<digits>\d+(?:\.\d+)*)\]")
_DEVICE = re.compile(r"Selected Device: (?P<name>.+)")
_NODE = re.compile(r"While parsing node number \d+ \[(?P<operator>\w+)")
_STATISTIC = re.compile(r"(?P<name>[a-z]+|percentile\((?P<rank>[\d.]+)%\)) = (?P<ms>\S+) ms")
_THROUGHPUT = re.compile(r"Throughput: (?P<qps>\S+) qps")
_WHERE = re.compile(r"^(\[TRT\] )?(ModelImporter\.cpp:\d+: )?(ERROR: )?")
# Complaints that say no more than that there is one, or show the node.
_NO_REASON = (
    "While parsing node",
    "---",
    "input:",
    "Engine could not be created",
    "Building engine failed",
    "Failed to create engine",
    "Engine set up failed",
    "Inference set up failed",
    "Failed to parse onnx file",
    "Parsing model failed",
)


class TrtexecError(ValueError):
    """Text that is not what `trtexec` writes. The message says what is missing, in one line."""


@dataclass(frozen=True)
class Spread:
    """One line of the summary, in seconds. `percentiles` by rank in per cent: 99 alone before TensorRT 8.4."""

    min_s: float
    max_s: float
    mean_s: float
    median_s: float
    percentiles_s: dict[float, float]


@dataclass(frozen=True)
class Summary:
    """What stands under "=== Performance summary ==="."""

    throughput: float  # queries per second of host time
    latency: Spread  # host to device, computing, device to host
    compute: Spread  # on the GPU alone
    host_wall_s: float


@dataclass(frozen=True)
class Query:
    """One timed call, from a row of `--exportTimes`. Times in seconds; the start counts from that of the process."""

    start_s: float  # of computing, by which the tool tells the warm-up
    end_s: float
    compute_s: float  # on the GPU alone
    latency_s: float  # with the transfers to and fro, where there are any
    enqueue_s: float | None  # what the host was busy with, where it is told


def parse_version(text: str) -> tuple[int, int, int]:
    """(major, minor, patch) from the banner: `v8205` is 8.2.5, `v100300` is 10.3.0. Raises TrtexecError."""
    found = _BANNER.search(text)
    if not found:
        raise TrtexecError('trtexec did not say its version: no "[TensorRT v...]" in what it printed')
    digits = found["digits"]
    if "." in digits:
        major, minor, patch = (*map(int, digits.split(".")), 0, 0)[:3]
        return major, minor, patch
    number = int(digits)
    unit = 10_000 if number >= 100_000 else 1_000  # two digits for the minor version since 10
    return number // unit, number % unit // 100, number % 100


def parse_device(text: str) -> str | None:
    """The GPU that it chose, by its name."""
    found = _DEVICE.search(text)
    return found["name"].strip() if found else None


def parse_summary(text: str) -> Summary:
    """Raises TrtexecError where there is no summary, or one without a line that every version prints."""
    _, header, body = text.partition("=== Performance summary ===")
    if not header:
        raise TrtexecError('trtexec printed no "=== Performance summary ==="')
    body = _STAMP.sub("", body)
    throughput = _THROUGHPUT.search(body)
    if not throughput:
        raise TrtexecError('"Throughput: ... qps" is missing in the summary of trtexec')
    return Summary(
        throughput=_number(throughput["qps"], "Throughput"),
        latency=_spread(body, "Latency"),
        compute=_spread(body, "GPU Compute Time"),
        host_wall_s=_number(_line(body, "Total Host Walltime").removesuffix(" s"), "Total Host Walltime"),
    )


def parse_times(text: str) -> tuple[Query, ...]:
    """The file of `--exportTimes`: every query, the warm-up too. Raises TrtexecError."""
    queries = tuple(_query(index, row) for index, row in enumerate(_rows(text, "--exportTimes")))
    if not all(math.isfinite(query.latency_s) and query.latency_s >= 0 for query in queries):
        raise TrtexecError("trtexec's times hold a latency that is no time")
    return queries


def _query(index: int, row: Any) -> Query:
    try:
        return Query(
            start_s=1e-3 * float(row["startComputeMs"]),
            # Before 8.0 the words were those of in and out.
            end_s=1e-3 * float(row["endD2hMs"] if "endD2hMs" in row else row["endOutMs"]),
            compute_s=1e-3 * float(row["computeMs"]),
            latency_s=1e-3 * float(row["latencyMs"]),
            enqueue_s=1e-3 * float(row["endEnqMs"] - row["startEnqMs"]) if "startEnqMs" in row else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TrtexecError(f"row {index} of trtexec's times: {_what(error)}") from None


def after_warm_up(queries: Sequence[Query], warm_up_s: float) -> tuple[Query, ...]:
    """Those that its own summary counts: the first that began computing after `--warmUp`, and all behind it."""
    for index, query in enumerate(queries):
        if query.start_s >= warm_up_s:
            return tuple(queries[index:])
    return ()


def parse_outputs(text: str) -> dict[str, tuple[tuple[int, ...], list[float]]]:
    """The file of `--exportOutput`: name -> (shape, values in its order). Raises TrtexecError."""
    outputs: dict[str, tuple[tuple[int, ...], list[float]]] = {}
    # Written as C++ prints numbers: "nan" and "-inf" are none in JSON.
    text = re.sub(r"(?<=[\[,\s])(-?)(nan|inf)(?=[\s,\]])", lambda word: _JSON_WORDS[word[1] + word[2]], text)
    for index, row in enumerate(_rows(text, "--exportOutput")):
        try:
            shape = tuple(int(size) for size in row["dimensions"].split("x"))
            values = [float(value) for value in row["values"]]
            name = str(row["name"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TrtexecError(f"output {index} of trtexec: {_what(error)}") from None
        if len(values) != math.prod(shape):
            raise TrtexecError(f"output {name} of trtexec: {len(values)} values for {row['dimensions']}")
        outputs[name] = (shape, values)
    return outputs


_JSON_WORDS = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def failure(text: str) -> str:
    """Why it failed, in one line: the operator that it was at, where it tells, and its first complaint."""
    complaints = [line for line in map(_bare, _complaints(text)) if line]
    said = next((line for line in complaints if not line.startswith(_NO_REASON)), "it did not say why")
    node = _NODE.search(text)
    return f"{node['operator']}: {said}" if node else said


def _complaints(text: str) -> list[str]:
    """Its lines of the level error; a line without a stamp that begins with "[" belongs to the one before."""
    lines: list[str] = []
    complaining = False
    for line in text.splitlines():
        stamp = _STAMP.match(line)
        if stamp:
            complaining = stamp["level"] in "EF"
            if complaining:
                lines.append(line[stamp.end() :])
        elif complaining and line.startswith("["):
            lines[-1] += f" {line}"
    return lines


def _bare(line: str) -> str:
    return _WHERE.sub("", line).strip()


def _line(body: str, name: str) -> str:
    found = re.search(rf"^{re.escape(name)}: (.+)$", body, re.MULTILINE)
    if not found:
        raise TrtexecError(f'"{name}:" is missing in the summary of trtexec')
    return found[1].strip()


def _spread(body: str, name: str) -> Spread:
    values: dict[str, float] = {}
    percentiles: dict[float, float] = {}
    for found in _STATISTIC.finditer(_line(body, name)):
        seconds = 1e-3 * _number(found["ms"], name)
        if found["rank"]:
            percentiles[float(found["rank"])] = seconds
        else:
            values[found["name"]] = seconds
    try:
        return Spread(values["min"], values["max"], values["mean"], values["median"], percentiles)
    except KeyError as error:
        raise TrtexecError(f'"{name}:" in the summary of trtexec lacks {error}') from None


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise TrtexecError(f'"{name}:" in the summary of trtexec: {text!r} is not a number') from None


def _rows(text: str, option: str) -> list[Any]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise TrtexecError(f"the file of trtexec {option} is not JSON: {error}") from None
    if not isinstance(rows, list):
        raise TrtexecError(f"the file of trtexec {option} holds no list")
    return rows


def _what(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
