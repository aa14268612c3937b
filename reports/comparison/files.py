"""What the command line calls: stores read, comparisons written. Only this file of the folder touches the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...bench.errors import NOTHING, USAGE, UserError
from ...bench.record.record import Record, commit_of
from ...bench.record.store import read_records
from ...bench.stats.case_result import speed_records
from ...bench.stats.compare.findings import Comparison
from ..commands import ReportError, form_by_ending, write_whole
from .match import RecordSet

# After the last @ of `STORE@RUN`, beside a run's id or the beginning of it.
NEWEST, PREVIOUS = "newest", "previous"


def read_record_set(text: str) -> RecordSet:
    """The records that a user names: a folder of records, a .jsonl file, or either with `@RUN`.

    Without a run it is the newest record of each case. Raises UserError if it cannot be read or has no such run.
    """
    path, at, run = text.rpartition("@")
    if not at or not path or Path(text).exists():
        records = read_records(text)
        if not records:
            raise UserError(f"{text}: holds no records; measure first with `co3d-bench run --out {text}`", NOTHING)
        records = speed_records(records, text)
        return RecordSet(_name(text, records), tuple(records))
    records = speed_records(read_records(path), path)
    run_id = _run(path, run, list(dict.fromkeys(record.run_id for record in _by_time(records))))
    chosen = [record for record in records if record.run_id == run_id]
    return RecordSet(_name(f"{path}@{run_id}", chosen), tuple(chosen))


def _by_time(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.started_at)


def _run(path: str, asked: str, run_ids: Sequence[str]) -> str:
    """The id of the run that is meant; `run_ids` are oldest first."""
    if asked == NEWEST and run_ids:
        return run_ids[-1]
    if asked == PREVIOUS and len(run_ids) > 1:
        return run_ids[-2]
    found = [run_id for run_id in run_ids if run_id == asked] or [
        run_id for run_id in run_ids if asked and run_id.startswith(asked)
    ]
    if len(found) == 1:
        return found[0]
    known = ", ".join(run_ids[-5:]) or "none"
    if found:
        raise UserError(f"{path}@{asked}: {len(found)} runs begin with that; the newest runs are {known}", USAGE)
    raise UserError(f"{path}: no run {asked!r}; the newest runs are {known}", NOTHING)


def _name(text: str, records: Sequence[Record]) -> str:
    """What the user wrote, and the commit where there is one: `results (commit 0123456789ab)`."""
    commits = {commit_of(record) for record in records} - {(None, None)}
    if len(commits) != 1:
        return text
    ((commit, dirty),) = commits
    return f"{text} (commit {commit[:12] if commit else ''}{' with changes' if dirty else ''})"


@dataclass(frozen=True)
class Form:
    """One form of a comparison: how it is written, and whether a terminal can show it."""

    write: Callable[[Comparison], bytes]
    text: bool


def _html(comparison: Comparison) -> bytes:
    from .html import html

    return html(comparison).encode(errors="replace")


def _markdown(comparison: Comparison) -> bytes:
    from .markdown import markdown

    return markdown(comparison).encode(errors="replace")


def _junit(comparison: Comparison) -> bytes:
    from .junit import junit

    return junit(comparison)


# A new form is one line here; it is imported when it is used.
FORMS: dict[str, Form] = {
    "html": Form(_html, text=False),
    "md": Form(_markdown, text=True),
    "junit": Form(_junit, text=True),
}
_ENDINGS = {"htm": "html", "markdown": "md", "xml": "junit"}


def form_of(output: Path | None) -> str:
    """The form a file's ending asks for; html where it has none. ReportError for an ending of no form."""
    return form_by_ending(output, FORMS, _ENDINGS)


def render(comparison: Comparison, form: str) -> str:
    """A comparison as text, for printing; ReportError for a form that no terminal can show."""
    if not FORMS[form].text:
        raise ReportError(f"a comparison as {form} cannot be printed: name a file to write it to with -o", USAGE)
    return FORMS[form].write(comparison).decode()


def write(comparison: Comparison, output: Path, form: str | None = None) -> Path:
    """Write a comparison, whole or not at all; the ending decides where no form is given. ReportError if it cannot be
    written."""
    write_whole(output, FORMS[form or form_of(output)].write(comparison))
    return output
