"""How soon answers follow a change of scene, and what accuracy costs in that."""

from markupsafe import Markup

from ...bench.record.camera import Reaction
from ...bench.record.record import Record
from ...bench.stats.metrics import S
from ..charts.reaction import PLOT, reaction_chart, reaction_of, same_scenes
from ..notation import rate, with_ends
from ..page import Page, chart, fragment
from ..select import model_title, source_of, with_source
from ..tables.html import table_html
from ..tables.table import WORDS, Cell, Column, Row, Table, cells
from . import Section

_TEMPLATE = """\
<p class="lead">A still picture is replaced by another. A clip network has its new answer as soon as its clip shows \
nothing else, a frame network as soon as its state has forgotten the old one. For an alarm, these seconds can matter \
more than the milliseconds of a prediction. Frames come at the rate that the weights were trained at. Figures are the \
median of {{ scenes }} scenes of {{ source }}, with the fastest and the slowest.\
{% if whose %} Of several sources the one with most networks is shown, {{ whose }}.{% endif %}</p>
{{ table }}
{% if drawing %}
<div class="charts">
<figure class="card plot-reaction">
<figcaption>{{ title }}</figcaption>
{{ drawing }}
</figure>
</div>
{% endif %}"""


COLUMNS: tuple[Column[Reaction], ...] = (
    Column("Half of the way", lambda found: Cell(with_ends(found.half_s, found.half_range_s), found.half_s), S),
    Column(
        "Nine tenths",
        lambda found: Cell(with_ends(found.nine_tenths_s, found.nine_tenths_range_s), found.nine_tenths_s),
        S,
    ),
    Column("Frames", lambda found: Cell(f"{rate(1 / found.frame_s)}/s", 1 / found.frame_s), kind=WORDS),
)


def _row(record: Record, found: Reaction) -> Row:
    form = record.model.form if record.model else ""
    return Row(model_title(record), cells(COLUMNS, found), record.case, form)


def render(page: Page) -> Markup | None:
    shown = [(record, found) for record in same_scenes(page.cameras) if (found := reaction_of(record))]
    if not shown:
        return None
    spec = reaction_chart(page.cameras, page.evaluations)
    title = with_source(PLOT.title, shown[0][0])
    rows = tuple(_row(record, found) for record, found in sorted(shown, key=lambda each: each[1].half_s))
    return fragment(
        _TEMPLATE,
        table=table_html(
            Table("Network", COLUMNS, rows), with_source("Reaction to a new scene", shown[0][0]), "reaction"
        ),
        title=title,
        drawing=chart(spec, f"{title}: {len(shown)} networks") if spec else None,
        scenes=max(found.scenes for _, found in shown),
        whose=source_of(shown[0][0]),
        source="noise" if shown[0][1].source == "noise" else "the film",
    )


SECTION = Section("Reaction to a new scene", order=13, render=render)
