"""Operations of one prediction by every counter: the paper's way beside its cross-checks."""

from collections.abc import Callable

from markupsafe import Markup

from ...bench.record.record import Counters
from ...bench.stats.metrics import G
from ..notation import number
from ..page import Page, fragment
from ..select import model_title, with_source
from ..tables.html import explained, table_html
from ..tables.table import Column, Row, Table, cells, figure
from . import Section


def _counted(head: str, explains: str, value: Callable[[Counters], float | None]) -> Column[Counters]:
    return figure(head, value, G, lambda shown: number(shown, digits=4), explains=explains)


# The differences are explained in METHODOLOGY.md.
COLUMNS = (
    _counted("As the paper", "ptflops' module hooks, with their peculiarities in frame networks", lambda c: c.macs),
    _counted(
        "Each layer once",
        "the same hooks, every layer once and in full: the figure to plan with",
        lambda c: c.macs_once,
    ),
    _counted("Newest ptflops", "functional and tensor operations too", lambda c: c.macs_functional),
    _counted("ptflops, aten", "convolutions and matrix products as really executed", lambda c: c.macs_aten),
    _counted(
        "torch, halved",
        "torch.utils.flop_counter at two a multiply-accumulate",
        lambda c: None if c.flops_torch is None else c.flops_torch / 2,
    ),
)

_TEMPLATE = """\
<p class="lead">Multiply-accumulates of one prediction, in 10<sup>9</sup>. Counters differ in what they call an \
operation; a large difference would be a reason for concern.</p>
{{ table }}
{{ explained }}
<p>Counted by {{ counters|join(", ") }}.</p>"""


def render(page: Page) -> Markup | None:
    # Counted once for each network of a source: threads, batches and backends do not change what is counted.
    counted = {with_source(model_title(case), case): case.counters for case in page.records if case.counters}
    if not counted:
        return None
    table = Table("Network", COLUMNS, tuple(Row(title, cells(COLUMNS, each)) for title, each in counted.items()))
    return fragment(
        _TEMPLATE,
        table=table_html(table, "Multiply-accumulates of one prediction by each counter", "counting"),
        explained=explained(COLUMNS),
        counters=list(dict.fromkeys(each.counter for each in counted.values())),
    )


SECTION = Section("Operations, counted", order=45, render=render)
