"""The table of a report, like Table 1 of the paper: what was measured, with the paper's figures beside it.

`COLUMNS` is the whole of it: a new column is one line there. Where there are several engines, their figures follow;
the paper's own throughputs come last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...bench.record.record import Published, Verification
from ...bench.stats.accuracy import MeasuredAccuracy
from ...bench.stats.batch import search_text
from ...bench.stats.case_result import CaseResult
from ...bench.stats.metrics import MB, PER_S, Unit, get_metric
from ..engines import several_engines, speeds
from ..notation import Footnotes, accuracy_text, conditions, fixed, number, plus_minus, with_interval
from ..select import FORM_TITLES, device_kind, model_title, setting_of, short_titles
from .table import Cell, Column, Row, Table, cells, figure, filled, source_columns

# The paper's names of its devices; others are shown as they are.
PAPER_DEVICES = {"cpu": "CPU", "tx2": "TX2", "xavier": "Xavier", "rtx2080ti": "RTX 2080 Ti"}
PAPER = "Throughput in the paper"
HERE = "On this machine"
ON_ITS_MACHINE = "On the machine of its source"
NOT_MEASURED = "not measured"
ENGINES = "Against eager float32"


def published(case: CaseResult) -> Published | None:
    """What the paper prints of its network."""
    return case.model.published if case.model else None


def metric(
    of: str,
    head: str,
    name: str = "",
    *,
    unit: Unit | None = None,
    write: Callable[[float], str] = number,
    paper: Callable[[Published], float | None] | None = None,
    explains: str = "",
    **more: Any,
) -> Column[CaseResult]:
    """A column of the metric `of` a case, in its own unit unless another is named; `paper` reads the paper's figure."""
    known = get_metric(of)
    shown = unit or known.unit

    def cell(case: CaseResult) -> Cell:
        value, printed = case.value(known), published(case)
        beside = paper(printed) if paper and printed else None
        return Cell(paper=beside) if value is None else Cell(write(shown.of(value)), value, paper=beside)

    more |= {"name": name, "noisy": known.noisy, "paper": paper is not None}
    return Column(head, cell, shown, explains or known.explains, **more)


def _accuracy(case: CaseResult) -> Cell:
    known, printed = case.accuracy.main, published(case)
    ends = known.ends if isinstance(known, MeasuredAccuracy) else (None, None)
    data = tuple((f"accuracy_{name}", getattr(known, name, None)) for name in ("frames_per_s", "view", "source"))
    data += tuple(zip(("accuracy_low_percent", "accuracy_high_percent"), ends, strict=True))
    if known is None:  # what is published is of float32 and of other weights
        other = printed is not None and printed.accuracy_top1 is not None
        return Cell(detail=NOT_MEASURED if other else "", data=data)
    return Cell(accuracy_text(known), known.top1, detail=conditions(known), data=data)


def _throughput(case: CaseResult) -> Cell:
    value, summary = case.value("throughput_per_s"), case.summary
    if value is None or summary is None:
        return Cell()
    spread = summary.throughput_std(case.case.batch)
    return Cell(plus_minus(value, spread), value, spread)


def _latency(case: CaseResult) -> Cell:
    found = case.figure("latency_s")
    if found is None:
        return Cell()
    return Cell(with_interval(found), found.value, (found.high - found.low) / 2 if found.processes > 1 else None)


def _state(case: CaseResult) -> float | None:
    """Clip networks carry nothing from clip to clip: no figure, rather than a 0 to be ranked."""
    return case.value("state_bytes") if case.model and case.model.form == "frame" else None


