"""Several stores or bundles read as one: each record comes with its source, and what two sources hold counts once."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from .garbage import paused_collector
from .plain import plain
from .record import Record
from .store import StoreWarning, each_record, read_records

# What a reader takes: a store (folder, .jsonl file or bundle), or several.
Stores = str | Path | Sequence[str | Path]


def stores_of(stores: Stores) -> tuple[Path, ...]:
    """Each store once, in the order in which they were named."""
    named = (stores,) if isinstance(stores, str | Path) else stores
    return tuple({Path(each).absolute(): Path(each) for each in named}.values())


def each_record_of(stores: Stores) -> Iterator[Record]:
    """Every record of these, source after source. Raises what `each_record` raises.

    Of one store they are its records. Of several each has its source, which makes its case another than that of any
    other source: nothing is ever computed from records of two. A run of a case that is in another source whole counts
    there alone; of two equal ones, in that which was named first.
    """
    paths = stores_of(stores)
    if len(paths) == 1:
        yield from each_record(paths[0])
        return
    named = _once(dict(zip(source_names(paths), map(read_records, paths), strict=True)))
    several = sum(map(bool, named.values())) > 1
    for name, records in named.items():
        yield from (record.of_source(name) if several else record for record in records)


def read_sources(stores: Stores) -> list[Record]:
    """These records at once."""
    with paused_collector():
        return list(each_record_of(stores))


def source_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """What people call these: the ends of their paths, as long as it takes to tell them apart."""
    parts = [path.absolute().parts for path in paths]
    for count in range(1, max(map(len, parts)) + 1):
        names = tuple(plain("/".join(each[-count:])) for each in parts)
        if len(set(names)) == len(names):
            return names
    return tuple(f"{number}" for number, _ in enumerate(paths, 1))


def _once(named: dict[str, list[Record]]) -> dict[str, list[Record]]:
    """Without the runs of cases of which another source has every record."""
    runs: dict[tuple[str, str], dict[str, frozenset[bytes]]] = {}
    for name, records in named.items():
        found: dict[tuple[str, str], set[bytes]] = {}
        for record in records:
            found.setdefault((record.run_id, record.key), set()).add(_content(record))
        for run, contents in found.items():
            runs.setdefault(run, {})[name] = frozenset(contents)
    kept = {name: [r for r in records if _counts(runs[r.run_id, r.key], name)] for name, records in named.items()}
    for name, records in kept.items():
        if named[name] and not records:
            warnings.warn(f"{name}: all of its records are in another source too, and shown there", StoreWarning, 2)
    return kept


def _content(record: Record) -> bytes:
    return hashlib.sha256(record.model_dump_json().encode()).digest()


def _counts(held: dict[str, frozenset[bytes]], name: str) -> bool:
    """Whether a run counts for that source; `held`: what each source has of it, in their order."""
    own, order = held[name], list(held)
    return not any(
        own < other or (own == other and order.index(source) < order.index(name))
        for source, other in held.items()
        if source != name
    )
