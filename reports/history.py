"""A figure from run to run, in the terminal: each series as a table, its steps in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..bench.record.record import Record
from ..bench.stats.trend import INSTALL, MIN_POINTS, Point, Series, Step, can_find_steps
from .notation import number
from .select import model_title, setting_of
from .tables.table import WARNING

LAST = 20


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
    changed = "; with it " + ", ".join(step.changed) if step.changed else "; no recorded fact changed with it"
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


def _series(series: Series, last: int) -> list[RenderableType]:
    firsts = {step.first: step for step in series.steps}
    head = Text.assemble(
        (title(series), "bold"), f"\n{series.metric.label}, {series.metric.unit.text}, on {series.machine}"
    )
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in ("Run", "Commit"):
        drawn.add_column(column, no_wrap=True)
    drawn.add_column(series.metric.label, justify="right", no_wrap=True)
    normalised = any(point.normalised_latency_s for point in series.points)
    if normalised:
        drawn.add_column("normalised", justify="right", no_wrap=True)
    drawn.add_column("Step", justify="right", no_wrap=True)
    hidden = max(0, len(series.points) - last)
    for index, point in enumerate(series.points[hidden:], start=hidden):
        step = firsts.get(index)
        if step is not None:
            drawn.add_section()
        mark = f" {WARNING}" if point.warnings else "  "
        value = Text(number(series.metric.unit.of(point.value), 4) + mark, style="yellow" if point.warnings else "")
        change = (
            Text(f"{step.change:+.1%}", style="bold red" if is_worse(series, step) else "bold green") if step else ""
        )
        beside = [number(1e3 * point.normalised_latency_s, 4) if point.normalised_latency_s else ""]
        drawn.add_row(time_text(point), point.commit or "", value, *(beside if normalised else []), change)
    below = [Text(step_text(series, step)) for step in series.steps]
    if hidden:
        below.append(Text(f"{hidden} earlier runs are not shown (--last)", style="dim"))
    if any(point.warnings for point in series.points[hidden:]):
        below.append(Text(f"{WARNING} with a warning; not used in the search for steps", style="dim"))
    if normalised:
        below.append(
            Text("normalised: at the machine's speed in the newest run, by the reference workload", style="dim")
        )
    if (why := why_no_steps(series)) is not None:
        below.append(Text(why, style="dim"))
    return [head, drawn, *below, Text("")]


def of_model(records: Sequence[Record], word: str) -> list[Record]:
    """The records of a network by its name, or by a pattern with * over whole cases."""
    from fnmatch import fnmatchcase

    return [r for r in records if r.case.model == word or ("*" in word and fnmatchcase(r.key, word))]
