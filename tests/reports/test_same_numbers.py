"""One store of odd records, and every reader of it: each case has the same figures everywhere, the samples'.

What is expected is computed here, by a few lines of plain Python from the raw lines of the store.
"""

from __future__ import annotations

import html
import io
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pandas
import pytest
from rich.console import Console

import co3d_bench
from co3d_bench.bench.record.record import COMPARABLE_FACTS
from co3d_bench.bench.record.store import append_record, read_records
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.bench.stats.metrics import get_metric
from co3d_bench.bench.stats.query import query
from co3d_bench.bench.stats.trend import series
from co3d_bench.reports.comparison.match import RecordSet, compare
from co3d_bench.reports.comparison.terminal import render_terminal
from co3d_bench.reports.engines import groups
from co3d_bench.reports.headline import headline
from co3d_bench.reports.html import render_html
from co3d_bench.reports.notation import number, times
from co3d_bench.reports.tables import render, terminal
from co3d_bench.reports.tables.results import build

from ..factories import (
    make_case,
    make_engine_record,
    make_environment,
    make_failed_record,
    make_machine,
    make_model,
    make_record,
    make_samples,
    make_wrong_record,
    with_timing,
)
from .device_records import on_pc

OLD = Path(__file__).parents[1] / "bench" / "record" / "stores" / "version-1" / "records.jsonl"


# --- the store


def processes(model: str, levels_s: list[float], count: int = 15, spread: float = 0.05, **changes: Any) -> list[Any]:
    """A process for each level. Some samples are far off, so that by total time another process is in the middle."""
    found = []
    for place, level in enumerate(levels_s, 1):
        samples = make_samples(level, count + place, f"{model}-{level}-{place}", spread, disturbed_share=0.2)
        record = make_engine_record(model, "eager", process=place)
        record = record.model_copy(update={"run_id": "run-2"} | changes)
        record = with_timing(
            record,
            samples=samples,
            load_s=0.2 + 0.01 * ((7 * place) % 5),
            first_prediction_s=(3 + (3 * place) % 4) * level,
        )
        found.append(record.model_copy(update={"peak_rss_bytes": 400_000_000 + 1_000_000 * ((5 * place) % 7)}))
    return found


def by(model: str, levels_s: list[float], backend: str, precision: str = "fp32", **changes: Any) -> list[Any]:
    engine = make_engine_record(model, backend, precision)
    same = {"case": engine.case, "engine": engine.engine, "verification": engine.verification}
    return processes(model, levels_s, **(same | changes))


