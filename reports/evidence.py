"""What stands in the records beside the figures: which process gave which, and what else the machine did meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..bench.record.record import Record, Timing
from ..bench.stats.case_result import CaseResult
from ..bench.stats.metrics import get_metric
from ..bench.stats.normalise import reference_s
from ..bench.stats.summary import throttled
from .notation import MISSING, number, with_interval
from .select import latest, model_title, setting_of
from .table import WARNING


def _ms(seconds: float | None) -> str:
    return number(None if seconds is None else 1e3 * seconds)


# head, unit, and what a timed process says; all of it is raw in the record
_COLUMNS: tuple[tuple[str, str, Callable[[Timing], str]], ...] = (
    ("Timed", "calls", lambda t: str(len(t.samples))),
    ("Warm", "", lambda t: {True: "yes", False: "no", None: MISSING}[t.warmup_stable]),
    ("Before", "cores", lambda t: number(t.background_load_before, 2)),
    ("Others", "cores", lambda t: number(t.background_load, 2)),
    ("Switch", "a call", lambda t: number(sum(t.samples.involuntary_switches) / len(t.samples), 2)),
    ("Stolen", "ms", lambda t: _ms(sum(t.samples.steal_s))),
    ("Waited", "ms", lambda t: _ms(sum(t.samples.waited_s))),
)
LEGEND = (
    "Warm: whether the latency was stable before the samples. Before, Others: cores that other processes kept busy "
    "before the warm-up and during the samples. Switch: involuntary context switches. Stolen: by the hypervisor. "
    "Waited: threads that could have run, for a core, summed."
)


def render_evidence(records: Sequence[Record]) -> RenderableType:
    """Each case of these records, process by process, as a rich renderable."""
    return Group(*(part for result in latest(records) for part in _case(result)), Text(LEGEND, style="dim"))


def _case(result: CaseResult) -> list[RenderableType]:
    figure = result.figure("latency")
    shown = (
        f"{with_interval(figure.value, figure.low, figure.high, figure.processes)} ms, process {figure.record.process}"
        if figure
        else "no figure"
    )
    title = f"{model_title(result)} \u00b7 {setting_of(result.case).title}"
    head = Text.assemble((title, "bold"), f"\nrun {result.run_id}, latency {shown}")
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    drawn.add_column("", justify="right")
    heads = (("Median", "ms"), *((name, unit) for name, unit, _ in _COLUMNS), ("Refer.", "ms"))
    for name, unit in heads:
        drawn.add_column(Text(f"{name}\n{unit}"), justify="right", no_wrap=True)
    for record in result.records:
        if record.timing is None:
            why = record.error.kind if record.error else "not timed"
            drawn.add_row(str(record.process), Text(why, style="red"))
            continue
        cells = (read(record.timing) for _, _, read in _COLUMNS)
        median_ms = number(get_metric("latency").value(record))
        drawn.add_row(str(record.process), median_ms, *cells, _ms(reference_s(record)))
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
