"""What the sensors of each device saw, what a prediction took of energy, and the figures of a GPU."""

from itertools import groupby

from markupsafe import Markup

from ...bench.stats.case_result import CaseResult
from ..device import CUDA_COLUMNS, DEVICE_COLUMNS, Column, Group, columns_of, groups
from ..engines import worth_most
from ..notation import MISSING
from ..page import Page, explained, fragment
from ..select import FORM_TITLES, model_title, setting_of, short_titles
from . import Section

# The page stays usable; `co3d-bench query` has all of them.
MOST_ROWS = 60

_TEMPLATE = """\
{% macro raised(warnings, of) %}
{% if warnings %}
<sup class="marks"><a href="#warnings" title="{{ warnings|join("; ") }}" aria-label="warning on {{ of }}">!</a></sup>
{% endif %}
{% endmacro %}
<p class="lead">Sensors were read by a process of their own; energy and copies were measured apart from the latency. \
What could not be read has its reason below the table, and no figure.\
{% if others %} {{ others }} more cases are in <code>co3d-bench query</code>.{% endif %}</p>
{% for device in devices %}
<div class="group">
{% if devices|length > 1 %}
<h3>{{ device.group.title }}</h3>
{% endif %}
{% for fact in device.group.facts %}
<p class="device-fact">{{ fact }}</p>
{% endfor %}
{% for table in device.tables %}
<div class="scroll device" role="region" tabindex="0" aria-label="{{ table.caption }}, scrolls sideways">
<table>
<caption>{{ table.caption }}</caption>
<thead>
<tr class="groups"><td></td>
{% for name, span in table.heads %}
<th colspan="{{ span }}" scope="colgroup">{{ name }}</th>
{% endfor %}
</tr>
<tr><th scope="col">Network</th>
{% for column in table.columns %}
<th scope="col"{% if column.words %} class="words"{% endif %} title="{{ column.explains }}">{{ column.head }}\
{% if column.unit %}<span class="unit">{{ column.unit }}</span>{% endif %}</th>
{% endfor %}
</tr>
</thead>
<tbody>
{% for row in table.rows %}
<tr data-model="{{ row.model }}" data-case="{{ row.key }}" class="{{ row.form }}">
<th scope="row"><span class="shape" aria-hidden="true"></span>{{ row.title }}
<span class="form">{{ forms.get(row.form, "") }}{{ " · " ~ row.setting if row.setting }}</span></th>
{% for column, lines in row.cells %}
<td{% if column.words %} class="words"{% endif %}>
{% for line in lines %}
<span class="value{{ ' warned' if line.bad or (column.noisy and row.warnings) }}">{{ line.text }}</span>\
{{ raised(row.warnings, column.head) if column.noisy }}
{% if line.detail %}
<span class="detail">{{ line.detail }}</span>
{% endif %}
{% else %}
{{ missing }}
{% endfor %}
</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</div>
{{ table.explained }}
{% endfor %}
<ul class="engine-notes">
{% for note in device.group.notes %}
<li>{{ note }}</li>
{% endfor %}
{% for lack in device.group.missing %}
<li>Without {{ lack.names|join(", ") }}: {{ lack.reason }}\
{% if lack.cases %} <span>({{ lack.cases }})</span>{% endif %}</li>
{% endfor %}
{% if device.group.cost %}
<li>{{ device.group.cost }}</li>
{% endif %}
</ul>
</div>
{% endfor %}"""


def _row(page: Page, record: CaseResult, columns: tuple[Column, ...], setting: str) -> dict[str, object]:
    return {
        "key": record.key,
        "model": record.case.model,
        "title": model_title(record),
        "form": record.model.form if record.model else "",
        "setting": setting,
        "warnings": record.warnings,
        "cells": [(column, column.read(record)) for column in columns],
    }


def _table(
    page: Page, caption: str, columns: tuple[Column, ...], records: list[CaseResult]
) -> dict[str, object] | None:
    if not (columns and records):
        return None
    # The heading tells the device; only what tells its own cases apart stands in their rows.
    settings = short_titles(setting_of(record.case) for record in records)
    several = len(settings) > 1
    return {
        "caption": caption,
        "heads": [(name, len(list(members))) for name, members in groupby(columns, key=lambda column: column.group)],
        "columns": columns,
        "explained": explained((column.head, column.unit, column.explains) for column in columns),
        "rows": [
            _row(page, record, columns, settings[setting_of(record.case)] if several else "") for record in records
        ],
    }


def _device(page: Page, group: Group, shown: set[str]) -> dict[str, object]:
    records = [record for record in group.records if record.key in shown]
    on_gpu = [record for record in records if record.cuda]
    tables = [
        _table(page, f"What {group.title} did", columns_of(DEVICE_COLUMNS, group.records), records),
        _table(page, f"Time, copies and memory of {group.title}", columns_of(CUDA_COLUMNS, group.records), on_gpu),
    ]
    return {"group": group, "tables": [table for table in tables if table]}


def render(page: Page) -> Markup | None:
    by_key = {record.key: record for record in page.records}
    found = groups([by_key[row.key] for row in page.table.rows])
    if not found:
        return None
    told = [record for group in found for record in group.records]
    shown = {record.key for record in worth_most(told, MOST_ROWS)}
    return fragment(
        _TEMPLATE,
        devices=[_device(page, group, shown) for group in found],
        forms=FORM_TITLES,
        missing=MISSING,
        others=len(told) - len(shown),
    )


SECTION = Section("What the device did", order=32, render=render)
