"""Engines and precisions beside each other: which cases may be compared, and which one represents a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..bench.record.record import REFERENCE, Engine
from ..bench.stats.case_result import CaseResult
from .select import (
    FORM_TITLES,
    PRECISION_TITLES,
    SEPARATOR,
    Setting,
    by_setting,
    differing_facts,
    model_title,
    setting_of,
)

# Settings that have plots of their own.
MOST_PLOTTED = 6


@dataclass(frozen=True)
class EngineGroup:
    """One network under one setting but for engine and precision: the cases that may be compared, fastest first."""

    title: str
    form: str
    setting: str  # what differs from other groups of the same network; empty if there are none
    cases: tuple[CaseResult, ...]


def several_engines(records: Iterable[CaseResult]) -> bool:
    """Whether there is anything to compare."""
    return len({(record.case.backend, record.case.precision) for record in records}) > 1


def groups(cases: Sequence[CaseResult]) -> tuple[EngineGroup, ...]:
    """These cases network by network, clip networks first; empty for a single engine."""
    if not several_engines(cases):
        return ()
    together: dict[tuple[str, ...], list[CaseResult]] = {}
    for case in cases:
        together.setdefault(_comparable(case), []).append(case)
    several = {model for model, *_ in together if sum(other[0] == model for other in together) > 1}
    differing = [len(set(values)) > 1 for values in zip(*(key[1:] for key in together), strict=True)]
    found = []
    for (model, *circumstances), members in together.items():
        parts = [text for text, differs in zip(circumstances, differing, strict=True) if differs]
        form = next((case.model.form for case in members if case.model), "")
        setting = SEPARATOR.join(parts) if model in several else ""
        found.append(EngineGroup(model_title(members[0]), form, setting, tuple(sorted(members, key=_fastest_first))))
    order = list(FORM_TITLES)
    return tuple(sorted(found, key=lambda group: order.index(group.form) if group.form in order else len(order)))


def speeds(records: Sequence[CaseResult]) -> dict[str, float]:
    """By key: how many times as fast as eager fp32, of records of one network and the same circumstances."""
    references = _references(records)
    found = {}
    for record in records:
        origin = references.get(_comparable(record))
        if origin and _seconds(record) and not differing_facts((origin, record)):
            found[record.key] = _seconds(origin) / _seconds(record)
    return found


@dataclass(frozen=True)
class Gain:
    """What an engine gains over eager fp32."""

    record: CaseResult
    reference: CaseResult
    speed: float

    @property
    def warned(self) -> bool:
        """Whether either of the two carries a warning."""
        return bool(self.record.warnings or self.reference.warnings)


def best_gain(records: Sequence[CaseResult]) -> Gain | None:
    """The largest gain over eager fp32; one without a warning if there is one."""
    references, found = _references(records), speeds(records)
    gains = [
        Gain(record, references[_comparable(record)], found[record.key])
        for record in records
        if record.key in found and not is_reference(record)
    ]
    return max(gains, key=lambda gain: (not gain.warned, gain.speed), default=None)


def weight(setting: Setting, records: Sequence[CaseResult]) -> tuple[int, bool, float]:
    """How well a setting represents those that differ only in engine and precision: the larger, the better.

    Most measured networks first; then float32, in which accuracies were published; then speed, each network a factor.
    """
    measured = [seconds for record in records if (seconds := _seconds(record))]
    return len(measured), setting.precision == REFERENCE[1], -math.fsum(math.log(seconds) for seconds in measured)


def best_by_network(records: Sequence[CaseResult]) -> tuple[CaseResult, ...]:
    """Of each network the fastest engine, under the circumstances and in the precision that cover most networks.

    Never across precisions: the accuracies beside the figures were published for one of them.
    """
    alike: dict[tuple[str, ...], list[CaseResult]] = {}
    for record in records:
        if _seconds(record):
            alike.setdefault((*_circumstances(record), record.case.precision), []).append(record)
    if not alike:
        return ()
    groups = [_fastest_of_each(group) for group in alike.values()]
    return max(groups, key=lambda group: weight(setting_of(group[0].case), group))


def _fastest_of_each(records: Sequence[CaseResult]) -> tuple[CaseResult, ...]:
    found: dict[str, CaseResult] = {}
    for record in records:
        known = found.get(record.case.model)
        if known is None or _seconds(record) < _seconds(known):
            found[record.case.model] = record
    return tuple(found.values())


def plotted(records: Sequence[CaseResult]) -> dict[Setting, tuple[CaseResult, ...]]:
    """The settings worth a plot: of those that differ in engine and precision alone, eager fp32 and the best.

    At most `MOST_PLOTTED`, those with the most networks first.
    """
    found = by_setting(records)
    alike: dict[tuple[str, ...], list[Setting]] = {}
    for setting, members in found.items():
        alike.setdefault(_circumstances(members[0]), []).append(setting)
    kept = {max(settings, key=lambda setting: weight(setting, found[setting])) for settings in alike.values()}
    worth = [s for s in found if s in kept or (s.backend, s.precision) == REFERENCE]
    most = set(sorted(worth, key=lambda setting: -len(found[setting]))[:MOST_PLOTTED])
    return {setting: found[setting] for setting in worth if setting in most}


def worth_most(records: Sequence[CaseResult], most: int) -> tuple[CaseResult, ...]:
    """At most so many of these, in their order: of very many, those of the settings that have plots come first."""
    if len(records) <= most:
        return tuple(records)
    settings = set(plotted(records))
    first = sorted(range(len(records)), key=lambda index: setting_of(records[index].case) not in settings)
    return tuple(records[index] for index in sorted(first[:most]))


def engine_text(engine: Engine) -> str:
    """An engine as it describes itself: name, version, provider, threads."""
    threads = None if engine.threads is None else f"{engine.threads} thread{'s' if engine.threads != 1 else ''}"
    return ", ".join(part for part in (f"{engine.name} {engine.version}", engine.provider, threads) if part)


def precision_title(precision: str) -> str:
    """For people: float32."""
    return PRECISION_TITLES.get(precision, precision)


def is_reference(record: CaseResult) -> bool:
    """Whether it is the reference of all others: eager float32."""
    return (record.case.backend, record.case.precision) == REFERENCE


def _circumstances(record: CaseResult) -> tuple[str, ...]:
    """What must be equal, beside the network, for two engines to be compared; for people."""
    device, _, _, batch, threads, source = setting_of(record.case).parts
    return device, batch, threads, source


def _comparable(record: CaseResult) -> tuple[str, ...]:
    return record.case.model, *_circumstances(record)


def _references(records: Iterable[CaseResult]) -> Mapping[tuple[str, ...], CaseResult]:
    return {_comparable(record): record for record in records if is_reference(record) and _seconds(record)}


def _seconds(record: CaseResult) -> float:
    """The latency of the case; 0 where there is none."""
    return record.value("latency_s") or 0.0


def _fastest_first(case: CaseResult) -> tuple[bool, float]:
    return not _seconds(case), _seconds(case)
