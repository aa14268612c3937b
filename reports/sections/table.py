"""The table: every case with what was measured and what the paper prints. Columns sort; rows can be picked."""

from markupsafe import Markup

from ..columns import ENGINE_COLUMNS, Column
from ..downloads import csv_lines
from ..page import Page, explained, fragment, json_text
from ..select import FORM_TITLES
from ..table import WARNING
from . import Section

_TEMPLATE = """\
{% macro raised(marks, of) %}
{% if marks %}
<sup class="marks">{% for mark in marks %}<a href="#note-{{ mark }}" title="{{ notes[mark] }}" \
aria-label="note {{ mark }} on {{ of }}">{{ mark }}</a>{{ "," if not loop.last }}{% endfor %}</sup>
{% endif %}
{% endmacro %}
{% macro warned(row) %}
{% if row.warnings %}
<sup class="marks"><a href="#warnings" title="{{ row.warnings|join("; ") }}" \
aria-label="warning on {{ row.title }}: {{ row.warnings|join("; ") }}">{{ mark }}</a></sup>
{% endif %}
{% endmacro %}
<p class="lead">Click a network to highlight it everywhere, a column head to sort. \
Small figures below are the paper's.{% if others %} {{ others }} more cases were measured: \
<code>co3d-bench report -o report.csv</code> writes all of them.{% endif %}</p>
<div class="scroll" role="region" tabindex="0" aria-label="Table of all networks, scrolls sideways">
<table class="results">
<caption>Measured figures of each network, with the figures of the paper below them</caption>
<thead>
<tr class="groups"><td></td><th colspan="{{ own|length }}" scope="colgroup">On this machine (accuracy as published)</th>
{% if foreign %}
<th colspan="{{ foreign|length }}" scope="colgroup" class="paper-column">Throughput in the paper, predictions/s</th>
{% endif %}
</tr>
<tr>
<th scope="col" aria-sort="none"><button type="button" class="sort" data-column="0">Network</button></th>
{% for column in own + foreign %}
<th scope="col" aria-sort="none"{% if column in foreign %} class="paper-column"{% endif %}>
<button type="button" class="sort" data-column="{{ loop.index }}" title="{{ column.explains }}">\
{{ column.head|replace("Paper: ", "") }}</button>
{% if column in own %}
<span class="unit">{{ column.unit }}</span>
{% endif %}
</th>
{% endfor %}
</tr>
</thead>
<tbody>
{% for row in rows %}
<tr data-model="{{ row.model }}" data-case="{{ row.key }}" id="row-{{ loop.index }}" \
class="{{ row.form }}{{ ' failed' if row.error }}">
<th scope="row" data-value="{{ row.title }}">
<span class="named"><button type="button" class="pick" aria-pressed="false">\
<span class="shape" aria-hidden="true"></span>{{ row.title }}</button>\
{{ warned(row) }}{{ raised(row.marks, row.title) }}</span>
<span class="form">{{ forms.get(row.form, "") }}\
{{ " · " ~ row.setting if several }}</span>
{% if row.key in fronts %}
<span class="form"><a href="#pareto" class="on-front"><span aria-hidden="true">◆</span> on the front:</a> \
{{ fronts[row.key]|join(", ") }}</span>
{% endif %}
</th>
{% if row.error %}
<td class="error" colspan="{{ own|length + foreign|length }}"><span><strong>failed</strong> {{ row.error }}</span></td>
{% else %}
{% for column in own + foreign %}
{% set cell = cell_of(row, column.name) %}
<td{% if cell.value is not none %} data-value="{{ cell.value }}"{% endif %}\
{% if column in foreign %} class="paper-column"{% endif %}>\
<span class="value{{ ' warned' if row.warnings and column.noisy and cell.value is not none }}">{{ cell.text }}</span>
{% if cell.paper_text %}
<span class="paper"><span class="hidden">paper: </span>{{ cell.paper_text }}</span>
{% endif %}
</td>
{% endfor %}
{% endif %}
</tr>
{% endfor %}
</tbody>
</table>
</div>
<p class="downloads"><button type="button" class="download" data-file="table.csv" data-type="text/csv" \
data-lines="csv-lines">Download these rows (CSV, SI units)</button></p>
<script type="application/json" id="csv-lines">{{ lines }}</script>
{% if fronts %}
<p class="note"><span class="on-front" aria-hidden="true">◆</span> on the front: no other network of the same setting \
is at least as accurate and as cheap, and better in one of the two.</p>
{% endif %}
{{ explained }}
{% if warnings %}
<details class="warnings" id="warnings"><summary><span class="marks">{{ mark }}</span> {{ warnings|length }} of \
{{ rows|length }} rows carry a warning</summary>
<ul>
{% for title, why in warnings %}
<li><strong>{{ title }}</strong>: {{ why }}</li>
{% endfor %}
</ul>
<p><code>co3d-bench show NETWORK STORE</code> prints the evidence process by process.</p>
</details>
{% endif %}
{% if notes %}
<ol class="notes">
{% for mark, text in notes.items() %}
<li id="note-{{ mark }}"><sup>{{ mark }}</sup> {{ text }}</li>
{% endfor %}
</ol>
{% endif %}"""


def _foreign(column: Column) -> bool:
    """The paper's own throughputs; `table.build` puts them last."""
    return column.name.startswith("paper_")


def render(page: Page) -> Markup | None:
    if not page.table.rows:
        return None
    columns = page.table.columns
    return fragment(
        _TEMPLATE,
        own=[column for column in columns if not _foreign(column) and column not in ENGINE_COLUMNS],
        foreign=[column for column in columns if _foreign(column)],
        rows=page.table.rows,
        notes=dict(page.table.footnotes),
        warnings=page.table.warnings,
        mark=WARNING,
        several=page.table.several_settings,
        forms=FORM_TITLES,
        cell_of=page.table.cell,
        others=len(page.records) - len(page.table.rows),
        fronts=page.fronts,
        lines=json_text(csv_lines(page.shown)),
        explained=explained(
            (column.head, column.unit, column.explains) for column in columns if column not in ENGINE_COLUMNS
        ),
    )


SECTION = Section("All networks", order=10, render=render)