LATENCY = Column(
    "Latency",
    _latency,
    get_metric("latency_s").unit,
    "lower median of the processes' medians (its 95 % interval; of fewer than six their range and n)",
    name="latency_ms",
    spread_name="latency_half_width_ms",
    noisy=True,
)
PER_STREAM = metric("per_stream_per_s", "Per stream", "per_stream_per_s")
ENERGY = (
    metric("energy_j", "Energy", "energy_mj"),
    metric("energy_above_idle_j", "Above idle", "energy_above_idle_mj"),
)
COLUMNS: tuple[Column[CaseResult], ...] = (
    Column(
        "Accuracy",
        _accuracy,
        get_metric("accuracy_top1_percent").unit,
        "top-1: measured of these very weights, engine and precision by `co3d-bench evaluate`, with its 95 % interval "
        "over films; else that of the published weights on Kinetics-400, not measured here, for float32 with seeded or "
        "public weights. Below it at which frame rate, and what the network had seen: one clip, the whole film, or "
        "enough for a steady state",
        name="accuracy_top1_percent",
    ),
    Column(
        "Throughput",
        _throughput,
        PER_S,
        "predictions / total time, lower median of the processes ± standard deviation of all predictions",
        name="throughput_per_s",
        spread_name="throughput_std_per_s",
        noisy=True,
    ),
    PER_STREAM,
    LATENCY,
    figure(
        "p90",
        lambda case: case.summary.p90_s if case.summary else None,
        LATENCY.unit,
        explains="nine in ten of all timed predictions were at least this fast; only shown with 64 of them or more",
        name="latency_p90_ms",
        noisy=True,
    ),
    metric("peak_allocated_bytes", "Memory", "peak_allocated_mb", paper=lambda p: p.max_allocated_mb),
    metric(
        "macs",
        "MACs",
        "macs_g",
        paper=lambda p: p.macs_g,
        explains="multiply-accumulates of one prediction; the paper calls them FLOPs",
    ),
    metric("parameters", "Params", "parameters_m", write=fixed(2), paper=lambda p: p.parameters_m),
    *ENERGY,
    figure("State", _state, MB, explains=get_metric("state_bytes").explains, name="state_mb"),
    metric("first_prediction_s", "First run", "first_prediction_ms"),
)


def small(value: float) -> str:
    """A relative difference, which may be anything from a rounding error on: 2.1e-07, 0.0043."""
    return f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.2g}"


def _artefact_bytes(case: CaseResult) -> float | None:
    return case.engine.artefact_bytes if case.engine and case.ok else None


def compared(case: CaseResult) -> Verification | None:
    """How its answers were compared with those of eager float32, which is held to its own definition itself."""
    return case.verification if case.verification and case.verification.compared is not None else None


BUILD = metric("prepare_s", "Build", "build_s", write=lambda value: number(value, 2))
FILE = figure("File", _artefact_bytes, MB, explains="what the engine built, as it lies on the disk", name="file_mb")
DIFFERENCE: Column[CaseResult] = figure(
    "Difference",
    lambda case: check.relative_error if (check := compared(case)) else None,
    Unit("relative"),
    small,
    explains="largest difference of any score from eager float32, against the largest score",
    name="difference",
)


def speed_column(ratios: Mapping[str, float], fastest: Mapping[str, float] | None = None) -> Column[CaseResult]:
    """Times as fast as eager float32, by the key of the case; of the `fastest` beside it, the bar is full."""

    def cell(case: CaseResult) -> Cell:
        ratio = ratios.get(case.key)
        if ratio is None:
            return Cell()
        return Cell(number(ratio), ratio, share=ratio / fastest[case.key] if fastest else None)

    return Column(
        "Speed",
        cell,
        Unit("\u00d7 eager"),
        "how many times as fast as eager float32 of the same network, threads and batch, by median latency",
        name="speed_against_eager",
        noisy=True,
        kind="speed",
    )


def _paper_column(device: str, whose: str) -> Column[CaseResult]:
    def cell(case: CaseResult) -> Cell:
        known = published(case)
        found = known.throughput.get(device) if known else None
        return Cell(f"{found[0]:.2f} ± {found[1]:.2f}", found[0], found[1]) if found else Cell()

    return Column(
        f"Paper: {PAPER_DEVICES.get(device, device)}",
        cell,
        PER_S,
        f"throughput as the paper prints it for {whose}; not measured here",
        name=f"paper_{device}_per_s",
        spread_name=f"paper_{device}_std_per_s",
        group=PAPER,
        kind="paper-column",
    )


