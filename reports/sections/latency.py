"""Every timed prediction of every case, as a strip of dots."""

from markupsafe import Markup

from ...bench.stats.case_result import CaseResult
from ..charts.latency import beyond_edge, latency_chart
from ..engines import worth_most
from ..notation import number, with_interval
from ..page import Page, chart, fragment
from ..select import forms, model_title
from ..tables.table import Row
from . import Section

_TEMPLATE = """\
<p class="lead">Each dot is one timed prediction, in the order taken from top to bottom; a thin line separates \
one process from the next. Each strip has its own scale.\
{% if others %} {{ others }} more cases are in the table.{% endif %}</p>
<ul class="legend">
{% for form in forms %}
<li class="{{ form }}"><span class="shape"></span>{{ form }}</li>
{% endfor %}
<li><span class="line"></span>the figure shown, shaded: its interval</li>
<li><span class="line dashed"></span>p90</li>
{% if any_beyond %}
<li><span class="shape beyond"></span>beyond the edge</li>
{% endif %}
</ul>
<div class="strips">
{% for strip in strips %}
<figure class="card{{ ' warned' if strip.warnings }}" data-model="{{ strip.model }}" data-case="{{ strip.key }}">
<figcaption><strong>{{ strip.title }}</strong> <span>{{ strip.text }}</span></figcaption>
{{ strip.drawing }}
{% for warning in strip.warnings %}
<p class="warned">{{ warning }}</p>
{% endfor %}
</figure>
{% endfor %}
</div>"""


# To keep the page usable: of very many cases, those of the settings that have plots come first.
MOST_STRIPS = 30


def _shown(page: Page) -> list[tuple[Row, CaseResult]]:
    """The cases that get a strip, in the order of the table."""
    by_key = {record.key: record for record in page.records}
    timed = [(row, by_key[row.key]) for row in page.table.rows if by_key[row.key].timing is not None]
    shown = {record.key for record in worth_most([record for _, record in timed], MOST_STRIPS)}
    return [(row, record) for row, record in timed if record.key in shown]


def render(page: Page) -> Markup | None:
    strips = []
    shown = _shown(page)
    for row, record in shown:
        spec, figure, summary = latency_chart(record), record.figure("latency_s"), record.summary
        if spec is None or figure is None or summary is None:
            continue
        text = f"median {with_interval(figure)} ms"
        text += f", p90 {number(1e3 * summary.p90_s)}" if summary.p90_s is not None else ""
        text += f", {summary.count} predictions"
        if beyond := beyond_edge(record):
            text += f", {beyond} beyond the edge (up to {number(1e3 * summary.max_s)} ms)"
        if row.setting:
            text += f" · {row.setting}"
        strips.append(
            {
                "key": record.key,
                "model": record.case.model,
                "title": model_title(record),
                "text": text,
                "warnings": record.warnings,
                "beyond": beyond,
                "drawing": chart(spec, f"Latencies of {model_title(record)}, {text}"),
            }
        )
    if not strips:
        return None
    beyond_any = any(strip["beyond"] for strip in strips)
    others = sum(record.timing is not None for record in page.records) - len(shown)
    return fragment(_TEMPLATE, strips=strips, any_beyond=beyond_any, forms=forms(page.records), others=others)


SECTION = Section("Every timed prediction", order=30, render=render)
