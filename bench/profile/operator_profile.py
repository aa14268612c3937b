"""Where the time of one prediction goes, operator by operator: the format, what is derived from it, and its file.

Profiles lie beside the records, in `profiles.jsonl`, a line of JSON each. Times are kept as they were traced;
`rows` subtracts the cost of tracing.

History of the format (`schema_version`):
    1  2026-11  first public form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..errors import ENVIRONMENT, UserError
from ..record.case import Case, Count, Duration, Frozen, Latency, Moment, Number, Ordinal, Rate
from ..record.plain import cleaned
from ..record.record import Engine, Environment, ModelFacts
from ..record.sources import source_names
from ..record.store import append_line, each_line, parse_object, records_file

SCHEMA_VERSION = 1
FILE_NAME = "profiles.jsonl"

Bound = Literal["compute", "memory", "calls"]


class Ceilings(Frozen):
    """Peak rates of the machine, measured with the case's threads."""

    gemm_macs_per_s: Rate = Field(description="of a large float32 matrix product, by the faster of two libraries")
    copy_bytes_per_s: Rate = Field(description="bytes read and written by a copy far larger than the caches")
    call_s: Latency = Field(description="the smallest operator, called from Python: one element added to one")
    event_s: Duration = Field(description="cost of recording one event while tracing")
    threads: Ordinal


class Operator(Frozen):
    """One operator on one set of shapes. All but `macs` and `moved_bytes` are for one step, of all its calls."""

    name: str = Field(description="as the engine calls it")
    kind: str = Field(description="name for people, e.g. depthwise convolution 3 x 3")
    shapes: tuple[tuple[Count, ...], ...] = Field(description="of its input tensors")
    calls: Number
    traced_s: Duration = Field(description="as traced, the median over the steps")
    events: Number = Field(description="events recorded inside, whose cost is in traced_s")
    macs: Count | None = Field(description="multiply-accumulates of one call; None without a rule")
    moved_bytes: Count | None = Field(description="read and written at least by one call; None without a rule")


class Profile(Frozen):
    """One traced case. `step_s` was measured without tracing."""

    schema_version: int = SCHEMA_VERSION
    started_at: Moment = Field(description="ISO 8601, UTC")
    case: Case
    model: ModelFacts
    environment: Environment
    engine: Engine
    ceilings: Ceilings
    steps: Ordinal = Field(description="traced steps")
    step_s: Latency = Field(description="median time of one step without tracing")
    step_mad_s: Duration = Field(default=0.0, description="median absolute deviation of these")
    traced_step_s: Latency = Field(description="median time of one step while it was traced")
    events: Number = Field(description="events recorded in one step")
    operators: tuple[Operator, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One operator, or several of one kind, in one step, with derived figures; None where no rule gives the work."""

    kind: str
    names: tuple[str, ...]  # as the engine calls them
    shapes: tuple[tuple[int, ...], ...]
    calls: float
    time_s: float
    share: float  # of the step
    macs: float | None
    moved_bytes: float | None
    macs_per_s: float | None
    bytes_per_s: float | None
    gemm_share: float | None  # of the machine's matrix product
    copy_share: float | None  # of the machine's copy; more than 1 where feature maps stay in a cache
    intensity: float | None  # multiply-accumulates a byte
    bound: Bound | None
    least_s: float | None  # the least time that this bound allows


def rows(profile: Profile) -> tuple[Row, ...]:
    """Every operator on every set of shapes, the most expensive first."""
    return _sorted(_row(profile, o.shapes, [o]) for o in profile.operators)


def rows_by_kind(profile: Profile) -> tuple[Row, ...]:
    """Operators of one kind together, the most expensive first."""
    kinds: dict[str, list[Operator]] = {}
    for operator in profile.operators:
        kinds.setdefault(operator.kind, []).append(operator)
    return _sorted(_row(profile, (), found) for found in kinds.values())


def between_s(profile: Profile) -> float:
    """The rest of a step: Python and the dispatch of calls."""
    return max(0.0, profile.step_s - sum(row.time_s for row in rows(profile)))


def _sorted(found: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(found, key=lambda row: -row.time_s))


def _row(profile: Profile, shapes: tuple[tuple[int, ...], ...], operators: Sequence[Operator]) -> Row:
    ceilings = profile.ceilings
    time_s = sum(max(0.0, o.traced_s - ceilings.event_s * o.events) for o in operators)
    calls = sum(o.calls for o in operators)
    macs = _sum([None if o.macs is None else o.calls * o.macs for o in operators])
    moved = _sum([None if o.moved_bytes is None else o.calls * o.moved_bytes for o in operators])
    macs_per_s, bytes_per_s = _per(macs, time_s), _per(moved, time_s)
    bound, least_s = bound_of(ceilings, calls, macs, moved)
    return Row(
        kind=operators[0].kind,
        names=tuple(dict.fromkeys(o.name for o in operators)),
        shapes=shapes,
        calls=calls,
        time_s=time_s,
        share=time_s / profile.step_s,
        macs=macs,
        moved_bytes=moved,
        macs_per_s=macs_per_s,
        bytes_per_s=bytes_per_s,
        gemm_share=_per(macs_per_s, ceilings.gemm_macs_per_s),
        copy_share=_per(bytes_per_s, ceilings.copy_bytes_per_s),
        intensity=_per(macs, moved or 0.0),
        bound=bound,
        least_s=least_s,
    )


def bound_of(
    ceilings: Ceilings, calls: float, macs: float | None, moved: float | None
) -> tuple[Bound | None, float | None]:
    """The part that takes longest at its peak rate, and its time."""
    if macs is None or moved is None:
        return None, None
    least: dict[Bound, float] = {
        "compute": macs / ceilings.gemm_macs_per_s,
        "memory": moved / ceilings.copy_bytes_per_s,
        "calls": calls * ceilings.call_s,
    }
    bound = max(least, key=least.__getitem__)
    return bound, least[bound]


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _per(value: float | None, by: float) -> float | None:
    return None if value is None or by <= 0 else value / by


def profiles_file(path: str | Path) -> Path:
    """The file of the profiles of a store: beside its records."""
    return records_file(path).with_name(FILE_NAME)


def append_profile(path: str | Path, profile: Profile) -> None:
    """Write one profile durably. Raises UserError if the disk does not take it."""
    append_line(profiles_file(path), profile.model_dump_json())


def read_profiles(path: str | Path) -> tuple[Profile, ...]:
    """The newest profile of each case of a store, in the order in which the cases first appear; none is no error.

    A line that is no profile is skipped with a StoreWarning.
    Raises UserError for a file that cannot be read or has profiles of a newer co3d-bench.
    """
    file = profiles_file(path)
    try:
        return tuple({profile.case.key: profile for profile in each_line(file, parse_profile)}.values())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}", ENVIRONMENT) from error


def read_profiles_of(stores: Sequence[Path]) -> tuple[Profile, ...]:
    """Those of several stores, each with its source as records have theirs (`bench/record/sources.py`)."""
    if len(stores) == 1:
        return read_profiles(stores[0])
    named = zip(source_names(stores), map(read_profiles, stores), strict=True)
    return tuple(
        profile.model_copy(update={"case": profile.case.of_source(name)}) for name, found in named for profile in found
    )


def parse_profile(line: bytes) -> Profile:
    """One line as a profile. Raises ValueError if it is none, UserError for one of a newer co3d-bench."""
    raw = parse_object(line)
    version = raw.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UserError("written by a newer co3d-bench; update co3d-bench, or remove the file", ENVIRONMENT)
    return Profile.model_validate_json(json.dumps(cleaned(raw)))
