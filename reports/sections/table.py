"""The table: every case with what was measured and what the paper prints. Columns sort; rows can be picked."""

from markupsafe import Markup

from ..downloads import csv_lines
from ..page import Page, fragment, json_text
from ..tables.html import explained, table_html
from ..tables.results import ENGINES
from ..tables.table import WARNING
from . import Section

_TEMPLATE = """\
<p class="lead"><span class="scripted">Click a network to highlight it everywhere, a column head to sort.</span> \
Small figures below are the paper's.{% if others %} {{ others }} more cases were measured: \
<code>co3d-bench report -o report.csv</code> writes all of them.{% endif %}</p>
{{ table }}
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
{{ rows }} rows carry a warning</summary>
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
{% for mark, text in notes %}
<li id="note-{{ mark }}"><sup>{{ mark }}</sup> {{ text }}</li>
{% endfor %}
</ol>
{% endif %}"""


def render(page: Page) -> Markup | None:
    table = page.table.only(lambda column: column.group != ENGINES)  # which have a section of their own
    if not table.rows:
        return None
    caption = "Measured figures of each network, with the figures of the paper below them"
    return fragment(
        _TEMPLATE,
        table=table_html(table, caption, "results", sortable=True, fronts=page.fronts),
        rows=len(table.rows),
        notes=table.footnotes,
        warnings=table.warnings,
        mark=WARNING,
        others=len(page.records) - len(table.rows),
        fronts=page.fronts,
        lines=json_text(csv_lines(page.shown)),
        explained=explained(table.columns),
    )


SECTION = Section("All networks", order=10, render=render)
