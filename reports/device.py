"""What the device did while a case ran: sensors, energy and the GPU's own figures. Records in, cells and words out.

`DEVICE_COLUMNS` and `CUDA_COLUMNS` are the two tables of the page's section. A figure that a record lacks leaves its
cell empty; why, is told once for each device (`Group.missing`), never case by case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ..bench.record.cuda_facts import CudaFacts, CudaFlags
from ..bench.record.sensing import SensorFigure, throttle_signs, throttling_would_show
from ..bench.stats.case_result import CaseResult
from .headline import place
from .notation import number, with_interval
from .select import device_kind, model_title

# Kinds of figures in words; what is not here is called by its name.
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
# More names than that of the cases a reason holds for would hide the reason.
_MOST_NAMES = 3


@dataclass(frozen=True)
class Line:
    """One line of a cell: a figure or words, and in small letters what belongs to it."""

    text: str
    detail: str = ""
    bad: bool = False


Cell = tuple[Line, ...]


@dataclass(frozen=True)
class Column:
    """One column of a table of the section; `group` stands above all columns of one."""

    group: str
    head: str
    unit: str
    explains: str
    read: Callable[[CaseResult], Cell]
    noisy: bool = False  # whether the case's warnings are about it
    words: bool = False  # text, not figures
    absent: str = ""  # why it is empty, where the record has no words for that,
    called: str = ""  # and what is then said to be missing


@dataclass(frozen=True)
class Missing:
    """Figures that are not there for one reason, and the cases it holds for; no cases: for all of the device."""

    names: tuple[str, ...]
    reason: str
    cases: str = ""


@dataclass(frozen=True)
class Group:
    """One device: its cases, and what is said of all of them at once."""

    title: str
    records: tuple[CaseResult, ...]
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    missing: tuple[Missing, ...]
    cost: str | None


def groups(records: Sequence[CaseResult]) -> tuple[Group, ...]:
    """Each device with the measured cases that tell anything of it; none where no record does."""
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


def columns_of(columns: Sequence[Column], records: Sequence[CaseResult]) -> tuple[Column, ...]:
    """Those in which any of these records has something."""
    return tuple(column for column in columns if any(column.read(record) for record in records))


def _title(record: CaseResult) -> str:
    kind = device_kind(record)
    return place(record) if kind == record.case.device else f"{place(record)} (of the kind {kind})"


def _figures(record: CaseResult) -> tuple[SensorFigure, ...]:
    return record.sensors.figures if record.sensors else ()


def _kind_and_which(name: str) -> tuple[str, str]:
    kind, _, which = name.partition("/")
    return kind, which


def _heat(record: CaseResult, *, of_gpu: bool) -> Cell:
    """The hottest zone of the GPU, or of all else."""
    zones = [
        (figure.during.max, figure)
        for figure in _figures(record)
        if _kind_and_which(figure.name)[0] == "temperature_c"
        and ("gpu" in figure.name.lower()) is of_gpu
        and figure.during
    ]
    if not zones:
        return ()
    highest, zone = max(zones, key=lambda pair: pair[0])
    text = f"up to {number(highest)}" if zone.before is None else f"{number(zone.before)} \u2192 {number(highest)}"
    return (Line(text, _kind_and_which(zone.name)[1]),)


def _clock(name: str) -> Callable[[CaseResult], Cell]:
    def read(record: CaseResult) -> Cell:
        figure = record.sensors.figure(name) if record.sensors else None
        if figure is None or figure.during is None:
            return ()
        low, middle = figure.during.min, figure.during.median
        return (Line(number(middle / 1e9), f"lowest {number(low / 1e9)}" if low < middle else ""),)

    return read


def _power_figure(record: CaseResult) -> SensorFigure | None:
    found = [record.sensors.figure(f"power_w/{which}") for which in ("board", "gpu")] if record.sensors else []
    return next((figure for figure in found if figure and figure.during), None)


def _power(record: CaseResult) -> Cell:
    figure = _power_figure(record)
    if figure is None or figure.during is None:
        return ()
    high, middle = figure.during.max, figure.during.median
    return (Line(number(middle), f"up to {number(high)}" if high > middle else ""),)


def _throttled(record: CaseResult) -> Cell:
    """Each sign; `no` only where something was read that would have shown it."""
    if signs := throttle_signs(record.sensors):
        return tuple(Line(sign, bad=True) for sign in signs)
    if not throttling_would_show(record.sensors):
        return ()
    # A card at its power limit is as it should be under load, and good to know.
    words = [word for figure in _figures(record) for word in figure.words]
    return (Line("no", ", ".join(words)),)


def _metric(name: str) -> Callable[[CaseResult], Cell]:
    def read(record: CaseResult) -> Cell:
        value = record.value(name)
        return () if value is None else (Line(number(value)),)

    return read


def _energy(record: CaseResult) -> Cell:
    value = record.value("energy")
    if value is None or record.energy is None:
        return ()
    fresh = sorted(block.fresh_readings for block in record.energy.busy)
    count = f"{fresh[0]}" if fresh[0] == fresh[-1] else f"{fresh[0]} to {fresh[-1]}"
    return (Line(number(value), f"{count} readings"),)


def _idle_power(record: CaseResult) -> Cell:
    blocks = record.energy.idle if record.energy else ()
    seconds = sum(block.seconds for block in blocks)
    return (Line(number(sum(block.energy_j for block in blocks) / seconds)),) if seconds else ()


_DURING = "while samples were taken"
_ENERGY_GROUP = "a prediction, in a pass of its own"
_HOTTEST = "before the first sample \u2192 highest during the samples, of the hottest zone"

DEVICE_COLUMNS = (
    Column(_DURING, "Heat", "\u00b0C", f"{_HOTTEST} but the GPU's", partial(_heat, of_gpu=False)),
    Column(_DURING, "GPU heat", "\u00b0C", f"{_HOTTEST} of the GPU", partial(_heat, of_gpu=True)),
    Column(_DURING, "CPU clock", "GHz", "median during the samples, and the lowest", _clock("cpu_hz")),
    Column(_DURING, "GPU clock", "GHz", "median during the samples, and the lowest", _clock("gpu_hz")),
    Column(_DURING, "Power", "W", "median during the samples, and the highest", _power),
    Column(_DURING, "Throttled", "", "what says that the device was slowed down", _throttled, words=True),
    Column(
        _ENERGY_GROUP,
        "Energy",
        "mJ",
        "idle part included; readings: how often the sensor's value changed in a block of predictions",
        _energy,
        noisy=True,
    ),
    Column(
        _ENERGY_GROUP,
        "Above idle",
        "mJ",
        "beyond what the device takes in the same time when idle",
        _metric("energy_above_idle"),
        noisy=True,
    ),
    Column(_ENERGY_GROUP, "Idle", "W", "power in the idle blocks between those of predictions", _idle_power),
)


def _wall(record: CaseResult) -> Cell:
    if record.cuda is None or record.timing is None:
        return ()
    found = record.figure("latency")
    return (Line(with_interval(found.value, found.low, found.high, found.processes)),) if found else ()


def _copy(name: str) -> Callable[[CaseResult], Cell]:
    def read(record: CaseResult) -> Cell:
        seconds = getattr(record.cuda, name) if record.cuda else None
        return () if seconds is None else (Line(number(1e3 * seconds)),)

    return read


def _memory(name: str) -> Callable[[CaseResult], Cell]:
    def read(record: CaseResult) -> Cell:
        count = getattr(record.cuda.memory, name) if record.cuda and record.cuda.memory else None
        return () if count is None else (Line(number(count / 1e6)),)

    return read


_CALL, _COPIES, _MEMORY = "a call, ms", "copies, ms, not in the latency", "memory, MB"
_NO_COPIES, _COPYING = "not timed", "copies"
_NO_MEMORY = "the engine's own allocator does not tell"

CUDA_COLUMNS = (
    Column(
        _CALL,
        "Wall clock",
        "",
        "lower median of the processes' medians (its 95 % interval; of fewer than six their range and n)",
        _wall,
        noisy=True,
    ),
    Column(
        _CALL,
        "On the GPU",
        "",
        "median time between two events on its stream; launches from the CPU are not in it",
        _metric("device_time"),
        noisy=True,
        absent="no events were recorded around the calls",
        called="time on the GPU",
    ),
    Column(_COPIES, "To the GPU", "", "one input, median", _copy("to_device_s"), absent=_NO_COPIES, called=_COPYING),
    Column(_COPIES, "Back", "", "one answer, median", _copy("to_host_s"), absent=_NO_COPIES, called=_COPYING),
    Column(
        _MEMORY,
        "Allocated",
        "",
        "peak of live tensors",
        _memory("peak_allocated_bytes"),
        absent=_NO_MEMORY,
        called="allocated memory",
    ),
    Column(
        _MEMORY,
        "Reserved",
        "",
        "what torch took from the device for them",
        _memory("peak_reserved_bytes"),
        absent=_NO_MEMORY,
        called="reserved memory",
    ),
    Column(
        _MEMORY,
        "Less available",
        "",
        "by how much free memory fell where CPU and GPU share it: context and libraries are in it",
        _memory("available_drop_bytes"),
        absent="told only where CPU and GPU share one memory",
        called="the fall of free memory",
    ),
)


def _facts(records: Sequence[CaseResult]) -> tuple[str, ...]:
    """The GPU, its software and its switches; of which cases, where not all agree."""
    told: dict[str, list[CaseResult]] = {}
    for record in records:
        if record.cuda:
            told.setdefault(_gpu_text(record.cuda), []).append(record)
    return tuple(
        text + (f" ({_cases(of)})" if len(told) > 1 or len(of) < len(records) else "") for text, of in told.items()
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
    return f"TF32 {_on(flags.cudnn_tf32)} in convolutions, {_on(flags.matmul_tf32)} in products"


def _notes(records: Sequence[CaseResult]) -> tuple[str, ...]:
    """What a reader should know of the figures shown: what a clock is the mean of, what power and energy are of."""
    notes: dict[str, None] = {}
    for record in records:
        clocks = [f for f in _figures(record) if f.during and f.name in ("cpu_hz", "gpu_hz")]
        power = _power_figure(record)
        for figure in (*clocks, *([power] if power else [])):
            if figure.note:
                notes[f"{_sentence(FIGURES[_kind_and_which(figure.name)[0]])}: {figure.note}"] = None
        if record.energy and record.energy.busy:
            notes[f"Energy: {record.energy.quantity or 'of what is not told'} ({record.energy.source})"] = None
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
        yield _SENSORS, "nobody looked"
    elif record.sensors.reason:
        yield _SENSORS, record.sensors.reason
    silent = {f.name: f.reason or "not read around the samples" for f in _figures(record) if not _has_value(f)}
    yield from silent.items()
    if record.energy is None:
        yield _ENERGY, "not asked for"
    elif record.energy.reason:
        yield from ((_ENERGY, why) for why in _reasons(record.energy.reason, silent))
    if record.cuda:
        empty = [column for column in CUDA_COLUMNS if column.absent and not column.read(record)]
        yield from ((column.called, column.absent) for column in empty)


def _reasons(energy: str, silent: Mapping[str, str]) -> list[str]:
    """Why there is no energy, in the words of the figures that it could be taken from, if it is all of them."""
    told = {f"{name}: {why}": why for name, why in silent.items() if f"{name}: {why}" in energy}
    rest = energy
    for text in told:
        rest = rest.replace(text, "")
    return [energy] if rest.strip("; ") else list(told.values())


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
