"""A figure from run to run, in the terminal: each series as a table, its steps in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from ..bench.record.record import Record
from ..bench.stats.metrics import MS
from ..bench.stats.trend import INSTALL, MIN_POINTS, Point, Series, Step, can_find_steps
from .notation import number
from .select import model_title, setting_of
from .tables.table import WARNING, WORDS, Cell, Column, Heading, Row, Table, cells, figure, filled
from .tables.terminal import fitted

LAST = 20


def _four_digits(value: float) -> str:
    return number(value, 4)


def title(series: Series) -> str:
    """The network and its setting: `CoX3D-M (64) · cpu · eager · float32 · batch 1 · 2 threads · random-0`."""
    record = series.points[-1].record
    return f"{model_title(record)} · {setting_of(record.case).title}"


def time_text(point: Point) -> str:
    """When a run was, to the minute, UTC."""
    return datetime.fromisoformat(point.started_at).strftime("%Y-%m-%d %H:%M")


def is_worse(series: Series, step: Step) -> bool:
    """Whether a step went in the wrong direction of its metric."""
    return (step.change > 0) == (series.metric.better == "lower")


def step_text(series: Series, step: Step) -> str:
    """A step in words: when, by how much, and what else changed then."""
    unit = series.metric.unit
    changed = "; with it " + ", ".join(step.changed) if step.changed else "; no recorded fact changed at the same time"
    return (
        f"{time_text(series.points[step.first])}: {'worse' if is_worse(series, step) else 'better'}, "
        f"{step.change:+.1%} ({number(unit.of(step.before))} → {number(unit.of(step.after))} {unit.text}){changed}"
    )


def why_no_steps(series: Series) -> str | None:
    """Why steps were not searched for; None if they were."""
    clear = sum(not point.warnings for point in series.points)
    if clear < MIN_POINTS:
        return f"steps are searched for from {MIN_POINTS} runs without warnings on; there are {clear}"
    return None if can_find_steps() else f"steps are not searched for: {INSTALL}"


def render_history(found: Sequence[Series], last: int = LAST) -> RenderableType:
    """These series as a rich renderable, the newest `last` runs of each."""
    return Group(*(part for series in found for part in _series(series, last)))


def _columns(series: Series) -> tuple[Column[int], ...]:
    """What is shown of the run of that index."""
    points, steps = series.points, {step.first: step for step in series.steps}

    def change(index: int) -> Cell:
        step = steps.get(index)
        if step is None:
            return Cell("")
        return Cell(f"{step.change:+.1%}", step.change, tone="error" if is_worse(series, step) else "frame")

    return (
        Column("Commit", lambda index: Cell(points[index].commit or "", points[index].commit), kind=WORDS),
        figure(series.metric.label, lambda index: points[index].value, series.metric.unit, _four_digits),
        figure("normalised", lambda index: points[index].normalised_latency_s, MS, _four_digits),
        Column("Step", change),
    )


def _level(series: Series, index: int) -> Heading | None:
    """What a run stands below: the level between two steps."""
    if not series.steps:
        return None
    before = [step.after for step in series.steps if step.first <= index]
    unit = series.metric.unit
    return Heading(f"level {number(unit.of(before[-1] if before else series.steps[0].before))} {unit.text}")


def _series(series: Series, last: int) -> list[RenderableType]:
    hidden = max(0, len(series.points) - last)
    shown = range(hidden, len(series.points))
    columns = filled(_columns(series), shown)
    points = [(series.points[index], cells(columns, index), _level(series, index)) for index in shown]
    rows = (Row(time_text(point), row, below=level, warnings=point.warnings) for point, row, level in points)
    table = Table("Run", columns, tuple(rows))
    head = Text.assemble((title(series), "bold"), f"\n{series.metric.label} on {series.machine}")
    notes = [f"{hidden} earlier runs are not shown (--last)"] if hidden else []
    notes += [f"{WARNING} with a warning; not used in the search for steps"] if table.warnings else []
    if any(point.normalised_latency_s for point, _, _ in points):
        notes.append("normalised: at the machine's speed in the newest run, by the reference workload")
    notes += [why] if (why := why_no_steps(series)) else []
    steps = [Text(step_text(series, step)) for step in series.steps]
    return [head, fitted(table), *steps, *(Text(note, style="dim") for note in notes), Text("")]


def of_model(records: Sequence[Record], word: str) -> list[Record]:
    """The records of a network by its name, or by a pattern with * over whole cases."""
    from fnmatch import fnmatchcase

    return [r for r in records if r.case.model == word or ("*" in word and fnmatchcase(r.key, word))]