def paper_columns(cases: Sequence[CaseResult]) -> tuple[Column[CaseResult], ...]:
    """One column for each device of which the paper prints a throughput of any of these networks.

    Those of the kinds that were measured here come first.
    """
    devices = {device for case in cases if (known := published(case)) for device in known.throughput}
    ours = {device_kind(case) for case in cases}
    order = list(PAPER_DEVICES)
    ordered = sorted(
        devices,
        key=lambda device: (device not in ours, order.index(device) if device in order else len(order), device),
    )
    return tuple(_paper_column(device, _whose(device, ours)) for device in ordered)


def _whose(device: str, ours: Collection[str]) -> str:
    # "cpu" is any processor; the others are one kind of board or card.
    return "a device of the same kind" if device in ours and device != "cpu" else "its own device"


def _columns(cases: Sequence[CaseResult]) -> tuple[Column[CaseResult], ...]:
    """The columns that have something to show of these cases."""
    several_rows = any(case.case.batch > 1 for case in cases)
    left_out = {*([] if several_rows else [PER_STREAM]), *(set(ENERGY) - set(filled(ENERGY, cases)))}
    engines = (speed_column(speeds(cases)), BUILD, FILE, DIFFERENCE) if several_engines(cases) else ()
    source: tuple[Column[CaseResult], ...] = source_columns([case.source for case in cases], lambda case: case.source)
    here = f"{ON_ITS_MACHINE if source else HERE} ({accuracy_heading(cases)})"
    return (
        *source,
        *(replace(column, group=here) for column in COLUMNS if column not in left_out),
        *(replace(column, group=ENGINES) for column in engines),
        *paper_columns(cases),
    )


def accuracy_heading(cases: Sequence[CaseResult]) -> str:
    """Where the accuracies of these come from."""
    measured = any(isinstance(case.accuracy.main, MeasuredAccuracy) for case in cases)
    return "accuracy measured where it says so, else as published" if measured else "accuracy as published"


def _notes(case: CaseResult, differs: bool) -> tuple[str, ...]:
    """Notes on a case; `differs`: the energies in the table are not all of one quantity."""
    known, energy = published(case), case.energy
    return (
        *([f"the paper's figures: {known.note}"] if known and known.note else []),
        *([search_text(case.batch_search)] if case.batch_search else []),
        # Joules of sensors that measure different quantities must not be compared.
        *([f"energy: {energy.quantity or 'quantity not reported'}"] if differs and energy and energy.busy else []),
        *case.notes,
    )


def build(cases: Sequence[CaseResult]) -> Table:
    """The table of these cases, a row each, clip networks first, else as planned."""
    ordered = _paper_order(cases)
    columns = _columns(ordered)
    notes = Footnotes()
    differs = len({case.energy.quantity for case in ordered if case.energy and case.energy.busy}) > 1
    rows = case_rows(columns, ordered, lambda case: notes.marks(_notes(case, differs)))
    return Table("Network", columns, rows, notes.all())


def case_rows(
    columns: Sequence[Column[CaseResult]],
    cases: Sequence[CaseResult],
    marks: Callable[[CaseResult], tuple[str, ...]] = lambda case: (),
) -> tuple[Row, ...]:
    """A row for each case, with its footnotes' `marks`; of settings it names only what differs between these."""
    settings = short_titles(setting_of(case.case) for case in cases)
    return tuple(
        Row(
            model_title(case),
            cells(columns, case),
            case.case,
            case.model.form if case.model else "",
            settings[setting_of(case.case)] if len(settings) > 1 else "",
            marks=marks(case),
            warnings=case.warnings,
            error=f"{case.error.kind}: {case.error.message}" if case.error else None,
        )
        for case in cases
    )


def _paper_order(cases: Sequence[CaseResult]) -> list[CaseResult]:
    """Settings together, clip networks before frame networks before others, else as planned (sorting is stable)."""
    settings = list(dict.fromkeys(setting_of(case.case) for case in cases))
    order = list(FORM_TITLES)

    def rank(case: CaseResult) -> tuple[int, int]:
        form = case.model.form if case.model else ""
        return settings.index(setting_of(case.case)), order.index(form) if form in order else len(order)

    return sorted(cases, key=rank)
