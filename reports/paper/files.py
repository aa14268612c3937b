"""What `co3d-bench paper` calls. Only this file of the folder touches the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...bench.errors import NOTHING, USAGE
from ...bench.record.garbage import paused_collector
from ...bench.record.store import read_records
from ...bench.stats.paper import Paper, paper_of
from ..commands import ReportError, form_by_ending, write_whole

DEFAULT = Path("results")
_NAME = "paper"


@dataclass(frozen=True)
class Form:
    """One form: how it is written, its ending, and whether it can be printed."""

    write: Callable[[Paper], str]
    ending: str
    text: bool = True


def _html(paper: Paper) -> str:
    from .page import html

    return html(paper)


def _text(name: str) -> Callable[[Paper], str]:
    def write(paper: Paper) -> str:
        from . import forms

        return getattr(forms, name)(paper)

    return write


FORMS: dict[str, Form] = {
    "html": Form(_html, "html", text=False),
    "md": Form(_text("markdown"), "md"),
    "csv": Form(_text("csv"), "csv"),
    "latex": Form(_text("latex"), "tex"),
}
_ENDINGS = {"htm": "html", "markdown": "md", "tex": "latex"}


def form_of(output: Path | None) -> str:
    """The form a file's ending asks for; html where it has none. ReportError for an ending of no form."""
    return form_by_ending(output, FORMS, _ENDINGS)


def read_paper(store: Path | None) -> Paper:
    """The paper's tables from a store; from none, without records. ReportError where the named one holds none."""
    where = store or DEFAULT
    folder = where.parent if where.suffix == ".jsonl" else where
    out = () if folder == DEFAULT or folder.is_file() else ("--out", str(folder))  # nothing is measured into a bundle
    records = read_records(where) if store or where.exists() else []
    if store and not records:
        raise ReportError(f"{store}: holds no records; without a STORE the paper's own figures are shown", NOTHING)
    return paper_of(records, out)


def render(paper: Paper, form: str) -> str:
    """As text, for printing. ReportError for a page."""
    if not FORMS[form].text:
        raise ReportError(f"a {form} page cannot be printed: name a file to write it to with -o", USAGE)
    return FORMS[form].write(paper)


def write(paper: Paper, store: Path | None, output: Path | None = None, form: str | None = None) -> Path:
    """Write it whole or not at all; returns the file: beside the records, else in the current folder, where no other
    is named."""
    form = form or form_of(output)
    where = store or DEFAULT
    folder = where if where.is_dir() else where.parent
    path = output or folder / f"{_NAME}.{FORMS[form].ending}"
    with paused_collector():
        content = FORMS[form].write(paper)
    write_whole(path, content.encode(errors="replace"))
    return path
