"""Operations of one prediction by every counter: the paper's way beside its cross-checks."""

from markupsafe import Markup

from ...bench.record.record import Counters
from ..notation import number
from ..page import Page, explained, fragment
from . import Section

# head, what it counts, figure in 10^9; the differences are explained in METHODOLOGY.md
COLUMNS = (
    ("As the paper", "ptflops' module hooks, with what they did to frame networks", lambda c: c.macs),
    ("Each layer once", "the same hooks, every layer once and in full: the figure to plan with", lambda c: c.macs_once),
    ("Newest ptflops", "functional and tensor operations too", lambda c: c.macs_functional),
    ("ptflops, aten", "convolutions and products as they are really called", lambda c: c.macs_aten),
    ("torch, halved", "torch.utils.flop_counter at two a multiply-accumulate", lambda c: _half(c.flops_torch)),
)

_TEMPLATE = """\
<p class="lead">Multiply-accumulates of one prediction, in 10<sup>9</sup>. Counters differ in what they call an \
operation; a large difference would be a reason to doubt.</p>
<div class="scroll" role="region" tabindex="0" aria-label="Table of counted operations, scrolls sideways">
<table class="counting">
<caption>Multiply-accumulates of one prediction by each counter</caption>
<thead><tr><th scope="col">Network</th>
{% for head, explains, _ in columns %}
<th scope="col" title="{{ explains }}">{{ head }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for title, cells in rows %}
<tr><th scope="row">{{ title }}</th>
{% for cell in cells %}
<td>{{ cell }}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</div>
{{ explained }}
<p>Counted by {{ counters|join(", ") }}.</p>"""


def _half(flops: int | None) -> float | None:
    return None if flops is None else flops / 2


def _cells(counters: Counters) -> list[str]:
    values = [value(counters) for _, _, value in COLUMNS]
    return [number(None if value is None else value / 1e9, digits=4) for value in values]


def render(page: Page) -> Markup | None:
    # Counted once for each network: threads, batches and backends do not change what is counted.
    rows = {
        record.model.title if record.model else record.case.model: record.counters
        for record in page.records
        if record.counters
    }
    if not rows:
        return None
    return fragment(
        _TEMPLATE,
        columns=COLUMNS,
        explained=explained((head, "", explains) for head, explains, _ in COLUMNS),
        rows=[(title, _cells(counters)) for title, counters in rows.items()],
        counters=list(dict.fromkeys(counters.counter for counters in rows.values())),
    )


SECTION = Section("Operations, counted", order=45, render=render)
