"""The columns of a report's table: what each one is called, reads of a record and writes, with the paper's figure.

`COLUMNS` is the whole table: a new column is one line there. `ENGINE_COLUMNS` stand beside them where a store holds
several engines.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from ..bench.record.record import Published
from ..bench.stats.case_result import CaseResult
from ..bench.stats.metrics import get_metric
from ..bench.stats.summary import Summary
from .notation import MISSING, fixed, number, plus_minus, with_interval
from .select import device_kind

# The paper's names of its devices; others are shown as they are.
PAPER_DEVICES = {"cpu": "CPU", "tx2": "TX2", "xavier": "Xavier", "rtx2080ti": "RTX 2080 Ti"}

Value = float | str | None

printed = fixed(2)  # the paper prints every figure of Table 1 so


@dataclass(frozen=True)
class Source:
    """One case with what is derived from it, so that no column derives it again."""

    record: CaseResult
    summary: Summary | None  # of all timed predictions of the case
    published: Published | None
    speed: float | None = None  # times as fast as eager fp32 under the same circumstances


def source_of(record: CaseResult, speed: float | None = None) -> Source:
    """A case with its summary and its published figures at hand."""
    return Source(record, record.summary, record.model.published if record.model else None, speed)


def _always(sources: Sequence[Source]) -> bool:
    return True


@dataclass(frozen=True)
class Column:
    """One column: how it is called in text and in data, and how it is read."""

    name: str  # in the DataFrame and in CSV, with its unit: latency_ms
    head: str
    unit: str
    value: Callable[[Source], Value]
    write: Callable[[Source], str]
    spread: Callable[[Source], float | None] | None = None  # a second number of data: the std or the MAD
    spread_name: str = ""
    paper: Callable[[Published], float | None] | None = None
    noisy: bool = False  # whether the case's warnings are about it
    explains: str = ""
    wanted: Callable[[Sequence[Source]], bool] = _always  # whether it says anything of these records


def _metric(name: str, source: Source) -> float | None:
    return source.record.value(name)


def _write_metric(name: str, write: Callable[[float | None], str], source: Source) -> str:
    return write(_metric(name, source))


def _column(
    metric: str,
    name: str,
    head: str,
    *,
    write: Callable[[float | None], str] = number,
    paper: Callable[[Published], float | None] | None = None,
    explains: str = "",
    wanted: Callable[[Sequence[Source]], bool] = _always,
) -> Column:
    """A column that shows one metric as it is."""
    known = get_metric(metric)
    return Column(
        name=name,
        head=head,
        unit=known.unit,
        value=partial(_metric, metric),
        write=partial(_write_metric, metric, write),
        paper=paper,
        noisy=known.noisy,
        explains=explains,
        wanted=wanted,
    )


def _several_rows(sources: Sequence[Source]) -> bool:
    """Whether a call ever answers for more than one stream or clip."""
    return any(source.record.case.batch > 1 for source in sources)


def _energy(sources: Sequence[Source]) -> bool:
    """Whether any sensor told how much a prediction takes."""
    return any(_metric("energy", source) is not None for source in sources)


def _state(source: Source) -> float | None:
    """Clip networks carry nothing from clip to clip: no figure, rather than a 0 to be ranked."""
    model = source.record.model
    return _metric("state", source) if model and model.form == "frame" else None


def _rate_std(source: Source) -> float | None:
    return source.summary.throughput_std(source.record.case.batch) if source.summary else None


def _rate_text(source: Source) -> str:
    return plus_minus(_metric("throughput", source), _rate_std(source)) if source.summary else MISSING


def _latency_text(source: Source) -> str:
    found = source.record.figure("latency")
    return with_interval(found.value, found.low, found.high, found.processes) if found else MISSING


def _latency_half_width(source: Source) -> float | None:
    found = source.record.figure("latency")
    return (found.high - found.low) / 2 if found and found.processes > 1 else None


def _p90(source: Source) -> float | None:
    s = source.summary
    return None if s is None or s.p90_s is None else 1e3 * s.p90_s


COLUMNS = (
    _column(
        "accuracy",
        "accuracy_top1_percent",
        "Accuracy",
        write=fixed(2),
        explains="top-1 of the published weights on Kinetics-400, one clip or frame; not measured here",
    ),
    Column(
        name="throughput_per_s",
        head="Throughput",
        unit="predictions/s",
        value=partial(_metric, "throughput"),
        write=_rate_text,
        spread=_rate_std,
        spread_name="throughput_std_per_s",
        noisy=True,
        explains="predictions / total time, lower median of the processes ± standard deviation of all predictions",
    ),
    _column(
        "per_stream",
        "per_stream_per_s",
        "Per stream",
        explains="what each of the streams, or each row of clips, of a batch gets: calls / total time",
        wanted=_several_rows,
    ),
    Column(
        name="latency_ms",
        head="Latency",
        unit="ms",
        value=partial(_metric, "latency"),
        write=_latency_text,
        spread=_latency_half_width,
        spread_name="latency_half_width_ms",
        noisy=True,
        explains="lower median of the processes' medians (its 95 % interval; of fewer than six their range and n)",
    ),
    Column(
        name="latency_p90_ms",
        head="p90",
        unit="ms",
        value=_p90,
        write=lambda source: number(_p90(source)),
        noisy=True,
        explains="nine in ten of all timed predictions were at least this fast; only shown with 64 of them or more",
    ),
    _column(
        "peak_allocated",
        "peak_allocated_mb",
        "Memory",
        paper=lambda published: published.max_allocated_mb,
        explains="weights, state, input and the highest transient of one prediction",
    ),
    _column(
        "macs",
        "macs_g",
        "MACs",
        paper=lambda published: published.macs_g,
        explains="multiply-accumulates of one prediction; the paper calls them FLOPs",
    ),
    _column(
        "parameters",
        "parameters_m",
        "Params",
        write=fixed(2),
        paper=lambda published: published.parameters_m,
        explains="learned numbers of the network",
    ),
    _column(
        "energy",
        "energy_mj",
        "Energy",
        explains="of one prediction, idle part included; what the sensor measures differs by device",
        wanted=_energy,
    ),
    _column(
        "energy_above_idle",
        "energy_above_idle_mj",
        "Above idle",
        explains="energy of one prediction beyond what the device takes in the same time when idle",
        wanted=_energy,
    ),
    Column(
        name="state_mb",
        head="State",
        unit="MB",
        value=_state,
        write=lambda source: number(_state(source)),
        explains="what a frame network carries from frame to frame",
    ),
    _column(
        "first_prediction",
        "first_prediction_ms",
        "First run",
        explains="the very first prediction of a fresh process",
    ),
)


def _build_s(source: Source) -> float | None:
    timing = source.record.timing
    return timing.prepare_s if timing else None


def _file_mb(source: Source) -> float | None:
    engine = source.record.engine
    return None if engine is None or engine.artefact_bytes is None else engine.artefact_bytes / 1e6


def _difference(source: Source) -> float | None:
    check = source.record.verification
    return check.relative_error if check and check.compared is not None else None


# Where there are several engines or precisions. The page leaves them to a section of its own.
ENGINE_COLUMNS = (
    Column(
        name="speed_against_eager",
        head="Speed",
        unit="\u00d7 eager",
        value=lambda source: source.speed,
        write=lambda source: number(source.speed),
        noisy=True,
        explains="how many times as fast as eager float32 of the same network, threads and batch, by median latency",
    ),
    Column(
        name="build_s",
        head="Build",
        unit="s",
        value=_build_s,
        write=lambda source: number(_build_s(source), 2),
        noisy=True,
        explains="what the engine does once before it can be called",
    ),
    Column(
        name="file_mb",
        head="File",
        unit="MB",
        value=_file_mb,
        write=lambda source: number(_file_mb(source)),
        explains="what the engine built, as it lies on the disk",
    ),
    Column(
        name="difference",
        head="Difference",
        unit="relative",
        value=_difference,
        write=lambda source: MISSING if (found := _difference(source)) is None else f"{found:.1e}",
        explains="largest difference of any score from eager float32, against the largest score",
    ),
)


def _paper_rate(device: str, source: Source) -> float | None:
    found = source.published.throughput.get(device) if source.published else None
    return found[0] if found else None


def _paper_rate_std(device: str, source: Source) -> float | None:
    found = source.published.throughput.get(device) if source.published else None
    return found[1] if found else None


def _paper_rate_text(device: str, source: Source) -> str:
    found = source.published.throughput.get(device) if source.published else None
    return f"{found[0]:.2f} ± {found[1]:.2f}" if found else MISSING


def paper_columns(sources: Sequence[Source]) -> tuple[Column, ...]:
    """One column for each device of which the paper prints a throughput of any of these networks.

    Those of the kinds that were measured here come first.
    """
    devices = {device for source in sources if source.published for device in source.published.throughput}
    ours = {device_kind(source.record) for source in sources}
    known = list(PAPER_DEVICES)
    ordered = sorted(
        devices,
        key=lambda device: (device not in ours, known.index(device) if device in known else len(known), device),
    )
    return tuple(
        Column(
            name=f"paper_{device}_per_s",
            head=f"Paper: {PAPER_DEVICES.get(device, device)}",
            unit="predictions/s",
            value=partial(_paper_rate, device),
            write=partial(_paper_rate_text, device),
            spread=partial(_paper_rate_std, device),
            spread_name=f"paper_{device}_std_per_s",
            explains=f"throughput as the paper prints it for {_whose(device, ours)}; not measured here",
        )
        for device in ordered
    )


def _whose(device: str, ours: Collection[str]) -> str:
    # "cpu" is any processor; the others are one kind of board or card.
    return "a device of the same kind" if device in ours and device != "cpu" else "its own device"
