"""What the device did while a case ran: sensors, energy and the GPU's own figures. Cases in, columns and notes out.

`DEVICE_COLUMNS` and `CUDA_COLUMNS` are the two tables of the page's section. A figure that a record lacks leaves its
cell empty; why, is reported once for each device (`Group.missing`), never case by case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ..bench.record.cuda_facts import CudaFacts, CudaFlags
from ..bench.record.sensing import SensorFigure
from ..bench.stats.case_result import CaseResult
from ..bench.stats.metrics import Unit, idle_power_w
from ..bench.stats.throttling import throttle_signs, throttling_would_show
from .headline import machine_text
from .notation import number
from .select import device_kind, model_title
from .tables.results import ENERGY, LATENCY, metric
from .tables.table import WORDS, Cell, Column, figure

# Kinds of figures in words; others keep their names.
FIGURES = {
    "cpu_hz": "CPU clock",
    "gpu_hz": "GPU clock",
    "gpu_memory_hz": "clock of the GPU's memory",
    "gpu_max_hz": "cap of the GPU clock",
    "temperature_c": "temperature",
    "power_w": "power",
    "energy_j": "energy counter",
    "cpu_throttle_events": "throttling of the CPU",
    "gpu_throttle": "throttle reasons of the GPU",
    "gpu_power_capped_s": "time at the power limit",
    "gpu_thermal_capped_s": "time held back by heat",
    "throttle_events": "over-current events",
    "cooling_state": "cooling by slowing down",
    "gpu_memory_used_bytes": "used memory of the GPU",
    "gpu_other_processes": "other processes on the GPU",
}
_SENSORS, _ENERGY = "heat, clocks and power", "energy per prediction"
# With more case names than this the reason would be hard to find.
_MOST_NAMES = 3


@dataclass(frozen=True)
class Missing:
    """Figures that are not there for one reason, and the cases it holds for; no cases: for all of the device."""

    names: tuple[str, ...]
    reason: str
    cases: str = ""


@dataclass(frozen=True)
class Group:
    """One device: its cases, and what holds for all of them."""

    title: str
    records: tuple[CaseResult, ...]
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    missing: tuple[Missing, ...]
    cost: str | None


def groups(records: Sequence[CaseResult]) -> tuple[Group, ...]:
    """Each device with the measured cases that have figures of it; empty where no record has."""
    found: dict[str, list[CaseResult]] = {}
    for record in records:
        if record.ok and (record.sensors or record.energy or record.cuda):
            found.setdefault(_title(record), []).append(record)
    return tuple(
        Group(
            title=title,
            records=tuple(members),
            facts=_facts(members),
            notes=_notes(members),
            missing=_missing(members),
            cost=_cost(members),
        )
        for title, members in found.items()
    )


def _title(record: CaseResult) -> str:
    kind = device_kind(record)
    text = machine_text(record)
    return text if kind == record.case.device else f"{text} (of the kind {kind})"


def _figures(record: CaseResult) -> tuple[SensorFigure, ...]:
    return record.sensors.figures if record.sensors else ()


def _kind_and_which(name: str) -> tuple[str, str]:
    kind, _, which = name.partition("/")
    return kind, which


def _heat(case: CaseResult, *, of_gpu: bool) -> Cell:
    """The hottest zone of the GPU, or of all else."""
    zones = [
        (figure.during.max, figure)
        for figure in _figures(case)
        if _kind_and_which(figure.name)[0] == "temperature_c"
        and ("gpu" in figure.name.lower()) is of_gpu
        and figure.during
    ]
    if not zones:
        return Cell()
    highest, zone = max(zones, key=lambda pair: pair[0])
    text = f"up to {number(highest)}" if zone.before is None else f"{number(zone.before)} \u2192 {number(highest)}"
    return Cell(text, highest, detail=_kind_and_which(zone.name)[1])


def _clock(case: CaseResult, *, name: str) -> Cell:
    sensor = case.sensors.figure(name) if case.sensors else None
    if sensor is None or sensor.during is None:
        return Cell()
    low, median = GHZ.of(sensor.during.min), GHZ.of(sensor.during.median)
    return Cell(number(median), sensor.during.median, detail=f"lowest {number(low)}" if low < median else "")


def _power_figure(case: CaseResult) -> SensorFigure | None:
    found = [case.sensors.figure(f"power_w/{which}") for which in ("board", "gpu")] if case.sensors else []
    return next((figure for figure in found if figure and figure.during), None)


def _power(case: CaseResult) -> Cell:
    sensor = _power_figure(case)
    if sensor is None or sensor.during is None:
        return Cell()
    high, median = sensor.during.max, sensor.during.median
    return Cell(number(median), median, detail=f"up to {number(high)}" if high > median else "")


def _throttled(case: CaseResult) -> Cell:
    """Each sign; `no` only where something was read that would have shown it."""
    if signs := throttle_signs(case.sensors):
        return Cell("; ".join(signs), "yes", bad=True)
    if not throttling_would_show(case.sensors):
        return Cell()
    # A card at its power limit is normal under load, and worth showing.
    words = [word for figure in _figures(case) for word in figure.words]
    return Cell("no", "no", detail=", ".join(words))


def _energy(case: CaseResult) -> Cell:
    cell = ENERGY[0].cell(case)
    if cell.value is None or case.energy is None:
        return cell
    fresh = sorted(block.fresh_readings for block in case.energy.busy)
    count = f"{fresh[0]}" if fresh[0] == fresh[-1] else f"{fresh[0]} to {fresh[-1]}"
    return replace(cell, detail=f"{count} readings")


DURING, APART = "while samples were taken", "a prediction, in a pass of its own"
CELSIUS, GHZ, W = Unit("\u00b0C"), Unit("GHz", 1e9), Unit("W")
_HOTTEST = "before the first sample \u2192 highest during the samples, of the hottest zone"
_CLOCK = "median during the samples, and the lowest"
_SIGNS = "evidence that the device was slowed down"
_READINGS = "idle part included; readings: how often the sensor's value changed in a block of predictions"

DEVICE_COLUMNS: tuple[Column[CaseResult], ...] = (
    Column("Heat", partial(_heat, of_gpu=False), CELSIUS, f"{_HOTTEST} but the GPU's", group=DURING),
    Column("GPU heat", partial(_heat, of_gpu=True), CELSIUS, f"{_HOTTEST} of the GPU", group=DURING),
    Column("CPU clock", partial(_clock, name="cpu_hz"), GHZ, _CLOCK, group=DURING),
    Column("GPU clock", partial(_clock, name="gpu_hz"), GHZ, _CLOCK, group=DURING),
    Column("Power", _power, W, "median during the samples, and the highest", group=DURING),
    Column("Throttled", _throttled, explains=_SIGNS, group=DURING, kind=WORDS),
    replace(ENERGY[0], cell=_energy, explains=_READINGS, group=APART),
    replace(ENERGY[1], group=APART),
    figure(
        "Idle",
        lambda case: idle_power_w(case.energy),
        W,
        explains="power in the idle blocks between those of predictions",
        group=APART,
    ),
)


def _wall(case: CaseResult) -> Cell:
    return LATENCY.cell(case) if case.cuda else Cell()


_CALL, _COPIES, _MEMORY = "a call", "copies, not in the latency", "memory"
CUDA_COLUMNS: tuple[Column[CaseResult], ...] = (
    replace(LATENCY, head="Wall clock", cell=_wall, group=_CALL),
    metric("device_s", "On the GPU", group=_CALL),
    metric("to_device_s", "To the GPU", group=_COPIES),
    metric("to_host_s", "Back", group=_COPIES),
    metric("cuda_allocated_bytes", "Allocated", group=_MEMORY),
    metric("cuda_reserved_bytes", "Reserved", group=_MEMORY),
    metric("available_drop_bytes", "Less available", group=_MEMORY),
)
# Metrics of a GPU: what is reported as missing where there is no such figure, and why.
_WHY_ABSENT = {
    "device_s": ("time on the GPU", "no events were recorded around the calls"),
    "to_device_s": ("copies", "not timed"),
    "to_host_s": ("copies", "not timed"),
    "cuda_allocated_bytes": ("allocated memory", "the engine's own allocator does not report it"),
    "cuda_reserved_bytes": ("reserved memory", "the engine's own allocator does not report it"),
    "available_drop_bytes": ("the fall of free memory", "reported only where CPU and GPU share one memory"),
}


def _facts(records: Sequence[CaseResult]) -> tuple[str, ...]:
    """The GPU, its software and its switches; of which cases, where not all agree."""
    texts: dict[str, list[CaseResult]] = {}
    for record in records:
        if record.cuda:
            texts.setdefault(_gpu_text(record.cuda), []).append(record)
    return tuple(
        text + (f" ({_cases(of)})" if len(texts) > 1 or len(of) < len(records) else "") for text, of in texts.items()
    )


def _gpu_text(cuda: CudaFacts) -> str:
    versions = [f"CUDA {cuda.cuda}" if cuda.cuda else "", f"cuDNN {cuda.cudnn}" if cuda.cudnn else ""]
    parts = [cuda.name, f"compute capability {cuda.capability}", *versions]
    benchmark = f"cuDNN benchmark {_on(cuda.flags.cudnn_benchmark)}"
    return f"{', '.join(part for part in parts if part)}. {benchmark}, {_tf32(cuda.flags)}."


def _on(switch: bool) -> str:
    return "on" if switch else "off"


def _tf32(flags: CudaFlags) -> str:
    if flags.cudnn_tf32 == flags.matmul_tf32:
        return f"TF32 {_on(flags.cudnn_tf32)}"
    return f"TF32 {_on(flags.cudnn_tf32)} in convolutions, {_on(flags.matmul_tf32)} in matrix products"


def _notes(records: Sequence[CaseResult]) -> tuple[str, ...]:
    """Notes on the figures shown: what a clock is the mean of, which quantity power and energy are."""
    notes: dict[str, None] = {}
    for record in records:
        clocks = [f for f in _figures(record) if f.during and f.name in ("cpu_hz", "gpu_hz")]
        power = _power_figure(record)
        for sensor in (*clocks, *([power] if power else [])):
            if sensor.note:
                notes[f"{_sentence(FIGURES[_kind_and_which(sensor.name)[0]])}: {sensor.note}"] = None
        if record.energy and record.energy.busy:
            notes[f"Energy: {record.energy.quantity or 'quantity not reported'} ({record.energy.source})"] = None
    return tuple(notes)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass
class _Lack:
    """Figures that one reason holds for, by kind, and the cases."""

    kinds: dict[str, dict[str, None]] = field(default_factory=dict)
    cases: dict[str, CaseResult] = field(default_factory=dict)


def _missing(records: Sequence[CaseResult]) -> tuple[Missing, ...]:
    lacks: dict[str, _Lack] = {}
    for record in records:
        for name, reason in _lacking(record):
            kind, which = _kind_and_which(name)
            lack = lacks.setdefault(reason, _Lack())
            lack.kinds.setdefault(kind, {})[which] = None
            lack.cases[record.key] = record
    return tuple(
        Missing(
            tuple(_called(kind, tuple(which)) for kind, which in lack.kinds.items()),
            reason,
            "" if len(lack.cases) == len(records) else _cases(list(lack.cases.values()), len(records)),
        )
        for reason, lack in lacks.items()
    )


def _lacking(record: CaseResult) -> Iterator[tuple[str, str]]:
    """Each figure that a record lacks, by its name, and why."""
    if record.sensors is None:
        yield _SENSORS, "not read"
    elif record.sensors.reason:
        yield _SENSORS, record.sensors.reason
    silent = {f.name: f.reason or "not read around the samples" for f in _figures(record) if not _has_value(f)}
    yield from silent.items()
    if record.energy is None:
        yield _ENERGY, "not asked for"
    elif record.energy.reason:
        yield from ((_ENERGY, why) for why in _reasons(record.energy.reason, silent))
    if record.cuda:
        yield from (why for name, why in _WHY_ABSENT.items() if record.value(name) is None)


def _reasons(energy: str, silent: Mapping[str, str]) -> list[str]:
    """Why there is no energy, in the words of the figures that it could be taken from, if it is all of them."""
    known = {f"{name}: {why}": why for name, why in silent.items() if f"{name}: {why}" in energy}
    rest = energy
    for text in known:
        rest = rest.replace(text, "")
    return [energy] if rest.strip("; ") else list(known.values())


def _has_value(figure: SensorFigure) -> bool:
    if figure.kind == "flags":
        return figure.reason is None
    return (figure.added if figure.kind == "counter" else figure.during) is not None


def _called(kind: str, which: Sequence[str]) -> str:
    word = FIGURES.get(kind, kind)
    return f"{word} ({which[0]})" if len(which) == 1 and which[0] else word


def _cases(records: Sequence[CaseResult], of: int | None = None) -> str:
    titles = list(dict.fromkeys(model_title(record) for record in records))
    if len(titles) <= _MOST_NAMES:
        return ", ".join(titles)
    return f"{len(records)} cases" if of is None else f"{len(records)} of {of} cases"


def _cost(records: Sequence[CaseResult]) -> str | None:
    """What reading the sensors took of the machine, over all cases."""
    found = [record.sensors for record in records if record.sensors and record.sensors.watched_s]
    watched_s = sum(sensors.watched_s for sensors in found)
    if not watched_s:
        return None
    cpu_s, interval_s = sum(sensors.sampler_cpu_s for sensors in found), max(s.interval_s for s in found)
    return (
        f"Reading the sensors every {interval_s:g} s took {number(100 * cpu_s / watched_s, 2)} % of one core: "
        f"{number(cpu_s, 2)} s in {number(watched_s, 2)} s."
    )
