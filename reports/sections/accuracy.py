"""Accuracy over films: the figures with their intervals, and which classes are taken for which."""

from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from ...bench.record.record import Record
from ...bench.stats.scores import Scores, mistakes
from ..charts.confusion import confusion_chart
from ..page import Page, chart, fragment
from ..tables.accuracy import build, checkpoint_of, said, title_of
from ..tables.html import explained, table_html
from ..tables.table import WORDS, Cell, Column, Row, Table, cells, figure
from . import Section

_TEMPLATE = """\
<p class="lead">One answer for each film: clip networks for the clip in the middle, frame networks at the last frame. \
Scored is the same network, engine and precision that is timed.{% if dropped %} Where frames were dropped, they never \
reached the network: a state skips them, a clip is made of the last frames that arrived, and a film of which no frame \
arrives counts as wrong.{% endif %}</p>
{{ table }}
{{ explained }}
{% if said %}
<ul>
{% for sentence in said %}
<li>{{ sentence }}</li>
{% endfor %}
</ul>
{% endif %}
{% if figures %}
<h3>What is taken for what</h3>
<p class="note">Rows are classes, columns the answers to their films; the stronger a cell, the more of its row. Of \
more than 30 classes the pairs that are confused most often are listed instead.</p>
{% endif %}
{% for title in unread %}
<p class="note">{{ title }}: the scores of its films (in blobs, beside the records) cannot be read.</p>
{% endfor %}
<div class="strips">
{% for item in figures %}
<figure class="card confusion" data-model="{{ item.model }}" data-case="{{ item.key }}">
<figcaption><strong>{{ item.title }}</strong>{% if item.weights %}<br><small>{{ item.weights }}</small>{% endif %}\
</figcaption>
{{ item.drawing }}
</figure>
{% endfor %}
</div>
{% if others %}
<p class="note">{{ others }} more are in the table.</p>
{% endif %}"""

MOST_FIGURES = 12  # to keep the page usable
MOST_PAIRS = 20

PAIRS: tuple[Column[tuple[str, int, int]], ...] = (
    Column("Answer", lambda pair: Cell(pair[0], pair[0]), kind=WORDS),
    figure("Films", lambda pair: pair[1], write="{:.0f}".format),
    figure("Of", lambda pair: pair[2], write="{:.0f}".format),
)


def _pairs(scores: Scores, title: str) -> Markup | None:
    """The pairs that are confused most often, as a table; None where nothing is."""
    counts = scores.confusion
    found = mistakes(counts)[:MOST_PAIRS] if counts is not None else []
    pairs = ((scores.name(each.truth), (scores.name(each.answer), each.films, each.of)) for each in found)
    table = Table("Class", PAIRS, tuple(Row(name, cells(PAIRS, pair)) for name, pair in pairs))
    return table_html(table, f"Classes that {title} confuses", "pairs") if found else None


def _figures(page: Page) -> Iterator[dict[str, Any]]:
    for record, scores in _read(page):
        title, form = title_of(record), record.model.form if record.model else "clip"
        spec = confusion_chart(scores, form)
        drawing = chart(spec, f"{title}. {spec['description']}") if spec else _pairs(scores, title)
        if drawing:
            yield {
                "title": title,
                "weights": checkpoint_of(record),
                "key": record.key,
                "model": record.case.model,
                "drawing": drawing,
            }


def _read(page: Page) -> Iterator[tuple[Record, Scores]]:
    for record in page.evaluations:
        if record.evaluation and (scores := page.scores.get(record.evaluation.predictions)):
            yield record, scores


def _unread(record: Record, page: Page) -> bool:
    return record.evaluation is not None and record.evaluation.predictions not in page.scores


def render(page: Page) -> Markup | None:
    if not page.evaluations:
        return None
    table, figures = build(page.evaluations), list(_figures(page))
    return fragment(
        _TEMPLATE,
        table=table_html(table, "Accuracy over films", "accuracy"),
        explained=explained(table.columns),
        said=list(said(page.evaluations)),
        dropped=any(each.case.evaluation and each.case.evaluation.drop for each in page.evaluations),
        figures=figures[:MOST_FIGURES],
        others=len(figures[MOST_FIGURES:]),
        unread=[title_of(each) for each in page.evaluations if _unread(each, page)],
    )


SECTION = Section("Accuracy, measured", order=14, render=render)
