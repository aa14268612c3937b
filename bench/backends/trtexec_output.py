"""What NVIDIA's `trtexec` prints and writes, read back. Pure: text in, numbers out; nothing is started here.

Its words are those of samples/common/sampleReporting.cpp in NVIDIA/TensorRT, which have changed little from
TensorRT 8.0 to 11: a summary on standard output, and one row a query in the file of `--exportTimes`. Text that is not
its output is a UserError, in one line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UserError

# "[08/11/2022-06:55:33] [I] ", before each line of its own
_STAMP = re.compile(r"^\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[(?P<level>[VIWEF])\] ?", re.MULTILINE)
_BANNER = re.compile(r"\[TensorRT v(?P<digits>\d+(?:\.\d+)*)\]")
_OPTION = re.compile(r"--\w+")
_DEVICE = re.compile(r"Selected Device: (?P<name>.+)")
_WARM_UP = re.compile(r"Warmup completed (?P<count>\d+) queries")
_SUMMARY = re.compile(r"(?:Throughput|Latency|GPU Compute Time|Total Host Walltime): .+")
_NODE = re.compile(r"While parsing node number \d+ \[(?P<operator>\w+)")
_WHERE = re.compile(r"^(\[TRT\] )?(ModelImporter\.cpp:\d+: )?(ERROR: )?")
# Errors without a reason of their own, or that only show the node.
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


@dataclass(frozen=True)
class Query:
    """One call on the GPU, from a row of `--exportTimes`. Seconds; start and end count from when inference began."""

    start_s: float  # which separates the warm-up
    end_s: float
    compute_s: float


def parse_version(text: str) -> tuple[int, int, int]:
    """(major, minor, patch) from the banner: `v8205` is 8.2.5, `v100300` is 10.3.0. Raises UserError."""
    match = _BANNER.search(text)
    if not match:
        raise UserError('trtexec did not print its version: no "[TensorRT v...]" in its output')
    digits = match["digits"]
    if "." in digits:
        major, minor, patch = (*map(int, digits.split(".")), 0, 0)[:3]
        return major, minor, patch
    number = int(digits)
    unit = 10_000 if number >= 100_000 else 1_000  # two digits for the minor version since 10
    return number // unit, number % unit // 100, number % 100


def parse_options(text: str) -> frozenset[str]:
    """The options that `--help` lists."""
    return frozenset(_OPTION.findall(text))


def parse_device(text: str) -> str | None:
    """The GPU that it chose, by its name."""
    match = _DEVICE.search(text)
    return match["name"].strip() if match else None


def parse_warm_up(text: str) -> int:
    """How many queries the warm-up had. Raises UserError."""
    match = _WARM_UP.search(text)
    if not match:
        raise UserError('"Warmup completed ... queries" is missing in what trtexec printed')
    return int(match["count"])


def summary_lines(text: str) -> tuple[str, ...]:
    """The main lines of its own summary of the queries, in its words and units."""
    lines = (_STAMP.sub("", line).strip() for line in text.partition("=== Performance summary ===")[2].splitlines())
    return tuple(line for line in lines if _SUMMARY.fullmatch(line))


def parse_times(text: str, warm_up_s: float = 0.0) -> tuple[Query, ...]:
    """The file of `--exportTimes` without the warm-up, which only versions before 8.5 write as well.

    As the tool counts: from the first query that began after `warm_up_s`. Raises UserError.
    """
    queries = tuple(_query(index, row) for index, row in enumerate(_rows(text, "--exportTimes")))
    if not all(math.isfinite(query.compute_s) and query.compute_s >= 0 for query in queries):
        raise UserError("trtexec's times hold one that is no time")
    warm = next((index for index, query in enumerate(queries) if query.start_s >= warm_up_s), len(queries))
    return queries[warm:]


def _query(index: int, row: Any) -> Query:
    try:
        return Query(*(1e-3 * float(row[name]) for name in ("startComputeMs", "endComputeMs", "computeMs")))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"row {index} of trtexec's times: {_what(error)}") from None


def parse_outputs(text: str) -> dict[str, tuple[tuple[int, ...], list[float]]]:
    """The file of `--exportOutput`: name -> (shape, values in its order). Raises UserError."""
    outputs: dict[str, tuple[tuple[int, ...], list[float]]] = {}
    # Written as C++ prints numbers: "nan" and "-inf" are none in JSON.
    text = re.sub(r"(?<=[\[,\s])(-?)(nan|inf)(?=[\s,\]])", lambda word: _JSON_WORDS[word[1] + word[2]], text)
    for index, row in enumerate(_rows(text, "--exportOutput")):
        try:
            shape = tuple(int(size) for size in row["dimensions"].split("x"))
            values = [float(value) for value in row["values"]]
            name = str(row["name"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"output {index} of trtexec: {_what(error)}") from None
        if len(values) != math.prod(shape):
            raise UserError(f"output {name} of trtexec: {len(values)} values for {row['dimensions']}")
        outputs[name] = (shape, values)
    return outputs


_JSON_WORDS = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def failure(text: str) -> str:
    """Why it failed, in one line: the operator, where it prints that, and its first error."""
    complaints = [line for line in map(_bare, _complaints(text)) if line]
    reason = next((line for line in complaints if not line.startswith(_NO_REASON)), "it gave no reason")
    node = _NODE.search(text)
    return f"{node['operator']}: {reason}" if node else reason


def _complaints(text: str) -> Sequence[str]:
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


def _rows(text: str, option: str) -> list[Any]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise UserError(f"the file of trtexec {option} is not JSON: {error}") from None
    if not isinstance(rows, list):
        raise UserError(f"the file of trtexec {option} holds no list")
    return rows


def _what(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
