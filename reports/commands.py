"""What the command line calls: the only file of this room that reads or writes the disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from ..bench.errors import ENVIRONMENT, NOTHING, USAGE, UserError
from ..bench.profile.operator_profile import Profile
from ..bench.record.garbage import paused_collector
from ..bench.record.record import Record
from ..bench.record.sources import Stores, read_sources, stores_of
from ..bench.stats.case_result import CaseResult, case_results, speed_records
from .select import newest_cameras, newest_evaluations, newest_transients

if TYPE_CHECKING:
    from ..bench.stats.camera import FrameTimes
    from ..bench.stats.scores import Scores


R = TypeVar("R")
T = TypeVar("T")


class ReportError(UserError, ValueError):
    """A report could not be written; the message is one line that names the file and says what to do."""


@dataclass(frozen=True)
class Content:
    """The contents of a store."""

    records: Sequence[Record]
    profiles: Sequence[Profile] = ()
    stores: tuple[Path, ...] = ()  # where the blobs of the records lie

    @property
    def named(self) -> str:
        """The stores for people."""
        return ", ".join(map(str, self.stores)) or "the store"

    @property
    def cases(self) -> tuple[CaseResult, ...]:
        """What each case's newest run gave."""
        return case_results(self.records)

    def must_have_speed(self) -> None:
        """Raises ReportError where no record is of speed."""
        try:
            speed_records(self.records, self.named)
        except UserError as error:
            raise ReportError(f"{error.message}; --format md or html shows these", error.exit_code) from error


def page_of_content(content: Content) -> bytes:
    """The page."""
    from .html import render_html

    times = camera_times(content.stores, newest_cameras(content.records))
    scores = film_scores(content.stores, newest_evaluations(content.records))
    return render_html(content.records, content.profiles, times, scores).encode()


def _table(form: str) -> Callable[[Content], bytes]:
    """Of the speed; where there is none, of the accuracies."""

    def write(content: Content) -> bytes:
        from .tables import accuracy, render, results

        evaluations = newest_evaluations(content.records)
        if evaluations and not content.cases:
            return getattr(render, form)(accuracy.build(evaluations)).encode()
        content.must_have_speed()
        return getattr(render, form)(results.build(content.cases)).encode()

    return write


def _markdown(content: Content) -> bytes:
    from .tables import accuracy, camera, results, transient
    from .tables.render import markdown

    cameras, evaluations = newest_cameras(content.records), newest_evaluations(content.records)
    transients = newest_transients(content.records)
    others = cameras or evaluations or transients
    tables = [results.build(content.cases)] if content.cases or not others else []
    tables += [camera.build(cameras, evaluations)] if cameras else []
    tables += [accuracy.build(evaluations)] if evaluations else []
    tables += [transient.build(transients)] if transients else []
    return "\n".join(map(markdown, tables)).encode()


def _picture(format: str) -> Callable[[Content], bytes]:
    def write(content: Content) -> bytes:
        from .charts.picture import picture

        content.must_have_speed()
        drawn = picture(content.cases, format)
        if drawn is None:
            raise ReportError("nothing to plot: no record has both an accuracy and a cost; try the format md", NOTHING)
        return drawn

    return write


def _exchange(name: str) -> Callable[[Content], bytes]:
    """A function of `exchange.py`."""

    def write(content: Content) -> bytes:
        from . import exchange

        content.must_have_speed()
        text = getattr(exchange, name)(content.cases)
        if text is None:
            raise ReportError("no case was timed: all have failed, as --format md shows", NOTHING)
        return text.encode()

    return write


@dataclass(frozen=True)
class Format:
    """One form of a report: how it is written, whether a terminal can show it, and how its file ends."""

    write: Callable[[Content], bytes]
    text: bool
    ending: str = ""  # empty: the name of the format


# A new form of report is one line here. Renderers are imported when used, so that each costs only its own imports.
FORMATS: dict[str, Format] = {
    "html": Format(page_of_content, text=False),
    "md": Format(_markdown, text=True),
    "csv": Format(_table("csv"), text=True),
    "latex": Format(_table("latex"), text=True, ending="tex"),
    "png": Format(_picture("png"), text=False),
    "svg": Format(_picture("svg"), text=False),
    "pdf": Format(_picture("pdf"), text=False),
    "pyperf": Format(_exchange("pyperf"), text=True, ending="pyperf.json"),
    "github-action-benchmark": Format(_exchange("github_action_benchmark"), text=True, ending="benchmark.json"),
}


def _format(name: str) -> Format:
    try:
        return FORMATS[name]
    except KeyError:
        raise ReportError(f"unknown report format {name!r}: choose one of {', '.join(FORMATS)}", USAGE) from None


