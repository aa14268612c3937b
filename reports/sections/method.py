"""How to read the page, and its raw data to download."""

from markupsafe import Markup

from ..page import Page, fragment, json_text
from . import Section

_TEMPLATE = """\
<ul>
<li>In each process: load, first prediction, warm-up, then the timed predictions.</li>
<li>Throughput is predictions divided by total time, never a mean of reciprocals, which would make a noisy \
machine look faster.</li>
<li>Each case ran in several fresh processes. Shown is the lower median of the processes, figure by figure, so that \
every figure is in a record. Beside it is its 95 % interval; with fewer than six processes, their range and number. No \
sample and no process is left out or corrected.</li>
<li>A percentile is shown only where there are enough samples for it (64 for p90).</li>
<li>A ! marks a row with a warning about its speed: its interval is wide, other work kept cores busy, or the device \
throttled. Figures without noise (MACs, parameters, memory) are not affected.</li>
<li>Figures of the paper were measured on other machines with other code; they are for orientation, not for an \
exact comparison.</li>
</ul>
<p class="downloads">
<button type="button" class="download" data-source="raw-records" data-file="records.jsonl" \
data-type="application/x-ndjson">Raw records (JSON lines)</button>
{% if others %}
Only those of the cases shown here; {{ others }} more cases are in the store.
{% endif %}
</p>
<script type="application/json" id="raw-records">{{ raw_records }}</script>"""


def render(page: Page) -> Markup | None:
    if not page.records:
        return None
    lines = "".join(record.model_dump_json() + "\n" for result in page.shown for record in result.records)
    return fragment(
        _TEMPLATE,
        others=len(page.records) - len(page.shown),
        raw_records=json_text(lines),
    )


SECTION = Section("How to read this", order=60, render=render)
