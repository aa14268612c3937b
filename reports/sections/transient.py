"""Answers frame by frame after a start: curves with delay and receptive field, and the figures read off them."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from ...bench.record.record import Record
from ..charts.transient import transient_chart
from ..page import Page, chart, fragment
from ..select import model_title
from ..tables.accuracy import checkpoint_of
from ..tables.html import explained, table_html
from ..tables.transient import build, said, title_of
from . import Section

_TEMPLATE = """\
<p class="lead">A frame network answers from its first frame on, but its first answers depend on what its state \
held before: zeros, the first frame repeated, or what another film left (a cut). Curves show how the answers become \
right. Bands are 95 % intervals of top-1 over films; of an error they reach from the smallest to the largest of the \
scenes, and what is below 0.001 % is rounding, and is drawn there.</p>
<div class="charts">
{% for item in figures %}
<figure class="card transient" data-model="{{ item.model }}" data-case="{{ item.key }}">
<figcaption>{{ item.title }}{% if item.weights %}<br><small>{{ item.weights }}</small>{% endif %}</figcaption>
{{ item.drawing }}
</figure>
{% endfor %}
</div>
{% if others %}
<p class="note">{{ others }} more are in the table.</p>
{% endif %}
{{ table }}
{{ explained }}
{% if said %}
<ul>
{% for sentence in said %}
<li>{{ sentence }}</li>
{% endfor %}
</ul>
{% endif %}"""

MOST_FIGURES = 12  # to keep the page usable


def groups(records: Iterable[Record]) -> list[list[Record]]:
    """Those of one plot: the same in all but the start."""
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        if record.transient and record.case.transient:
            case = record.case.model_copy(update={"transient": None})
            weights = record.model.weights if record.model else None
            found.setdefault((case.key, weights, record.transient.measure), []).append(record)
    return list(found.values())


def clip_levels(record: Record, evaluations: Sequence[Record]) -> dict[str, float]:
    """Of its clip network the accuracy over the same films, the newest; none where it was not measured."""
    name = record.model.counterpart if record.model else None
    asked = record.case.source, name, record.case.evaluation
    return {
        f"{model_title(each)}, one clip": each.evaluation.top1.value
        for each in evaluations
        if name and (each.case.source, each.case.model, each.case.evaluation) == asked
        and each.evaluation and each.evaluation.top1
    }  # fmt: skip


def render(page: Page) -> Markup | None:
    if not page.transients:
        return None
    table, figures = build(page.transients), []
    for group in groups(page.transients):
        first = group[0]
        spec = transient_chart(group, clip_levels(first, page.evaluations))
        figures.append(
            {
                "title": title_of(first),
                "weights": checkpoint_of(first),
                "key": first.key,
                "model": first.case.model,
                "drawing": chart(spec, spec["description"]),
            }
        )
    return fragment(
        _TEMPLATE,
        figures=figures[:MOST_FIGURES],
        others=len(figures[MOST_FIGURES:]),
        table=table_html(table, "Answers after a start", "transient"),
        explained=explained(table.columns),
        said=list(said(page.transients)),
    )


SECTION = Section("After a start", order=16, render=render)