def read(stores: Stores) -> Content:
    """The contents of a store (a folder with records.jsonl, a .jsonl file or a bundle), or of several, each record with
    its source; ReportError if there are no records."""
    from ..bench.profile.operator_profile import read_profiles_of

    paths = stores_of(stores)
    try:
        content = Content(read_sources(paths), read_profiles_of(paths), paths)
    except UserError as error:
        raise ReportError(error.message, error.exit_code) from error
    if not content.records:
        first = f"measure first with `co3d-bench run --out {paths[0]}`"
        raise ReportError(f"{content.named}: holds no records; {first}", NOTHING)
    return content


def accuracy_records(store: Path) -> tuple[Record, ...]:
    """The records of a store with an accuracy, so that the table of a run has those that its page will have."""
    from ..bench.record.store import each_record

    return tuple(record for record in each_record(store) if record.evaluation)


def camera_times(stores: Stores, records: Iterable[Record]) -> dict[str, FrameTimes]:
    """By blob the times of the frames of these records, as far as they can be read: without them a record still has its
    figures."""
    from ..bench.record.blobs import read_arrays
    from ..bench.stats.camera import frame_times

    runs = {run.times: run for record in records if (run := record.camera)}
    return _of_blobs(stores, runs, lambda folder, run: frame_times(run, read_arrays(folder, run.times)))


def film_scores(stores: Stores, records: Iterable[Record]) -> dict[str, Scores]:
    """By blob the scores of the films of these records, as far as they can be read: without them a record still has its
    figures."""
    from ..bench.record.predictions import read_predictions
    from ..bench.stats.scores import Scores

    runs = {run.predictions: run for record in records if (run := record.evaluation)}
    return _of_blobs(stores, runs, lambda folder, run: Scores(read_predictions(folder, run.predictions)))


def _of_blobs(stores: Stores, runs: Mapping[str, R], read: Callable[[Path, R], T]) -> dict[str, T]:
    """What these read from the blobs of their names, whichever store has them."""
    from ..bench.record.blobs import blobs_folder

    found: dict[str, T] = {}
    for folder in map(blobs_folder, stores_of(stores)):
        for name, run in runs.items():
            if name not in found:
                with suppress(UserError):
                    found[name] = read(folder, run)
    return found


def format_of(output: Path | None) -> str:
    """The format a file's ending asks for; html where it has none. ReportError for an ending of no format."""
    return form_by_ending(output, FORMATS, {"htm": "html", "markdown": "md", "tex": "latex"})


def form_by_ending(output: Path | None, forms: Iterable[str], others: Mapping[str, str]) -> str:
    """The form that a file's ending names, by itself or as one of the others; html where a file has none.

    ReportError for an ending of no form, since a page in a file that ends in .xlsx helps nobody.
    """
    ending = output.suffix.lower().lstrip(".") if output else ""
    form = others.get(ending, ending) or "html"
    if form not in forms:
        known = ", ".join(f".{each}" for each in (*forms, *others))
        raise ReportError(f"{output}: its ending is none of {known}; change it, or give --format", USAGE)
    return form


def render_report(stores: Stores, format: str = "md") -> str:
    """The report of a store, or of several, as text, for printing; only for the formats a terminal can show."""
    chosen = _format(format)
    if not chosen.text:
        raise ReportError(f"a {format} report cannot be printed: name a file to write it to with -o", USAGE)
    return chosen.write(read(stores)).decode()


def default_output(store: Path, format: str) -> Path:
    """Where a report goes by default: beside the records, as report.html, report.md, ... (LaTeX: report.tex)."""
    folder = store if store.is_dir() else store.parent
    return folder / f"report.{FORMATS[format].ending or format}"


def write_report(stores: Stores, output: Path | None = None, format: str | None = None) -> Path:
    """Write the report of a store, or of several together; returns its path.

    A store is a folder that holds records.jsonl, a .jsonl file or a bundle. `output` is the file to write; without it
    the report lies beside the records (`default_output`). `format` is one of `FORMATS`: html, md, csv, latex, png, svg,
    pdf (these three are the Pareto plots), pyperf or github-action-benchmark. Without it the ending of `output`
    decides; without an ending it is html. To print a text format instead, call `render_report`.
    The file appears whole or not at all. ReportError names a user's mistake in one line: no records, unknown
    format, nothing to plot, a path that cannot be written.
    """
    format = format_of(output) if format is None else format
    with paused_collector():
        content = _format(format).write(read(stores))
    path = output or default_output(stores_of(stores)[0], format)
    write_whole(path, content)
    return path


def write_whole(path: Path, content: bytes | Callable[[IO[bytes]], None]) -> None:
    """Write beside the target, then rename: a reader never gets half a file. What is large writes itself."""
    if path.is_dir():
        raise ReportError(f"{path}: is a folder; name a file in it, for example {path / 'report.html'}", ENVIRONMENT)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except UserError:
        _remove(temporary)
        raise
    except OSError as error:
        _remove(temporary)
        reason = error.strerror or str(error)
        raise ReportError(f"{path}: cannot be written ({reason}); name another path with -o", ENVIRONMENT) from error


def _remove(temporary: Path | None) -> None:
    if temporary is not None:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The mask of this process. It can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
