"""The paper's tables and figures as one HTML file that needs no network: a `Paper` in, a string out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from ...bench.record.record import Record
from ...bench.stats.paper import PAPER_BOARDS, Curve, Paper, PaperCell, Reproduction
from ..charts.paper import Spot, StartLines, start_chart, tradeoff_chart
from ..html import Part, document
from ..notation import MISSING, Footnotes, number
from ..page import chart, fragment
from ..tables.html import explained, table_html
from ..tables.table import WARNING
from .tables import build, head_of, how, machine_of, machine_title, printed_text, shown_rows, text_of, title_of

SOURCE = "L. Hedegaard and A. Iosifidis, Continual 3D Convolutional Neural Networks, ECCV 2022"

_HEAD = """\
<h1 id="headline-title">{{ headline }}</h1>
<p class="circumstances">{{ source }}.\
{% if machines %} Measured on {{ machines|join(", ") }}.{% endif %}</p>
<ul class="legend">
<li>62.9: measured here, the paper's figure below it ({{ counts.measured }})</li>
<li><span class="quoted">62.80</span>: as the paper prints it ({{ counts.published }})</li>
<li>{{ dash }}: neither ({{ counts.missing }})</li>
</ul>
{% if commands %}
<p class="lead">These measure most of what is not measured here. Accuracy needs the films of Kinetics-400 and weights \
(<code>co3d-bench weights fetch x3d-s</code>); below each table stands the command of every single cell.</p>
<pre class="card">{% for command, count in commands %}{{ command.text }}  # {{ count }} cells
{% endfor %}</pre>
{% endif %}"""

_TABLE = """\
<p class="lead">{{ lead }}</p>
{{ table }}
{% if notes %}
<ol class="notes">
{% for mark, text in notes %}
<li id="note-{{ mark }}"><sup>{{ mark }}</sup> {{ text }}</li>
{% endfor %}
</ol>
{% endif %}
{% if warnings %}
<details class="warnings" id="warnings"><summary><span class="marks">{{ warning }}</span> {{ warnings|length }} of \
{{ table_rows }} rows carry a warning</summary>
<ul>
{% for title, why in warnings %}
<li><strong>{{ title }}</strong>: {{ why }}</li>
{% endfor %}
</ul>
</details>
{% endif %}
{% if measured %}
<details class="explained"><summary>How each figure was measured</summary>
<ul>
{% for title, head, text, how in measured %}
<li>{{ title }}, {{ head }}: {{ text }} ({{ how }})</li>
{% endfor %}
</ul>
</details>
{% endif %}
{% if commands %}
<details class="explained"><summary>The command of each cell that is not measured here</summary>
<pre>{% for command, what in commands %}{{ command }}  # {{ what }}
{% endfor %}</pre>
</details>
{% endif %}
{{ explained }}"""

_LEADS = {
    1: "Top-1 accuracy on Kinetics-400 by one clip or, for frame networks, at the last frame of a film; the cost of "
    "one prediction; and how many a second a device gives. Which processor the paper means we do not know, so nothing "
    "measured here stands in that column. Its authors' scripts ran larger batches on Xavier and RTX 2080 Ti, and half "
    "precision on the Xavier; here it is one clip or frame a call, in float32.",
    2: "Mean average precision on Charades, with weights for Charades.",
    3: "A longer last average, with every film shown at 15 frames a second to weights that were trained at 5 or 6. "
    "Footnotes mark what the paper prints in its own italics.",
}

_FIGURE1 = """\
<p class="lead">Squares are clip networks, circles frame networks; a line leads from a clip network to its frame \
version, and on to the longer pool. Hollow: both figures as the paper prints them. Filled: both measured here, \
with the interval of the accuracy.{% if half %} On this machine a hollow point has the speed that was measured here \
and the paper's accuracy.{% endif %}</p>
<div class="plots">
{% for title, drawing in plots %}
<figure class="card"><figcaption>{{ title }}</figcaption>{{ drawing }}</figure>
{% endfor %}
</div>"""

_FIGURE5 = """\
<p class="lead">Accuracy over the frames seen since the start, at 15 frames a second. The paper prints no curves in \
figures: of them only what its text says is drawn, in grey and hollow. Measured curves have their intervals; solid: a \
start of zeros, dashed: the first frame repeated.</p>
<div class="plots">
{% for title, drawing, measured, others, command in plots %}
<figure class="card"><figcaption>{{ title }}</figcaption>{{ drawing }}
{% for text in measured %}
<p class="note">{{ text }}</p>
{% endfor %}
{% for text in others %}
<p class="note">measured otherwise: {{ text }}</p>
{% endfor %}
{% if command %}
<pre>{{ command }}</pre>
{% endif %}
</figure>
{% endfor %}
</div>"""

_METHOD = """\
<ul>
<li>Only what was measured under the paper's conditions stands in a cell: public weights of the network, float32, the \
frame rate of the table, and at least nine in ten of the films that its dataset has. What was measured otherwise \
stands in a footnote, with what is different.</li>
<li>Weights are known by the name of their file, films by their number and that of their classes, as the records \
have them.</li>
<li>A speed stands in the column of a device only if the record is of that kind of device; other machines have columns \
of their own. It is that of PyTorch, in float32, of one clip or frame a call. Other engines are in \
<code>co3d-bench report</code>.</li>
<li>Every figure is computed from the records of the store alone.</li>
</ul>"""


def html(paper: Paper) -> str:
    """The whole page."""
    notes, first = Footnotes(), True
    parts = []
    for each in paper.tables:
        parts.append(Part(f"table-{each.table.number}", title_of(each), _table(each, paper, notes, warn=first)))
        first = False
    parts.append(Part("figure-1", "Figure 1: accuracy against cost", _figure1(paper)))
    parts.append(Part("figure-5", "Figure 5: the start of a network", _figure5(paper)))
    parts.append(Part("method", "How to read this", fragment(_METHOD)))
    return document(_headline(paper), [_head(paper)], parts)


def _headline(paper: Paper) -> str:
    counts = paper.counts()
    measured, cells = counts.get("measured", 0), sum(counts.values())
    if not measured:
        return "The paper's tables and figures; nothing is measured here yet"
    return f"The paper's tables and figures: {measured} of {cells} cells measured here"


def _head(paper: Paper) -> Markup:
    measured = [cell.measured.record for cell in paper.cells if cell.measured]
    return fragment(
        _HEAD,
        headline=_headline(paper),
        source=SOURCE,
        machines=list(dict.fromkeys(map(machine_of, measured))),
        counts={"measured": 0, "published": 0, "missing": 0, **paper.counts()},
        dash=MISSING,
        commands=paper.commands(),
    )


def _table(reproduction: Reproduction, paper: Paper, notes: Footnotes, *, warn: bool) -> Markup:
    before = {mark for mark, _ in notes.all()}
    table = build(reproduction, paper, notes, commands=False)
    return fragment(
        _TABLE,
        lead=_LEADS[reproduction.table.number],
        table=table_html(table, title_of(reproduction), "paper-table"),
        notes=[note for note in table.footnotes if note[0] not in before],
        warnings=table.warnings if warn else (),
        warning=WARNING,
        table_rows=len(table.rows),
        measured=list(_measured(shown_rows(reproduction), paper)),
        commands=list(_commands(reproduction.rows, paper)),
        explained=explained(table.columns),
    )


def _measured(rows: Sequence[Sequence[PaperCell]], paper: Paper) -> Iterator[tuple[str, str, str, str]]:
    for row in rows:
        for cell in row:
            if cell.measured:
                head = head_of(cell, paper.machines).text
                yield row[0].line.spec.title, head, f"{text_of(cell)} {cell.unit.text}", how(cell.measured)


def _commands(rows: Sequence[Sequence[PaperCell]], paper: Paper) -> Iterator[tuple[str, str]]:
    """Each command once, with the network and the cells that it fills."""
    for row in rows:
        found: dict[str, list[str]] = {}
        for cell in row:
            if cell.command and not cell.measured:
                found.setdefault(cell.command.text, []).append(head_of(cell, paper.machines).text)
        yield from ((text, f"{row[0].line.spec.title}: {', '.join(heads)}") for text, heads in found.items())


# --- Figure 1


def _figure1(paper: Paper) -> Markup:
    plots = [
        (title, chart(spec, title))
        for title, across, key in _costs(paper)
        if (spec := tradeoff_chart(list(spots_of(paper.tables[0], key)), title, across))
    ]
    half = any(cell.machine and cell.measured for cell in paper.cells)
    return fragment(_FIGURE1, plots=plots, half=half)


def _costs(paper: Paper) -> Iterator[tuple[str, str, int]]:
    """(title, axis, position of the cost among a row's cells): MACs, the machines here, the paper's devices."""
    row = paper.tables[0].rows[0]
    at = {cell.key: index for index, cell in enumerate(row)}
    yield "Accuracy against computation", "multiply-accumulates of one prediction, G (log)", at["macs"]
    for index, cell in enumerate(row):
        if cell.machine and any(cells[index].measured for cells in paper.tables[0].rows):
            yield f"Accuracy against speed: {machine_title(cell.machine, paper.machines)}", _SPEED, index
    for key in ("cpu", *PAPER_BOARDS):
        yield f"Accuracy against speed: {head_of(row[at[key]], paper.machines).text}", _SPEED, at[key]


_SPEED = "predictions/s (log)"


def spots_of(reproduction: Reproduction, index: int) -> Iterator[Spot]:
    """The paper's point of each network, and ours. On a machine that is none of the paper's, where an accuracy was not
    measured, the paper's stands over our speed."""
    for row in reproduction.rows:
        accuracy, cost = row[0], row[index]
        if accuracy.measured and cost.measured:
            found = accuracy.measured
            yield _spot(accuracy, cost, cost.measured.value, (found.value, found.low, found.high), here=True)
        if accuracy.printed and cost.printed:
            yield _spot(accuracy, cost, cost.printed.value, (accuracy.printed.value, None, None))
        elif accuracy.printed and cost.machine and cost.measured and not accuracy.measured:
            yield _spot(accuracy, cost, cost.measured.value, (accuracy.printed.value, None, None))


def _spot(
    accuracy: PaperCell, cost: PaperCell, x: float, y: tuple[float, float | None, float | None], *, here: bool = False
) -> Spot:
    spec = accuracy.line.spec
    tooltip = {
        "Accuracy": f"{text_of(accuracy) if here else printed_text(accuracy)} %",
        "Cost": f"{number(x)} {cost.unit.text}",
        "From": "measured here" if here else "the paper",
    }
    if not here and cost.machine:
        tooltip["From"] = "accuracy: the paper; speed: measured here"
    return Spot(accuracy.line.model, spec.title, spec.form, accuracy.line.before, x, *y, here, tooltip)


# --- Figure 5


def _figure5(paper: Paper) -> Markup:
    plots = [
        (
            _title(curve),
            chart(start_chart(lines_of(curve)), f"{_title(curve)} since its start"),
            [f"{_start(record)}: {_shown(record)}, {_how(record)}" for record in curve.measured],
            [f"{', '.join(why)} ({_how(record)})" for record, why in curve.others],
            curve.command.text if not curve.measured else "",
        )
        for curve in paper.curves
    ]
    return fragment(_FIGURE5, plots=plots)


def _title(curve: Curve) -> str:
    return curve.line.spec.title


def _start(record: Record) -> str:
    return record.case.transient.start if record.case.transient else ""


def _shown(record: Record) -> str:
    run = record.transient
    return f"{run.shown:,} films of {run.source}" if run else ""


def _how(record: Record) -> str:
    weights = record.model.weights if record.model else ""
    return ", ".join((machine_of(record), record.case.backend, record.case.precision, weights))


def lines_of(curve: Curve) -> StartLines:
    printed = curve.printed
    curves = {
        _start(record): [(100 * each.value, 100 * each.low, 100 * each.high) for each in record.transient.curve]
        for record in curve.measured
        if record.transient
    }
    return StartLines(
        _title(curve),
        curve.clip.title,
        printed.delay,
        printed.steady.value,
        printed.clip.value,
        (printed.seen, printed.peak.value),
        curves,
    )
