"""Each network by each engine and precision: speed against eager, build, memory and difference from eager."""

from collections.abc import Sequence

from markupsafe import Markup

from ...bench.stats.case_result import CaseResult
from ...bench.stats.metrics import PERCENT, S, Unit
from ..engines import EngineGroup, engine_text, groups, is_reference, precision_title, speeds
from ..notation import number
from ..page import Page, fragment
from ..select import SEPARATOR
from ..tables.html import explained, table_html
from ..tables.results import BUILD, DIFFERENCE, FILE, LATENCY, compared, metric, small, speed_column
from ..tables.table import Cell, Column, Heading, Row, Table, cells, figure
from . import Section

_TEMPLATE = """\
<p class="lead">Every engine's answers were compared with eager float32 before its speed was accepted: over a stream \
of frames, or many clips. Wrong ones have no speed. Fastest first.</p>
{{ table }}
{{ explained }}
{% if notes %}
<ul class="engine-notes">
{% for text, engines in notes %}
<li>{{ text }} <span>({{ engines|join(", ") }})</span></li>
{% endfor %}
</ul>
{% endif %}"""


def title(case: CaseResult) -> str:
    """Engine and precision, as people write them."""
    return SEPARATOR.join((case.case.backend, precision_title(case.case.precision)))


def same_class(share: float) -> str:
    """A share of all predictions in percent; 100 only where it is all."""
    text = f"{share:.1f}"
    return "100" if share == 100 else "99.9" if text == "100.0" else text


def _difference(case: CaseResult) -> Cell:
    return Cell("the reference") if is_reference(case) else DIFFERENCE.cell(case)


# What was compared, beside the largest difference; bytes and seconds that only this table has.
FIRST_RUN = metric("first_prediction_s", "First run", unit=S, write=lambda value: number(value, 2))
RESIDENT = metric("peak_rss_bytes", "Resident")
LARGEST = Column("Difference", _difference, Unit("max"), DIFFERENCE.explains)
ALL_SCORES: Column[CaseResult] = figure(
    "Difference",
    lambda case: check.relative_l2 if (check := compared(case)) else None,
    Unit("L2"),
    small,
    explains="of all scores together from those of eager float32",
)
SAME_CLASS: Column[CaseResult] = figure(
    "Same class",
    lambda case: check.top1_agreement if (check := compared(case)) else None,
    Unit(PERCENT.text, 0.01),
    same_class,
    explains="predictions with the same best class as eager float32",
)


def engine_columns(found: Sequence[EngineGroup]) -> tuple[Column[CaseResult], ...]:
    """The columns of the section: those of the results, and what is asked of an engine alone."""
    ratios = speeds([case for group in found for case in group.cases])
    fastest = {
        case.key: max((ratios.get(each.key, 0.0) for each in group.cases), default=0.0)
        for group in found
        for case in group.cases
    }
    speed = speed_column(ratios, fastest)
    return (LATENCY, speed, BUILD, FIRST_RUN, FILE, RESIDENT, LARGEST, ALL_SCORES, SAME_CLASS)


def engine_table(found: Sequence[EngineGroup]) -> Table:
    """A row for each case, below its network."""
    columns = engine_columns(found)
    rows = tuple(
        Row(
            title(case),
            cells(columns, case),
            case.case,
            detail=engine_text(case.engine) if case.engine else "",
            below=Heading(group.title, group.form, group.setting),
            warnings=case.warnings,
            error=f"{case.error.kind}: {case.error.message}" if case.error else None,
        )
        for group in found
        for case in group.cases
    )
    return Table("Engine", columns, rows)


def notes_of(found: Sequence[EngineGroup]) -> list[tuple[str, list[str]]]:
    """Each note once, with the engines it is about."""
    engines: dict[str, dict[str, None]] = {}
    for group in found:
        for case in group.cases:
            for note in (*(case.engine.notes if case.engine else ()), *case.notes):
                engines.setdefault(note, {})[title(case)] = None
    return [(note, list(titles)) for note, titles in engines.items()]


def render(page: Page) -> Markup | None:
    found = groups(page.shown)
    if not found:
        return None
    caption = "Each network by each engine and precision, compared with eager float32"
    table = engine_table(found)
    return fragment(
        _TEMPLATE,
        table=table_html(table, caption, "engines"),
        explained=explained(table.columns),
        notes=notes_of(found),
    )


SECTION = Section("Engines and precisions", order=15, render=render)
