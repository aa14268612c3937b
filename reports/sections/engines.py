"""Each network by each engine and precision: speed against eager, what it takes to get there, and how right it is."""

from markupsafe import Markup

from ..engines import EngineGroup, EngineRow, groups
from ..notation import MISSING, number
from ..page import Page, explained, fragment
from ..select import FORM_TITLES
from ..table import WARNING
from . import Section

# head, unit, what it means
COLUMNS = (
    ("Latency", "ms", "lower median of the processes, and its 95 % interval"),
    ("Speed", "\u00d7 eager", "how many times as fast as eager float32 of the same network, threads and batch"),
    ("Build", "s", "what the engine does once before it can be called: folding, exporting, compiling"),
    ("First run", "s", "the very first prediction of a fresh process, after the build"),
    ("File", "MB", "what was built, as it lies on the disk"),
    ("Resident", "MB", "highest resident memory of the process, libraries and build included"),
    ("Difference", "max", "largest difference of any score from eager float32, against the largest score"),
    ("Difference", "L2", "of all scores together"),
    ("Same class", "%", "predictions with the same best class as eager float32"),
)

_TEMPLATE = """\
<p class="lead">Every answer was compared with eager float32 before its speed was believed: over a stream of frames, \
or many clips. Wrong ones have no speed. Fastest first.</p>
<div class="scroll" role="region" tabindex="0" aria-label="Table of engines, scrolls sideways">
<table class="engines">
<caption>Each network by each engine and precision, compared with eager float32</caption>
<thead><tr><th scope="col">Engine</th>
{% for head, unit, explains in columns %}
<th scope="col" title="{{ explains }}">{{ head }}<span class="unit">{{ unit }}</span></th>
{% endfor %}
</tr></thead>
{% for group in groups %}
<tbody class="{{ group.form }}">
<tr class="network"><th scope="rowgroup"><span class="shape" aria-hidden="true"></span>{{ group.title }}
<span class="form">{{ forms.get(group.form, "") }}{{ " · " ~ group.setting if group.setting }}</span></th>
<td colspan="{{ columns|length }}"></td></tr>
{% for row in group.rows %}
<tr data-model="{{ row.model }}" data-case="{{ row.key }}"{% if row.error %} class="failed"{% endif %}>
<th scope="row">{{ row.title }}
{% if row.detail %}
<span class="detail">{{ row.detail }}</span>
{% endif %}
</th>
{% if row.error %}
<td class="error" colspan="6"><span><strong>{{ "wrong answer, no speed" if row.wrong else "failed" }}</strong> \
{{ row.error.split(": ", 1)[-1] }}</span></td>
{% else %}
<td><span class="value{{ ' warned' if row.warnings }}">{{ latency(row) }}</span>\
{% if row.warnings %}<sup class="marks"><a href="#warnings" title="{{ row.warnings|join("; ") }}" \
aria-label="warning on {{ row.title }}">{{ mark }}</a></sup>{% endif %}
</td>
<td class="speed"><span class="value{{ ' warned' if row.warnings }}">{{ number(row.speed) }}</span>
{% if row.speed is not none %}
<svg class="gain" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">\
<rect width="{{ share(row) }}" height="6"></rect></svg>
{% endif %}
</td>
<td>{{ number(row.prepare_s, 2) }}</td>
<td>{{ number(row.first_prediction_s, 2) }}</td>
<td>{{ mega(row.artefact_bytes) }}</td>
<td>{{ mega(row.peak_rss_bytes) }}</td>
{% endif %}
{% if row.is_reference %}
<td class="reference" colspan="3">the reference</td>
{% else %}
<td>{{ small(row.difference) }}</td>
<td>{{ small(row.relative_l2) }}</td>
<td>{{ percent(row.top1_agreement) }}</td>
{% endif %}
</tr>
{% endfor %}
</tbody>
{% endfor %}
</table>
</div>
{{ explained }}
{% if notes %}
<ul class="engine-notes">
{% for text, told in notes %}
<li>{{ text }} <span>({{ told|join(", ") }})</span></li>
{% endfor %}
</ul>
{% endif %}"""


def small(value: float | None) -> str:
    """A relative difference, which may be anything from a rounding error on: 2.1e-07, 0.0043."""
    return MISSING if value is None else f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.2g}"


def mega(count: int | None) -> str:
    """Bytes in 10^6."""
    return number(None if count is None else count / 1e6)


def percent(share: float | None) -> str:
    """A share in percent; 100 only where it is all."""
    if share is None:
        return MISSING
    text = f"{100 * share:.1f}"
    return "100" if share == 1 else "99.9" if text == "100.0" else text


def notes_of(found: tuple[EngineGroup, ...]) -> list[tuple[str, list[str]]]:
    """Each note once, with the engines it is about."""
    told: dict[str, dict[str, None]] = {}
    for group in found:
        for row in group.rows:
            for note in row.notes:
                told.setdefault(note, {})[row.title] = None
    return [(note, list(titles)) for note, titles in told.items()]


def render(page: Page) -> Markup | None:
    found = groups(page.shown)
    if not found:
        return None
    fastest = {row.key: max((r.speed or 0 for r in group.rows), default=0) for group in found for row in group.rows}

    def share(row: EngineRow) -> str:
        return f"{100 * (row.speed or 0) / (fastest[row.key] or 1):.1f}"

    return fragment(
        _TEMPLATE,
        columns=COLUMNS,
        explained=explained(COLUMNS),
        groups=found,
        forms=FORM_TITLES,
        latency=lambda row: row.latency_text,
        mark=WARNING,
        share=share,
        number=number,
        small=small,
        mega=mega,
        percent=percent,
        notes=notes_of(found),
    )


SECTION = Section("Engines and precisions", order=15, render=render)
