"""A table on the page: a table in, HTML out. Every value stands in its cell in SI, as `data-value`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from ..page import fragment
from ..select import FORM_TITLES, SEPARATOR
from .table import WARNING, Column, Row, Table

_TEMPLATE = """\
{% macro below(form, setting) %}
{% if form or setting %}
<span class="form">{{ [forms.get(form, ""), setting]|select|join(separator) }}</span>
{% endif %}
{% endmacro %}
{% macro shape(form) %}{% if form %}<span class="shape" aria-hidden="true"></span>{% endif %}{% endmacro %}
{% macro marks(row) %}
{% if row.all_marks %}
<sup class="marks">{% if row.warnings %}<a href="#warnings" title="{{ row.warnings|join("; ") }}" \
aria-label="warning on {{ row.title }}: {{ row.warnings|join("; ") }}">{{ warning }}</a>\
{{ "," if row.marks }}{% endif %}{% for mark in row.marks %}<a href="#note-{{ mark }}" title="{{ notes[mark] }}" \
aria-label="note {{ mark }} on {{ row.title }}">{{ mark }}</a>{{ "," if not loop.last }}{% endfor %}</sup>
{% endif %}
{% endmacro %}
<div class="scroll {{ kind }}" role="region" tabindex="0" aria-label="{{ caption }}, scrolls sideways">
<table{% if sortable %} class="{{ kind }}"{% endif %}>
<caption>{{ caption }}</caption>
<thead>
{% if groups|length > 1 or groups[0][0] %}
<tr class="groups"><td></td>
{% for name, members in groups %}
<th colspan="{{ members|length }}" scope="colgroup"{% if members[0].kind %} class="{{ members[0].kind }}"{% endif %}>\
{{ name }}</th>
{% endfor %}
</tr>
{% endif %}
<tr><th scope="col"{% if sortable %} aria-sort="none"{% endif %}>\
{% if sortable %}<button type="button" class="sort" data-column="0">{{ table.head }}</button>\
{% else %}{{ table.head }}{% endif %}</th>
{% for column in table.columns %}
<th scope="col"{% if column.kind %} class="{{ column.kind }}"{% endif %}\
{% if sortable %} aria-sort="none"><button type="button" class="sort" data-column="{{ loop.index }}"\
{% endif %} title="{{ column.explains }}">{{ column.head }}{% if sortable %}</button>{% endif %}
{% if column.unit.text %}
<span class="unit">{{ column.unit.text }}</span>
{% endif %}
</th>
{% endfor %}
</tr>
</thead>
{% for heading, rows in bodies %}
<tbody{% if heading %} class="{{ heading.form }}"{% endif %}>
{% if heading %}
<tr class="network"><th scope="rowgroup">{{ shape(heading.form) }}{{ heading.title }}
{{ below(heading.form, heading.setting) }}</th>
<td colspan="{{ table.columns|length }}"></td></tr>
{% endif %}
{% for row in rows %}
<tr{% if row.case %} data-model="{{ row.model }}" data-case="{{ row.key }}"{% endif %}\
{% if sortable and row.case %} id="row-{{ loop.index }}"{% endif %} class="{{ row.form }}{{ ' failed' if row.error }}">
<th scope="row" data-value="{{ row.title }}">
{% if sortable and row.case %}
<span class="named"><button type="button" class="pick" aria-pressed="false">\
<span class="shape" aria-hidden="true"></span>{{ row.title }}</button>{{ marks(row) }}</span>
{% else %}
{{ shape(row.form) }}{{ row.title }}{{ marks(row) }}
{% endif %}
{{ below(row.form, row.setting) }}
{% if row.key in fronts %}
<span class="form"><a href="#pareto" class="on-front"><span aria-hidden="true">◆</span> on the front:</a> \
{{ fronts[row.key]|join(", ") }}</span>
{% endif %}
{% if row.detail %}
<span class="detail">{{ row.detail }}</span>
{% endif %}
</th>
{# Sorting finds a cell by its position. #}
{% set covered = covered_by(row, sortable) %}
{% if row.error %}
<td class="error" colspan="{{ covered }}"><span><strong>failed</strong> {{ row.error }}</span></td>
{% endif %}
{% for column in table.columns[covered:] %}
{% set cell = row.cells[covered + loop.index0] %}
<td{% if cell.value is not none %} data-value="{{ cell.value }}"{% endif %}\
{% if column.kind %} class="{{ column.kind }}"{% endif %}>\
<span class="value{{ ' quoted' if cell.quoted }}\
{{ ' warned' if cell.bad or (row.warnings and column.noisy and cell.value is not none) }}\
{{ ' outcome tone-' ~ cell.tone if cell.tone }}">\
{% if cell.sign %}<span class="sign" aria-hidden="true">{{ cell.sign }}</span>{% endif %}{{ cell.text }}</span>
{% if cell.paper_text %}
<span class="paper"><span class="hidden">paper: </span>{{ cell.paper_text }}</span>
{% endif %}
{% if cell.detail %}
<span class="detail">{{ cell.detail }}</span>
{% endif %}
{% if cell.share is not none %}
<svg class="gain" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">\
<rect width="{{ "%.1f"|format(100 * cell.share) }}" height="6"></rect></svg>
{% endif %}
</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
{% endfor %}
</table>
</div>"""


_EXPLAINED = """\
<details class="explained"><summary>What the columns mean</summary>
<dl class="columns">
{% for column in columns if column.explains %}
<div><dt>{{ column.head }}{{ ", " ~ column.unit.text if column.unit.text }}</dt><dd>{{ column.explains }}</dd></div>
{% endfor %}
</dl>
</details>"""

_NO_FRONTS: Mapping[str, Sequence[str]] = MappingProxyType({})


def explained(columns: Iterable[Column[Any]]) -> Markup:
    """What stands below a table: each column's head, unit and meaning, to be opened; on paper it is open."""
    return fragment(_EXPLAINED, columns=list(columns))


def _covered_by(row: Row, all_of_it: bool) -> int:
    """How many columns an error stands across: all, or up to the last one that the case has no figure for."""
    empty = [index for index, cell in enumerate(row.cells) if all_of_it or cell.value is None]
    return max(empty, default=len(row.cells) - 1) + 1 if row.error else 0


def table_html(
    table: Table,
    caption: str,
    kind: str,
    *,
    sortable: bool = False,
    fronts: Mapping[str, Sequence[str]] = _NO_FRONTS,
) -> Markup:
    """The table; `kind` is its class. A `sortable` one has heads that sort, and names of cases to pick; `fronts` are
    the costs, in a word each, at which a case is on a Pareto front, by its key."""
    return fragment(
        _TEMPLATE,
        table=table,
        caption=caption,
        kind=kind,
        sortable=sortable,
        fronts=fronts,
        groups=[(name, list(members)) for name, members in groupby(table.columns, key=lambda column: column.group)],
        bodies=[(heading, list(rows)) for heading, rows in groupby(table.rows, key=lambda row: row.below)],
        covered_by=_covered_by,
        notes=dict(table.footnotes),
        warning=WARNING,
        forms=FORM_TITLES,
        separator=SEPARATOR,
    )