def odd_records() -> list[Any]:
    one = processes("x3d-xs", [0.0391])
    two = processes("x3d-s", [0.131, 0.118])
    slow_first = processes("x3d-m", [20 * 0.287, 0.291, 0.287])
    six = processes("cox3d-s-13", [0.0141, 0.0139, 0.0144, 0.0137, 0.0142, 0.014])
    six = [six[0], *(record.model_copy(update={"counters": None}) for record in six[1:])]  # one counts for all
    six[5] = six[5].model_copy(update={"energy": on_pc("cox3d-s-13").energy})
    seven = processes("cox3d-m-16", [0.0254 + 0.0004 * ((3 * n) % 7) for n in range(7)])
    seven.insert(3, make_failed_record("cox3d-m-16", kind="crash", run_id="run-2", process=8))
    nine = processes("cox3d-m-64", [0.0259 + 0.0009 * ((5 * n) % 9) for n in range(9)])
    older = by("x3d-m", [0.02, 0.021, 0.019], "openvino", run_id="run-1")
    newer = by("x3d-m", [0.0401, 0.0391], "openvino")
    wrong = by("cox3d-m-16", [0.001, 0.0011, 0.0012], "openvino")
    wrong[1] = make_wrong_record("cox3d-m-16", backend="openvino").model_copy(
        update={"run_id": "run-2", "process": 2, "case": wrong[0].case}
    )
    busy = [
        with_timing(r, background_load=0.8) for r in by("cox3d-m-64", [0.0051, 0.0071, 0.0061], "openvino", count=70)
    ]
    last_failed = by("x3d-s", [0.029, 0.031, 0.03], "onnxruntime")
    last_failed[2] = make_failed_record("x3d-s", case=last_failed[0].case, kind="timeout", run_id="run-2", process=3)
    none_left = make_failed_record("x3d-xs", case=make_case("x3d-xs", backend="fused"), run_id="run-2")
    alone = by("slow-r50", [0.61, 0.6], "onnxruntime", case=make_case("slow-r50", backend="onnxruntime"))
    alone = [r.model_copy(update={"model": make_model("slow-r50", published=None, title="Slow-R50")}) for r in alone]
    streams = processes("cox3d-s-13", [0.08, 0.083], case=make_case("cox3d-s-13", batch=8))
    three = [make_record("x3d-s", samples=make_samples(0.2, 3), case=make_case("x3d-s", threads=1), run_id="run-2")]
    elsewhere = make_environment(machine=make_machine(cpu_model="Another CPU"))
    moved = by("cox3d-m-16", [0.009, 0.0084, 0.0088], "onnxruntime", "bf16", environment=elsewhere)
    return [
        *older, *one, *two, *slow_first, *six, *seven, *nine, *newer, *wrong, *busy, *last_failed, none_left, *alone,
        *streams, *three, *moved,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    shutil.copy(OLD, folder / "records.jsonl")
    for record in odd_records():
        append_record(folder, record)
    return folder


@pytest.fixture(scope="module")
def records(store):
    return read_records(store)


@pytest.fixture(scope="module")
def cases(records):
    return case_results(records)


@pytest.fixture(scope="module")
def table(cases):
    return build(cases)


@pytest.fixture(scope="module")
def page(records):
    return render_html(records)


# --- what is expected, from the raw lines


def middle(values):
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def lower(values):
    return sorted(values)[(len(values) - 1) // 2] if values else None


def ms(value):
    """A thousandth of SI: milliseconds, millijoules."""
    return number(None if value is None else 1e3 * value)


class Plain:
    """A case as its raw lines have it, in SI."""

    def __init__(self, key, lines):
        self.key, self.lines = key, lines
        self.case = lines[0]["case"]
        errors = [line["error"] for line in lines if line["error"]]
        wrong = [error for error in errors if error["kind"] == "wrong-answer"]
        self.error = wrong[0] if wrong else errors[-1] if len(errors) == len(lines) else None
        self.good = [] if self.error else [line for line in lines if not line["error"]]
        self.series = [line["timing"]["samples"]["latency_s"] for line in self.good]
        medians = sorted(middle(series) for series in self.series)
        self.latency_s = lower(medians)
        end = 1 if len(medians) >= 9 else 0  # of nine the second and the eighth, of fewer the whole range
        self.low, self.high = (medians[end], medians[-1 - end]) if medians else (None, None)
        self.half_width_s = (self.high - self.low) / 2 if len(medians) > 1 else None
        batch = self.case["batch"]
        self.throughput_per_s = lower([batch * len(series) / sum(series) for series in self.series])
        self.per_stream_per_s = lower([len(series) / sum(series) for series in self.series])
        self.first_prediction_s = lower([line["timing"]["first_prediction_s"] for line in self.good])
        self.load_s = lower([line["timing"]["load_s"] for line in self.good])
        self.prepare_s = lower([line["timing"].get("prepare_s") or 0 for line in self.good])
        self.peak_rss_bytes = lower([line["peak_rss_bytes"] for line in self.good if line["peak_rss_bytes"]])
        together = sorted(latency for series in self.series for latency in series)
        self.count = len(together)
        self.p90_s = together[math.ceil(0.9 * self.count) - 1] if self.count >= 64 else None
        mean = sum(together) / self.count if together else 0
        self.std = math.sqrt(sum((s - mean) ** 2 for s in together) / (self.count - 1)) if self.count > 1 else None
        self.throughput_std = None if self.std is None else batch / mean * self.std / mean
        blocks = [line["energy"]["busy"] for line in lines if line["energy"] and line["energy"]["busy"]]
        joules = [sum(b["energy_j"] for b in busy) / (batch * sum(b["calls"] for b in busy)) for busy in blocks]
        self.energy_j = lower(joules) if self.good else None
        counters = next((line["counters"] for line in lines if line["counters"]), None) or {}
        self.macs, self.memory_bytes = counters.get("macs"), counters.get("peak_allocated_bytes")
        model = next((line["model"] for line in lines if line["model"]), None)
        self.title = model["title"] if model else self.case["model"]
        self.counterpart = model and model["counterpart"]
        self.accuracy = model and model["published"] and model["published"]["accuracy_top1"]
        self.accuracies = (model and model["published"] and model["published"].get("accuracies")) or []
        self.form = model and model["form"]

    @property
    def warned(self):
        if not self.good:
            return False
        timings = [line["timing"] for line in self.good]
        loads = [t.get("background_load", t.get("others_meanwhile")) for t in timings]
        before = [t.get("background_load_before", t.get("others_before")) for t in timings]
        cores = [len(line["environment"]["process"]["affinity"]) for line in self.good]
        loaded = [max(a or 0, b or 0) > 0.05 * c for a, b, c in zip(loads, before, cores, strict=True)]
        wide = len(self.good) > 1 and (self.high - self.low) / 2 / self.latency_s > 0.025
        return wide or (any(loaded) and 2 * sum(loaded) >= len(loaded))

    @property
    def named(self):
        backend = self.case["backend"]
        return self.title if backend == "eager" else f"{self.title} by {backend}"

    @property
    def latency_text(self):
        if self.latency_s is None:
            return "\u2013"
        text = ms(self.latency_s)
        places = len(text.partition(".")[2])
        ends = [f"{1e3 * self.low:.{places}f} to {1e3 * self.high:.{places}f}"] if len(self.good) > 1 else []
        few = [f"n = {len(self.good)}"] if len(self.good) < 6 else []
        return f"{text} ({', '.join([*ends, *few])})"

    @property
    def rate_text(self):
        if self.throughput_per_s is None:
            return "\u2013"
        text = number(self.throughput_per_s)
        places = len(text.partition(".")[2])
        return text if self.throughput_std is None else f"{text} ± {self.throughput_std:.{places}f}"

    @property
    def texts(self):
        """What every table of text shows of a case."""
        return {
            "Throughput": self.rate_text,
            "Latency": self.latency_text,
            "Per stream": number(self.per_stream_per_s),
            "p90": ms(self.p90_s),
            "Energy": ms(self.energy_j),
        }

    def facts(self):
        return [
            {name: fact(line["environment"], name) for name in COMPARABLE_FACTS}
            for line in self.lines
            if line["environment"]
        ]


def fact(environment, dotted):
    value = environment
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def apart(*cases):
    """Facts that must agree and do not."""
    known = [facts for case in cases for facts in case.facts()]
    return [name for name in COMPARABLE_FACTS if len({repr(facts[name]) for facts in known}) > 1]


@pytest.fixture(scope="module")
def plain(store):
    runs: dict[str, list[Any]] = {}
    for text in (store / "records.jsonl").read_text().splitlines():
        line = json.loads(text)
        case = line["case"]
        words = [case[name] for name in ("model", "device", "backend", "precision")]
        key = "/".join([*words, f"b{case['batch']}", f"t{case['threads']}", case["input"]])
        runs.setdefault(key, []).append(line)
    found = {}
    for key, lines in runs.items():
        newest = {line["process"]: line for line in lines if line["run_id"] == lines[-1]["run_id"]}
        found[key] = Plain(key, [newest[process] for process in sorted(newest)])
    return found


def test_the_store_is_as_odd_as_it_should_be(plain, records):
    assert {len(case.good) for case in plain.values()} >= {0, 1, 2, 3, 6, 7, 9}
    slow = plain["x3d-m/cpu/eager/fp32/b1/t2/random-0"]
    assert max(map(middle, slow.series)) > 15 * slow.latency_s
    assert {record.key for record in records} == set(plain)
    assert 3 in {case.count for case in plain.values()}
    assert len({case.lines[0]["schema_version"] for case in plain.values()}) == 2
    # The process that gives the latency is not always the one that gives the throughput.
    assert any(
        case.case["batch"] * len(shown) / sum(shown) != case.throughput_per_s
        for case in plain.values()
        for shown in case.series
        if middle(shown) == case.latency_s
    )


def close(value, expected):
    if expected is None:
        return value is None or pandas.isna(value)
    return value == pytest.approx(expected, rel=1e-9)


# --- readers of numbers

# Column of pandas and SQL: what it is of a plain case.
FIGURES = {
    "latency_s": "latency_s",
    "latency_low_s": "low",
    "latency_high_s": "high",
    "latency_p90_s": "p90_s",
    "throughput_per_s": "throughput_per_s",
    "throughput_std_per_s": "throughput_std",
    "per_stream_per_s": "per_stream_per_s",
    "first_prediction_s": "first_prediction_s",
    "load_s": "load_s",
    "peak_rss_bytes": "peak_rss_bytes",
    "energy_j": "energy_j",
    "macs": "macs",
    "peak_allocated_bytes": "memory_bytes",
    "samples": "count",
}


def test_data_frame_and_sql_of_cases(store, plain):
    by_case = co3d_bench.load(store, by="case").set_index("case")
    sql = query("SELECT * EXCLUDE (started_at) FROM cases", store).set_index("case")
    assert set(by_case.index) == set(sql.index) == set(plain)
    for key, case in plain.items():
        for row in (by_case.loc[key], sql.loc[key]):
            for column, name in FIGURES.items():
                assert close(row[column], getattr(case, name)), (key, column)
            assert row["processes"] == len(case.good), key
        assert pandas.isna(by_case.loc[key, "error"]) == (not case.error), key
        assert pandas.isna(by_case.loc[key, "warnings"]) == (not case.warned), key


def gain(plain, case):
    """Times as fast as eager fp32, where that was measured under the same circumstances."""
    asked = case.case | {"backend": "eager", "precision": "fp32"}
    origin = next((other for other in plain.values() if other.case == asked), None)
    if origin is None or not origin.good or not case.good or apart(origin, case):
        return None
    return origin.latency_s / case.latency_s


# Head in the tables; column of the CSV file and what SI is multiplied by there; what it is of a plain case.
SHOWN = (
    ("Throughput", "throughput_per_s", 1, "throughput_per_s"),
    ("Latency", "latency_ms", 1e3, "latency_s"),
    ("Per stream", "per_stream_per_s", 1, "per_stream_per_s"),
    ("p90", "latency_p90_ms", 1e3, "p90_s"),
    ("First run", "first_prediction_ms", 1e3, "first_prediction_s"),
    ("Energy", "energy_mj", 1e3, "energy_j"),
    ("MACs", "macs_g", 1e-9, "macs"),
    ("Memory", "peak_allocated_mb", 1e-6, "memory_bytes"),
)
BESIDE = (
    ("", "latency_half_width_ms", 1e3, "half_width_s"),
    ("", "throughput_std_per_s", 1, "throughput_std"),
    ("", "build_s", 1, "prepare_s"),
)


def test_csv(table, plain):
    read = pandas.read_csv(io.StringIO(render.csv(table))).set_index("case")
    assert set(read.index) == set(plain)
    for key, case in plain.items():
        for _, column, factor, name in (*SHOWN, *BESIDE):
            value = getattr(case, name)
            assert close(read.loc[key, column], None if value is None else factor * value), (key, column)
        assert close(read.loc[key, "speed_against_eager"], gain(plain, case)), key


def test_base_and_head_of_a_comparison(records, plain):
    side = RecordSet("store", tuple(records))
    for metric in ("latency_s", "throughput_per_s", "first_prediction_s"):
        found = compare(side, side, metrics=[metric])
        assert {finding.key for finding in found.findings} == set(plain)
        for finding in found.findings:
            case = plain[finding.key]
            assert close(finding.base, getattr(case, metric)), finding.key
            assert finding.base == finding.head
            assert (finding.status == "failed") == bool(case.error)
    console = Console(width=300)
    with console.capture() as text:
        console.print(render_terminal(compare(side, side, metrics=["latency"])))
    nine = plain["cox3d-m-64/cpu/eager/fp32/b1/t2/random-0"]
    assert number(1e3 * nine.latency_s, 4) in text.get()


@pytest.mark.parametrize("metric", ["latency_s", "throughput_per_s"])
def test_the_newest_points_of_the_history(records, plain, metric):
    found = series(records, get_metric(metric))
    assert {each.key for each in found} == {key for key, case in plain.items() if case.good}
    points = {(each.key, point.run_id): point for each in found for point in each.points}
    for key, case in plain.items():
        point = points.get((key, case.lines[0]["run_id"]))
        assert (point is None) == (not case.good), key
        if point:
            assert close(point.value, getattr(case, metric)), key
            assert bool(point.warnings) == case.warned, key


# --- readers of text: of each row of the table its mark, its error, and its cells by their heads


def in_terminal(table, _):
    console = Console(width=400)
    with console.capture() as text:
        console.print(terminal.render(table))
    head, _, _, *lines = text.get().splitlines()
    names = re.split(r"\s{2,}", head.strip())
    rest = iter(lines)
    for row in table.rows:
        line = next(line for line in rest if re.match(rf"{re.escape(row.title)}( |$)", line) and "  " in line.strip())
        title, *cells = re.split(r"\s{2,}", line.strip())
        failed = cells == ["failed"]
        yield "!" in title.removeprefix(row.title), failed, {} if failed else dict(zip(names, cells, strict=True))


def in_markdown(table, _):
    text = render.markdown(table)
    lines = text.splitlines()
    heads = [cell.split(",")[0].strip() for cell in lines[0].strip("| ").split(" | ")]
    for row, line in zip(table.rows, lines[2:], strict=False):
        cells = re.split(r"(?<!\\) \| ", line.strip().removeprefix("| ").removesuffix(" |"))
        failed = bool(row.error) and f"- **{render.escape_markdown(row.title)}** failed: " in text
        yield "<sup>!" in cells[0], failed, dict(zip(heads, cells, strict=True))


def in_latex(table, _):
    lines = [line for line in render.latex(table).splitlines() if line.endswith(r" \\")][1:]
    for line in lines[: len(table.rows)]:
        title, *cells = line.removesuffix(r" \\").split(" & ")
        failed = "failed: " in line
        texts = [cell.replace(r"$\pm$", "±").replace("--", "\u2013") for cell in cells]
        heads = [column.head for column in table.columns]
        yield r"\textsuperscript{!" in title, failed, {} if failed else dict(zip(heads, texts, strict=True))


def in_page(_, page):
    text = section(page, "table")
    heads = [words(head) for head in re.findall(r'title="[^"]*">([^<]*)</button>', text)]
    for row in re.findall(r"<tr data-model=.*?</tr>", text, flags=re.DOTALL):
        cells = re.findall(r'class="value[^>]*>(.*?)</span>', row, flags=re.DOTALL)
        failed = "<strong>failed</strong>" in row
        yield 'href="#warnings"' in row, failed, {} if failed else dict(zip(heads, map(words, cells), strict=False))


@pytest.mark.parametrize("read", [in_terminal, in_markdown, in_latex, in_page])
def test_a_table_of_text(read, table, page, plain):
    found = list(read(table, page))
    assert len(found) == len(table.rows) == len(plain)
    for row, (warned, failed, cells) in zip(table.rows, found, strict=True):
        case = plain[row.key]
        assert (warned, failed) == (case.warned, bool(case.error)), row.key
        if cells:
            assert {head: cells[head] for head in case.texts} == case.texts, row.key


# --- the page


def section(page, name):
    found = re.search(rf'<section id="{name}".*?</section>', page, flags=re.DOTALL)
    assert found, name
    return found[0]


def words(fragment):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", fragment)).split())


def cells_of(row):
    """Of a row of the page: each cell as its value in SI, or None, and its words."""
    found = re.findall(r"<td(?: data-value=\"([^\"]*)\")?[^>]*>(.*?)</td>", row, flags=re.DOTALL)
    return [(float(value) if value else None, words(cell)) for value, cell in found]


def test_the_values_of_the_page_are_in_si(page, table, plain):
    text = section(page, "table")
    heads = [words(head) for head in re.findall(r'title="[^"]*">([^<]*)</button>', text)]
    rows = re.findall(r"<tr data-model=.*?</tr>", text, flags=re.DOTALL)
    for row, fragment in zip(table.rows, rows, strict=True):
        case = plain[row.key]
        if case.error:
            assert html.escape(case.error["kind"]) in fragment
            continue
        values = dict(zip(heads, (value for value, _ in cells_of(fragment)), strict=True))
        for head, _, _, name in SHOWN:
            assert close(values[head], getattr(case, name)), (row.key, head)
    assert f"{sum(case.warned for case in plain.values())} of {len(plain)} rows carry a warning" in words(text)


def test_the_engines_of_the_page(page, cases, plain):
    keys = [case.key for group in groups(cases) for case in group.cases]
    assert set(keys) == set(plain)
    fragments = re.findall(r"<tr data-model=.*?</tr>", section(page, "engines"), flags=re.DOTALL)
    for key, fragment in zip(keys, fragments, strict=True):
        case = plain[key]
        assert ('href="#warnings"' in fragment) == case.warned, key
        if not case.error:
            (latency_s, latency), (speed, times), _, (_, first), _, (_, resident), *_ = cells_of(fragment)
            assert close(latency_s, case.latency_s)
            assert close(speed, gain(plain, case))
            assert (latency, times) == (case.latency_text, number(gain(plain, case)))
            assert first == number(case.first_prediction_s, 2)
            assert resident == number(case.peak_rss_bytes and case.peak_rss_bytes / 1e6)


def charts(fragment):
    found = re.findall(r'<script type="application/json">(.*?)</script>', fragment, flags=re.DOTALL)
    return [json.loads(text) for text in found]


def test_every_strip_holds_every_sample_and_the_figure(page, table, plain):
    shown_keys = [row.key for row in table.rows if plain[row.key].good]
    figures = re.findall(r"<figure.*?</figure>", section(page, "latency"), flags=re.DOTALL)
    assert len(figures) == len(shown_keys)
    for key, figure in zip(shown_keys, figures, strict=True):
        case = plain[key]
        caption = words(re.search(r"<figcaption>.*?</figcaption>", figure, flags=re.DOTALL)[0])
        assert f"median {case.latency_text} ms" in caption
        assert f"{case.count} predictions" in caption
        assert ("p90 " in caption) == (case.p90_s is not None)
        assert case.p90_s is None or f"p90 {ms(case.p90_s)}" in caption
        (spec,) = charts(figure)
        dots = spec["datasets"]["samples"]
        taken = [latency for series in case.series for latency in series]
        assert [dot["tooltip"]["Latency"] for dot in dots] == [f"{number(1e3 * s, 4)} ms" for s in taken]
        edge = 2.5e3 * case.latency_s
        assert [dot["ms"] for dot in dots] == pytest.approx([min(1e3 * s, edge) for s in taken])
        data = [layer["data"]["values"] for layer in spec["layer"] if "values" in layer.get("data", {})]
        assert data[0] == [{"ms": pytest.approx(1e3 * case.low), "end": pytest.approx(1e3 * case.high)}]
        assert data[1] == [{"ms": pytest.approx(1e3 * case.latency_s)}]


def test_points_of_the_plots_and_their_tooltips(page, plain):
    seen = set()
    for spec in charts(section(page, "pareto")):
        data = [layer["data"] for layer in (spec, *spec["layer"]) if "data" in layer]
        values = [each.get("values") or spec["datasets"][each["name"]] for each in data]
        points = max((rows for rows in values if "tooltip" in rows[0]), key=len)
        for point in points:
            tooltip = point["tooltip"]
            (case,) = (
                case
                for case in plain.values()
                if case.case["model"] == point["model"]
                and tooltip.get("Throughput") == f"{case.rate_text} predictions/s"
                and tooltip.get("Latency") == f"{case.latency_text} ms"
            )
            seen.add(case.key)
            assert ("Warnings" in tooltip) == case.warned
            assert tooltip["First run"] == f"{ms(case.first_prediction_s)} ms"
            if spec["name"].startswith("throughput"):
                assert point["x"] == pytest.approx(case.throughput_per_s)
                assert point["hollow"] == case.warned
    assert len(seen) > 6


# --- the sentences


def rate(case):
    return case.per_stream_per_s


def speaking(plain):
    """Of each network the fastest engine, under the circumstances that hold for most networks: float32, batch 1."""
    chosen = {}
    for case in plain.values():
        c = case.case
        if not case.good or (c["device"], c["precision"], c["batch"], c["threads"]) != ("cpu", "fp32", 1, 2):
            continue
        known = chosen.get(c["model"])
        if known is None or case.latency_s < known.latency_s:
            chosen[c["model"]] = case
    return chosen


def percent(accuracy):
    return f"{accuracy:.1f} %"


def per_s(case):
    return f"{number(rate(case))} predictions/s"


def pair_sentence(frame, clip):
    differing = apart(frame, clip)
    if differing:
        return (
            f"{frame.named} and {clip.named} were measured under different circumstances"
            f" ({', '.join(differing)}), so they are not compared."
        )
    ours, theirs = (next(each["top1"] for each in of.accuracies if each["frames_per_s"] == 15) for of in (frame, clip))
    warned = " (measured with a warning)" if frame.warned or clip.warned else ""
    return (
        f"{frame.named} is {times(clip.latency_s / frame.latency_s)} as fast as its clip counterpart {clip.named}, "
        f"by median time per prediction; at 15 frames/s its accuracy is {abs(ours - theirs):.1f} points "
        f"{'higher' if ours >= theirs else 'lower'}: {percent(ours)} (steady state) against {percent(theirs)} "
        f"(one clip){warned}."
    )


def needed(case):
    return case.accuracies[0]["frames_per_s"]


def every_frame(chosen):
    """The fact about every frame of a video: clip networks alone have an accuracy then."""
    able = [case for case in chosen.values() if rate(case) >= 30]
    clips = [case for case in able if case.form == "clip" and case.accuracies]
    if clips:
        top = max(clips, key=lambda case: (case.accuracy, rate(case)))
        detail = f"most accurate at that rate: {top.named}, {percent(top.accuracy)}"
    else:
        detail = "their accuracy at that rate is not known"
    label = "Every frame of a 30 frames/s video"
    return label, f"{len(able)} of {len(chosen)} networks", detail, any(case.warned for case in able)


def test_every_sentence_is_recomputed(cases, page, plain):
    said = headline(cases)
    text = said.title.replace("\u00a0", " ")
    chosen = speaking(plain)
    in_time = [case for case in chosen.values() if case.accuracies and rate(case) >= needed(case)]
    best = max(in_time, key=lambda case: (case.accuracy, rate(case)))
    fastest = max(chosen.values(), key=rate)
    assert text == (
        f"{best.named} has the highest published accuracy of all that keep up here: {percent(best.accuracy)} at "
        f"{needed(best):g} frames/s. Its {per_s(best)} keep up with 30 frames/s too"
        + (", as measured with a warning" if best.warned else "")
    )

    pairs = [(case, chosen[case.counterpart]) for case in chosen.values() if case.counterpart in chosen]
    pairs.sort(key=lambda pair: -pair[1].latency_s / pair[0].latency_s)
    gains = {key: found for key, case in plain.items() if (found := gain(plain, case))}
    origins = {key: plain["/".join([*key.split("/")[:2], "eager", "fp32", *key.split("/")[4:]])] for key in gains}
    others = [key for key in gains if plain[key].key != origins[key].key]
    most = max(others, key=lambda key: (not (plain[key].warned or origins[key].warned), gains[key]))
    precision = {"fp32": "float32", "bf16": "bfloat16"}[plain[most].case["precision"]]
    measured = [case for case in plain.values() if case.good]
    warned = [case for case in measured if case.warned]
    of = f"; its accuracy is {percent(fastest.accuracy)} at {needed(fastest):g} frames/s" if fastest.accuracy else ""
    expected = [
        *([f"The fastest is {fastest.named} with {per_s(fastest)}{of}."] if fastest is not best else []),
        f"Shown every frame of a 30 frames/s video, {best.named} has no published accuracy; {percent(best.accuracy)} "
        f"at {needed(best):g} frames/s is kept for every frame by interleaved states (co3d-bench camera --interleave).",
        *(pair_sentence(*pair) for pair in pairs),
        f"By {plain[most].case['backend']} in {precision}, {plain[most].title} is {times(gains[most])} as fast as by "
        f"eager in float32{' (measured with a warning)' if plain[most].warned or origins[most].warned else ''}.",
        "Accuracies are as published, not measured here; each belongs to its frame rate.",
    ]  # fmt: skip
    sentences = [sentence.replace("\u00a0", " ") for sentence in said.sentences]
    assert sentences[: len(expected)] == expected
    speaks, carries, failed = sentences[len(expected) :]
    assert speaks.startswith(f"Of {len(measured)} measured cases, this shows each network by its fastest engine: ")
    assert carries.startswith(f"{len(warned)} of {len(measured)} cases carry a warning: ")
    assert failed.startswith("Failed: ")
    kinds = re.findall(r"\(([a-z-]+)\)", failed)
    assert sorted(kinds) == sorted(case.error["kind"] for case in plain.values() if case.error)

    compared = [pair for pair in pairs if not apart(*pair)]
    top = max(compared, key=lambda p: (not (p[0].warned or p[1].warned), p[1].latency_s / p[0].latency_s))
    facts = [(f.label.replace("\u00a0", " "), f.value, f.detail.replace("\u00a0", " "), f.warned) for f in said.facts]
    assert facts == [
        (
            "Highest published accuracy that keeps up",
            best.named,
            f"{percent(best.accuracy)} top-1 ({needed(best):g} frames/s, whole film), {per_s(best)}",
            best.warned,
        ),
        every_frame(chosen),
        ("Fastest", fastest.named, per_s(fastest), fastest.warned),
        (
            "Frame by frame instead of clips",
            f"{number(top[1].latency_s / top[0].latency_s, 2)} \u00d7 as fast",
            f"{top[0].named} against {top[1].named}",
            top[0].warned or top[1].warned,
        ),
    ]
    counts, several = [case.count for case in measured], [len(case.good) for case in measured]
    assert said.where.endswith(
        f"{min(counts)} to {max(counts)} timed predictions each, in {min(several)} to {max(several)} fresh processes"
    )
    shown_text = words(page).replace("\u00a0", " ")
    for sentence in (text, *sentences, *(value for _, value, _, _ in facts), *(detail for _, _, detail, _ in facts)):
        assert " ".join(sentence.split()) in shown_text, sentence
