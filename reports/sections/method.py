"""How to read the page, and the data of it to take away."""

import json

from markupsafe import Markup

from ..formats import csv
from ..page import Page, fragment, json_text
from . import Section

_TEMPLATE = """\
<dl class="columns">
{% for column in columns %}
<div><dt>{{ column.head }}, {{ column.unit }}</dt><dd>{{ column.explains }}</dd></div>
{% endfor %}
</dl>
<ul>
<li>Each case ran in a process of its own: load, first prediction, warm-up, then the timed predictions.</li>
<li>Throughput is predictions divided by total time, never a mean of reciprocals, which would flatter a noisy \
machine.</li>
<li>Times are those of the calls that nothing disturbed, at the usual pace of the machine; a note says where that \
changed them by a hundredth or more, and what was measured.</li>
<li>A percentile is shown only where there are enough samples to claim it (64 for p90).</li>
<li>A letter beside a figure leads to a reason to doubt it. Figures without noise (MACs, parameters, memory) carry \
none.</li>
<li>Figures of the paper were taken on its machines with its code; they stand here for orientation, not for \
comparison to the digit.</li>
</ul>
<p class="downloads">
<button type="button" class="download" data-source="raw-records" data-file="records.jsonl" \
data-type="application/x-ndjson">Raw records (JSON lines)</button>
<button type="button" class="download" data-source="raw-table" data-file="table.csv" data-type="text/csv">\
Table (CSV)</button>
{% if others %}
Both are of the cases shown here, without {{ others }} more.
{% endif %}
</p>
<script type="application/json" id="raw-records">{{ raw_records }}</script>
<script type="application/json" id="raw-table">{{ raw_table }}</script>"""


def render(page: Page) -> Markup | None:
    if not page.records:
        return None
    lines = "".join(json.dumps(record.model_dump(mode="json"), ensure_ascii=False) + "\n" for record in page.shown)
    return fragment(
        _TEMPLATE,
        columns=[column for column in page.table.columns if not column.name.startswith("paper_")],
        others=len(page.records) - len(page.shown),
        raw_records=json_text(lines),
        raw_table=json_text(csv(page.table)),
    )


SECTION = Section("How to read this", order=60, render=render)
