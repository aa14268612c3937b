"""What the sensors of each device read, the energy of a prediction, and the figures of a GPU."""

from collections.abc import Sequence

from markupsafe import Markup

from ...bench.stats.case_result import CaseResult
from ..device import CUDA_COLUMNS, DEVICE_COLUMNS, Group, groups
from ..engines import worth_most
from ..page import Page, fragment
from ..tables.html import explained, table_html
from ..tables.results import case_rows
from ..tables.table import Column, Table, filled
from . import Section

# To keep the page usable; `co3d-bench query` has all of them.
MOST_ROWS = 60

_TEMPLATE = """\
<p class="lead">Sensors were read by a process of their own; energy and copies were measured apart from the latency. \
For what could not be read, the reason is below the table.\
{% if others %} {{ others }} more cases are in <code>co3d-bench query</code>.{% endif %}</p>
{% for group, tables in devices %}
<div class="group">
{% if devices|length > 1 %}
<h3>{{ group.title }}</h3>
{% endif %}
{% for fact in group.facts %}
<p class="device-fact">{{ fact }}</p>
{% endfor %}
{% for table in tables %}
{{ table }}
{% endfor %}
<ul class="engine-notes">
{% for note in group.notes %}
<li>{{ note }}</li>
{% endfor %}
{% for lack in group.missing %}
<li>Without {{ lack.names|join(", ") }}: {{ lack.reason }}\
{% if lack.cases %} <span>({{ lack.cases }})</span>{% endif %}</li>
{% endfor %}
{% if group.cost %}
<li>{{ group.cost }}</li>
{% endif %}
</ul>
</div>
{% endfor %}"""


def _table(caption: str, columns: tuple[Column[CaseResult], ...], cases: Sequence[CaseResult]) -> list[Markup]:
    """Empty without columns or cases. The heading names the device; rows name only what differs between its cases."""
    if not (columns and cases):
        return []
    return [table_html(Table("Network", columns, case_rows(columns, cases)), caption, "device"), explained(columns)]


def _device(group: Group, shown: set[str]) -> tuple[Group, list[Markup]]:
    cases = [case for case in group.records if case.key in shown]
    on_gpu = [case for case in cases if case.cuda]
    did = _table(f"What {group.title} did", filled(DEVICE_COLUMNS, group.records), cases)
    gpu = _table(f"Time, copies and memory of {group.title}", filled(CUDA_COLUMNS, group.records), on_gpu)
    return group, did + gpu


def render(page: Page) -> Markup | None:
    by_key = {case.key: case for case in page.records}
    found = groups([by_key[row.key] for row in page.table.rows])
    if not found:
        return None
    reported = [case for group in found for case in group.records]
    shown = {case.key for case in worth_most(reported, MOST_ROWS)}
    return fragment(_TEMPLATE, devices=[_device(group, shown) for group in found], others=len(reported) - len(shown))


SECTION = Section("What the device did", order=32, render=render)
