"""What goes into a bundle: each member is a function of the records of the store, so that anybody can make it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, TypeVar
from zipfile import LargeZipFile

from ... import __version__
from ...bench.errors import ENVIRONMENT, NOTHING, UserError
from ...bench.profile.operator_profile import Profile, parse_profile, profiles_file
from ...bench.record import archive
from ...bench.record.blobs import blobs_folder, read_blob
from ...bench.record.environment import installed_version
from ...bench.record.record import KINDS, Environment, Record
from ...bench.record.store import each_line, parse_record, records_file
from ...bench.stats.case_result import case_results
from ..commands import Content, page_of_content, write_whole
from ..downloads import csv_lines
from .blobs import blob_names
from .private import private_texts
from .repeat import repeat_commands

T = TypeVar("T")

# Beside our own code what the bytes of a page depend on: the plots' script, and what finds changes of level.
_PAGE_LIBRARIES = ("vl-convert-python", "ruptures")
_REPEAT = """\
# What was measured here, measured again. Films, weights, data and own networks are called by their names: give their
# paths where they are not in the current folder. A device that is no built-in one needs its lines in bench.toml.
"""


@dataclass(frozen=True)
class Contents:
    """A store, read for a bundle: each line as it stands there, and what it is."""

    store: Path
    records: tuple[tuple[bytes, Record], ...]
    profiles: tuple[tuple[bytes, Profile], ...]

    @property
    def blobs(self) -> tuple[str, ...]:
        """Names of the blobs of these records, sorted."""
        return tuple(sorted({name for _, record in self.records for name in blob_names(record)}))

    @property
    def named(self) -> Iterator[tuple[str, Record | Profile]]:
        """Every record and profile with the key of its case."""
        yield from ((record.key, record) for _, record in self.records)
        yield from ((f"{profile.case.key}, profiled", profile) for _, profile in self.profiles)


def read_contents(store: Path) -> Contents:
    """A store as it is bundled. A line that is no record is no part of it, and a StoreWarning. Raises UserError where
    there are no records or they cannot be read."""
    file = records_file(store)
    try:
        records = tuple(_lines(file, parse_record))
    except (FileNotFoundError, NotADirectoryError):
        records = ()
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}", ENVIRONMENT) from error
    if not records:
        raise UserError(f"{store}: holds no records; measure first with `co3d-bench run --out {store}`", NOTHING)
    try:
        profiles = tuple(_lines(profiles_file(store), parse_profile))
    except (FileNotFoundError, NotADirectoryError):
        profiles = ()
    except OSError as error:
        raise UserError(f"cannot read {profiles_file(store)}: {error.strerror}", ENVIRONMENT) from error
    return Contents(store, records, profiles)


def _lines(file: Path, parse: Callable[[bytes], T]) -> Iterator[tuple[bytes, T]]:
    return each_line(file, lambda line: (line.rstrip(b"\r\n") + b"\n", parse(line)))


def made_with() -> dict[str, str]:
    """The versions that the bytes of a bundle depend on."""
    return {"co3d_bench": __version__} | {name: installed_version(name) or "not installed" for name in _PAGE_LIBRARIES}


def texts_of(contents: Contents) -> dict[str, bytes]:
    """Every member but blobs and manifest, by name."""
    records = [record for _, record in contents.records]
    profiles = tuple({profile.case.key: profile for _, profile in contents.profiles}.values())
    found = {
        archive.RECORDS: b"".join(line for line, _ in contents.records),
        archive.FIGURES: "".join(csv_lines(case_results(records, KINDS)).values()).encode(),
        archive.PAGE: page_of_content(Content(records, profiles, (contents.store,))),
        archive.ENVIRONMENTS: _environments(records),
        archive.COMMANDS: "\n".join((_REPEAT.strip(), *repeat_commands(records), "")).encode(),
    }
    return found | ({archive.PROFILES: b"".join(line for line, _ in contents.profiles)} if contents.profiles else {})


def _environments(records: Sequence[Record]) -> bytes:
    """Each machine with its settings and versions, and the cases that were measured there."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        if record.environment is None:
            continue
        facts = _lasting(record.environment)
        engine = record.engine.model_dump(include={"name", "version", "provider", "threads"}) if record.engine else None
        entry = found.setdefault(json.dumps(facts, sort_keys=True), {"environment": facts, "engines": [], "cases": []})
        entry["engines"] += [engine] if engine and engine not in entry["engines"] else []
        entry["cases"] += [record.key] if record.key not in entry["cases"] else []
    return (json.dumps(list(found.values()), indent=1, ensure_ascii=False) + "\n").encode()


def _lasting(environment: Environment) -> dict[str, Any]:
    """Without how busy the moment was, which each record has."""
    return environment.model_dump(mode="json", exclude={"process": {"load_average_1min", "frequency_hz"}})


def write_members(file: IO[bytes], contents: Contents) -> None:
    """Pack the bundle of a store. Raises UserError where a blob is missing or damaged, or all of it is too large."""
    texts = texts_of(contents)
    blobs = [f"{archive.BLOBS}{name}" for name in contents.blobs]
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in texts.items()}
    hashes |= {name: name.removeprefix(archive.BLOBS) for name in blobs}
    texts[archive.MANIFEST] = archive.manifest_text(hashes, made_with())
    folder = blobs_folder(contents.store)

    def data_of(name: str) -> bytes:
        return texts[name] if name in texts else read_blob(folder, name.removeprefix(archive.BLOBS))

    try:
        archive.write_archive(file, ((name, data_of(name)) for name in sorted((*texts, *blobs))))
    except LargeZipFile as error:
        most = "2 GiB in one member, 4 GiB in all, or 65,535 members"
        raise UserError(f"{contents.store}: more than a bundle holds ({most})", ENVIRONMENT) from error


def write_bundle(contents: Contents, output: Path) -> Path:
    """Write the bundle of a store, whole or not at all. Raises UserError as `write_members`, and where the file cannot
    be written."""
    write_whole(output, lambda file: write_members(file, contents))
    return output


def without_private(contents: Contents) -> tuple[Contents, tuple[str, ...]]:
    """The store without the cases that `private_texts` finds something in, each left out whole, so that no figure of
    those that stay changes; and the keys of those."""
    left_out = dict.fromkeys(
        each.case.key
        for each in (*(record for _, record in contents.records), *(profile for _, profile in contents.profiles))
        if private_texts([("", each)])
    )
    kept = replace(
        contents,
        records=tuple(each for each in contents.records if each[1].key not in left_out),
        profiles=tuple(each for each in contents.profiles if each[1].case.key not in left_out),
    )
    return kept, tuple(left_out)
