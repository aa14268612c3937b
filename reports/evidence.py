"""The evidence in the records: the figures process by process, and what else the machine did meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ..bench.record.record import Record, Timing
from ..bench.stats.case_result import CaseResult
from ..bench.stats.metrics import MS, Unit, get_metric
from ..bench.stats.normalise import reference_s
from ..bench.stats.summary import throttled
from .notation import number, with_interval
from .select import model_title, setting_of
from .tables.table import EMPTY, WARNING, Cell, Column, Row, Table, cells, figure
from .tables.terminal import draw


def _timed(
    head: str, unit: Unit, value: Callable[[Timing], float | None], write: Callable[[float], str] = number
) -> Column[Record]:
    """A column of a timed process; all of it is raw in the record."""
    return figure(head, lambda record: value(record.timing) if record.timing else None, unit, write)


def _short(value: float) -> str:
    return number(value, 2)


def _warm(record: Record) -> Cell:
    stable = record.timing.warmup_stable if record.timing else None
    return Cell() if stable is None else Cell("yes" if stable else "no", str(stable))


def _sum(series: Sequence[float]) -> float | None:
    """Of what the kernel counted, sample by sample; None where it did not."""
    return sum(series) if series else None


def _mean(series: Sequence[float]) -> float | None:
    return sum(series) / len(series) if series else None


COLUMNS: tuple[Column[Record], ...] = (
    figure("Median", get_metric("latency_s").value, MS),
    _timed("Timed", Unit("calls"), lambda t: len(t.samples), "{:.0f}".format),
    Column("Warm", _warm),
    _timed("Before", Unit("cores"), lambda t: t.background_load_before, _short),
    _timed("During", Unit("cores"), lambda t: t.background_load, _short),
    _timed("Switch", Unit("a call"), lambda t: _mean(t.samples.involuntary_switches), _short),
    _timed("Stolen", MS, lambda t: _sum(t.samples.steal_s)),
    _timed("Queued", MS, lambda t: _sum(t.samples.waited_s)),
    figure("Refer.", reference_s, MS),
)
LEGEND = (
    "Warm: whether the latency was stable before the samples. Before, During: background load in cores, "
    "before the warm-up and during the samples. Switch: involuntary context switches. Stolen: by the hypervisor. "
    "Queued: run-queue wait of its threads, summed."
)


def render_evidence(cases: Sequence[CaseResult]) -> RenderableType:
    """Each of these cases, process by process, as a rich renderable."""
    return Group(*(part for result in cases for part in _case(result)), Text(LEGEND, style="dim"))


def _row(record: Record) -> Row:
    if record.timing:
        return Row(str(record.process), cells(COLUMNS, record))
    why = Cell(record.error.kind if record.error else "not timed", bad=True)
    return Row(str(record.process), (why, *[EMPTY] * (len(COLUMNS) - 1)))


def _case(result: CaseResult) -> list[RenderableType]:
    figure = result.figure("latency_s")
    shown = f"{with_interval(figure)} ms, process {figure.record.process}" if figure else "no figure"
    title = f"{model_title(result)} \u00b7 {setting_of(result.case).title}"
    head = Text.assemble((title, "bold"), f"\nrun {result.run_id}, latency {shown}")
    drawn = draw(Table("", COLUMNS, tuple(map(_row, result.records))))
    below = [Text(f"failed, {result.error.kind}: {result.error.message}", style="red")] if result.error else []
    below += [Text(f"{WARNING} {warning}", style="yellow") for warning in result.warnings]
    signs = dict.fromkeys(why for record in result.timed if (why := throttled(record)))
    below += [Text(f"throttling: {why}", style="dim") for why in signs]
    names = dict.fromkeys(
        record.timing.reference.name for record in result.timed if record.timing and record.timing.reference
    )
    below += [
        Text(f"Refer.: {name}, median of its readings before and after the samples", style="dim") for name in names
    ]
    return [head, drawn, *below, Text("")]
