"""Engines and precisions beside each other: for each network, how it ran by each of them. Records in, rows out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..bench.metrics import get_metric
from ..bench.record import REFERENCE, Engine, Record
from ..bench.stats import at_usual_pace, doubts, median_absolute_deviation, median_latency_s
from .select import (
    FORM_TITLES,
    PRECISION_TITLES,
    SEPARATOR,
    Setting,
    by_setting,
    differing_facts,
    latest,
    model_title,
    setting_of,
)

# Settings that have plots of their own.
MOST_PLOTTED = 6


@dataclass(frozen=True)
class EngineRow:
    """One network by one engine in one precision. A wrong or failed one has no figure of speed."""

    key: str
    model: str
    title: str  # engine and precision, as people write them
    detail: str  # version, provider and threads, as the engine tells them
    is_reference: bool
    latency_ms: float | None = None
    latency_mad_ms: float | None = None
    speed: float | None = None  # times as fast as eager fp32, by median latency
    prepare_s: float | None = None
    first_prediction_s: float | None = None
    artefact_bytes: int | None = None
    peak_rss_bytes: int | None = None
    difference: float | None = None  # of the answers from eager fp32, max|a - b| / max|b|
    relative_l2: float | None = None
    top1_agreement: float | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    error: str | None = None
    wrong: bool = False


@dataclass(frozen=True)
class EngineGroup:
    """One network under one setting but for engine and precision: the rows that may be compared, fastest first."""

    model: str
    title: str
    form: str
    setting: str  # what tells it from other groups of the same network; empty if there are none
    rows: tuple[EngineRow, ...]


def several_engines(records: Iterable[Record]) -> bool:
    """Whether there is anything to compare."""
    return len({(record.case.backend, record.case.precision) for record in records}) > 1


def groups(records: Sequence[Record]) -> tuple[EngineGroup, ...]:
    """The latest record of each case, network by network, clip networks first; empty for a single engine."""
    chosen = latest(records)
    if not several_engines(chosen):
        return ()
    together: dict[tuple[str, ...], list[Record]] = {}
    for record in chosen:
        together.setdefault((record.case.model, *_circumstances(record)), []).append(record)
    ratios = speeds(chosen)
    several = {model for model, *_ in together if sum(other[0] == model for other in together) > 1}
    # What never differs need not be said.
    differing = [len(set(values)) > 1 for values in zip(*(place[1:] for place in together), strict=True)]
    found = []
    for (model, *circumstances), members in together.items():
        rows = sorted((_row(record, ratios) for record in members), key=_fastest_first)
        told = [text for text, differs in zip(circumstances, differing, strict=True) if differs]
        form = next((record.model.form for record in members if record.model), "")
        setting = SEPARATOR.join(told) if model in several else ""
        found.append(EngineGroup(model, model_title(members[0]), form, setting, tuple(rows)))
    order = list(FORM_TITLES)
    return tuple(sorted(found, key=lambda group: order.index(group.form) if group.form in order else len(order)))


def speeds(records: Sequence[Record]) -> dict[str, float]:
    """By key: how many times as fast as eager fp32, of records of one network and the same circumstances."""
    references = _references(records)
    found = {}
    for record in records:
        origin = references.get(_place(record))
        if origin and _seconds(record) and not differing_facts((origin, record)):
            found[record.key] = _seconds(origin) / _seconds(record)
    return found


def best_gain(records: Sequence[Record]) -> tuple[Record, float] | None:
    """The record that gains most over eager fp32, and how much; one without doubts if there is one."""
    found = speeds(records)
    references = _references(records)
    ranked = [
        (not (doubts(record) or doubts(references[_place(record)])), found[record.key], record)
        for record in records
        if record.key in found and not _is_reference(record)
    ]
    if not ranked:
        return None
    _, speed, record = max(ranked, key=lambda item: item[:2])
    return record, speed


def weight(setting: Setting, records: Sequence[Record]) -> tuple[int, bool, float]:
    """By what one setting speaks for those that differ in engine and precision: the larger, the better.

    Most measured networks first; then float32, in which accuracies were published; then speed, each network a factor.
    """
    measured = [seconds for record in records if (seconds := _seconds(record))]
    return len(measured), setting.precision == REFERENCE[1], -math.fsum(math.log(seconds) for seconds in measured)


def plotted(records: Sequence[Record]) -> dict[Setting, tuple[Record, ...]]:
    """The settings worth a plot: of those that differ in engine and precision alone, eager fp32 and the best.

    At most `MOST_PLOTTED`, those with the most networks first: nobody reads more plots than that.
    """
    found = by_setting(records)
    alike: dict[tuple[str, ...], list[Setting]] = {}
    for setting, members in found.items():
        alike.setdefault(_circumstances(members[0]), []).append(setting)
    kept = {max(settings, key=lambda setting: weight(setting, found[setting])) for settings in alike.values()}
    worth = [s for s in found if s in kept or (s.backend, s.precision) == REFERENCE]
    most = set(sorted(worth, key=lambda setting: -len(found[setting]))[:MOST_PLOTTED])
    return {setting: found[setting] for setting in worth if setting in most}


def worth_most(records: Sequence[Record], most: int) -> tuple[Record, ...]:
    """At most so many of these, in their order: of very many, those of the settings that have plots come first."""
    if len(records) <= most:
        return tuple(records)
    settings = set(plotted(records))
    first = sorted(range(len(records)), key=lambda place: setting_of(records[place].case) not in settings)
    return tuple(records[place] for place in sorted(first[:most]))


def engine_text(engine: Engine) -> str:
    """An engine as it describes itself: name, version, provider, threads."""
    threads = None if engine.threads is None else f"{engine.threads} thread{'s' if engine.threads != 1 else ''}"
    return ", ".join(part for part in (f"{engine.name} {engine.version}", engine.provider, threads) if part)


def precision_title(precision: str) -> str:
    """For people: float32."""
    return PRECISION_TITLES.get(precision, precision)


def _is_reference(record: Record) -> bool:
    return (record.case.backend, record.case.precision) == REFERENCE


def _circumstances(record: Record) -> tuple[str, ...]:
    """What must be equal, beside the network, for two engines to be compared; for people."""
    device, _, _, batch, threads, source = setting_of(record.case).parts
    return device, batch, threads, source


def _place(record: Record) -> tuple[str, ...]:
    return record.case.model, *_circumstances(record)


def _references(records: Iterable[Record]) -> Mapping[tuple[str, ...], Record]:
    return {_place(record): record for record in records if _is_reference(record) and _seconds(record)}


def _seconds(record: Record) -> float:
    """The median latency; 0 where there is none."""
    return median_latency_s(record.timing.samples) if record.ok and record.timing else 0.0


def _row(record: Record, ratios: Mapping[str, float]) -> EngineRow:
    engine, check = record.engine, record.verification
    row = EngineRow(
        key=record.key,
        model=record.case.model,
        title=SEPARATOR.join((record.case.backend, precision_title(record.case.precision))),
        detail=engine_text(engine) if engine else "",
        is_reference=_is_reference(record),
        artefact_bytes=engine.artefact_bytes if engine else None,
        # The reference is held to its own definition; the others are compared with it.
        difference=check.relative_error if check and not _is_reference(record) else None,
        relative_l2=check.relative_l2 if check else None,
        top1_agreement=check.top1_agreement if check else None,
        notes=(*(engine.notes if engine else ()), *record.notes),
    )
    if record.error is not None:
        error = f"{record.error.kind}: {record.error.message}"
        return replace(row, error=error, wrong=record.error.kind == "wrong-answer")
    if record.timing is None:
        return row
    latencies = at_usual_pace(record.timing.samples)
    return replace(
        row,
        latency_ms=get_metric("latency").value(record),
        latency_mad_ms=1e3 * median_absolute_deviation(latencies),
        speed=ratios.get(record.key),
        prepare_s=record.timing.prepare_s,
        first_prediction_s=record.timing.first_prediction_s,
        peak_rss_bytes=record.peak_rss_bytes,
        doubts=doubts(record),
    )


def _fastest_first(row: EngineRow) -> tuple[bool, float]:
    return row.latency_ms is None, row.latency_ms or 0.0
