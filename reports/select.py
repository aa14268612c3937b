"""Which records a report shows, and which of them belong together. Pure functions of records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..bench.record.case import Case
from ..bench.record.record import COMPARABLE_FACTS, Record, fact
from ..bench.stats.case_result import CaseResult

# Precisions as people write them; others are shown as they are.
PRECISION_TITLES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


# What one prediction is made from, in the order of the table; a network of a form that is not here comes last.
FORM_TITLES = {"clip": "clip by clip", "frame": "frame by frame", "input": "input by input"}


def forms(records: Iterable[CaseResult]) -> tuple[str, ...]:
    """The forms of these networks, in the order of the table."""
    present = {record.model.form for record in records if record.model}
    return tuple(form for form in FORM_TITLES if form in present)


def model_title(record: CaseResult | Record) -> str:
    """The network's name as people write it; the plain name where its facts are unknown."""
    return record.model.title if record.model else record.case.model


def source_of(record: Record) -> str:
    """The store or bundle that it is of; empty where only one is shown."""
    return record.case.source


def with_source(text: str, record: CaseResult | Record) -> str:
    """What stands for a record outside of a table with a column of sources; of several sources it says which:
    `a.zip: X3D-M`."""
    return f"{record.case.source}: {text}" if record.case.source else text


def newest_cameras(records: Iterable[Record]) -> tuple[Record, ...]:
    """Of each case in front of a camera the newest record, in the order in which the cases first appeared."""
    return tuple({record.key: record for record in records if record.kind == "camera"}.values())


def newest_evaluations(records: Iterable[Record]) -> tuple[Record, ...]:
    """Of each case whose accuracy was measured the newest record of each checkpoint, in the order in which they first
    appeared: another checkpoint is no newer figure, but another one."""
    found = (record for record in records if record.kind == "accuracy")
    return tuple({(record.key, record.model.weights if record.model else None): record for record in found}.values())


def newest_transients(records: Iterable[Record]) -> tuple[Record, ...]:
    """Of each case whose frames since a start were measured the newest record of each checkpoint, likewise."""
    found = (record for record in records if record.kind == "transient")
    return tuple({(record.key, record.model.weights if record.model else None): record for record in found}.values())


def device_kind(record: CaseResult) -> str:
    """The profile that a record's device extends; its name where that was not recorded."""
    return record.device_kind or record.case.device


SEPARATOR = " · "


@dataclass(frozen=True)
class Setting:
    """Everything of a case but the network. Only records of one setting stand in one plot."""

    device: str
    backend: str
    precision: str
    batch: int
    threads: int
    input: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Each part for people, always as many and in the same order."""
        precision = PRECISION_TITLES.get(self.precision, self.precision)
        threads = f"{self.threads} thread{'s' if self.threads != 1 else ''}"
        return self.device, self.backend, precision, f"batch {self.batch}", threads, self.input

    @property
    def title(self) -> str:
        """For people: `cpu · eager · float32 · batch 1 · 2 threads · random-0`."""
        return SEPARATOR.join(self.parts)


def short_titles(settings: Iterable[Setting]) -> dict[Setting, str]:
    """The parts in which these settings differ; of a single one, its whole title."""
    found = tuple(dict.fromkeys(settings))
    if len(found) == 1:
        return {found[0]: found[0].title}
    columns = list(zip(*(setting.parts for setting in found), strict=True))
    differing = [index for index, values in enumerate(columns) if len(set(values)) > 1]
    return {setting: SEPARATOR.join(setting.parts[index] for index in differing) for setting in found}


def setting_of(case: Case) -> Setting:
    """The setting in which a case was measured."""
    return Setting(case.machine, case.backend, case.precision, case.batch, case.threads, case.input)


def by_setting(records: Iterable[CaseResult]) -> dict[Setting, tuple[CaseResult, ...]]:
    """The records of each setting, settings in the order of their first record."""
    groups: dict[Setting, list[CaseResult]] = {}
    for record in records:
        groups.setdefault(setting_of(record.case), []).append(record)
    return {setting: tuple(group) for setting, group in groups.items()}


@dataclass(frozen=True)
class Pair:
    """Two networks of one setting of which the second was made from the first."""

    kind: Literal["counterpart", "longer-pool"]
    origin: CaseResult
    result: CaseResult


def pairs(records: Sequence[CaseResult]) -> tuple[Pair, ...]:
    """Clip network -> its frame version, and native pool -> longer pool, never across settings.

    A frame network with a longer pool has both relations; its arrow comes from the native pool if that was
    measured, else from the clip network, so that no plot shows two arrows for one step.
    """
    present = {(setting_of(r.case), r.case.model): r for r in records}
    found = []
    for record in records:
        if record.model is None:
            continue
        setting = setting_of(record.case)
        native = present.get((setting, record.model.extends)) if record.model.extends else None
        clip = present.get((setting, record.model.counterpart)) if record.model.counterpart else None
        if native is not None:
            found.append(Pair("longer-pool", native, record))
        elif clip is not None:
            found.append(Pair("counterpart", clip, record))
    return tuple(found)


def clip_counterparts(records: Sequence[CaseResult]) -> tuple[Pair, ...]:
    """Every frame network with the clip network it came from, longer pools included, by whatever engine each is here.

    For records that hold each network once under the same circumstances."""
    present = {(_but_the_engine(r), r.case.model): r for r in records}
    found = []
    for record in records:
        name = record.model.counterpart if record.model else None
        clip = present.get((_but_the_engine(record), name)) if name else None
        if clip is not None:
            found.append(Pair("counterpart", clip, record))
    return tuple(found)


def _but_the_engine(record: CaseResult) -> Setting:
    return replace(setting_of(record.case), backend="")


def differing_facts(records: Iterable[Record] | Iterable[CaseResult]) -> tuple[str, ...]:
    """The facts that must agree before records may be compared, and do not agree in these."""
    flat = [r for each in records for r in (each.records if isinstance(each, CaseResult) else (each,))]
    known = [record for record in flat if record.environment is not None]
    return tuple(name for name in COMPARABLE_FACTS if len({repr(fact(record, name)) for record in known}) > 1)
