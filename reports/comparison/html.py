"""A comparison as one HTML file that needs no network: a `Comparison` in, a string out."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ...bench.stats.compare.findings import Comparison, Finding
from ..html import Part, document
from ..page import chart, fragment
from ..tables.html import table_html
from . import words
from .plot import MOST_ROWS, drawn, interval_chart
from .table import table_of

_OUTCOME = """\
{% macro outcome(style) %}<span class="outcome tone-{{ style.colour }}">\
<span class="sign" aria-hidden="true">{{ style.sign }}</span>{{ style.word }}</span>{% endmacro %}
"""

_HEAD = (
    _OUTCOME
    + """\
<h1 id="headline-title">{{ headline }}</h1>
<dl class="base-and-head">
<dt>base</dt><dd>{{ comparison.base }}</dd>
<dt>head</dt><dd>{{ comparison.head }}</dd>
<dt>limit</dt><dd>{{ limit }} worse</dd>
{% if common %}
<dt>all</dt><dd>{{ common }}</dd>
{% endif %}
</dl>
{% if comparison.notes %}
<ul class="warning caveats">
{% for note in comparison.notes %}
<li>{{ note }}</li>
{% endfor %}
</ul>
{% endif %}
<ul class="tally" aria-label="How many rows of each outcome">
{% for style, count in tally %}
<li class="tone-{{ style.colour }}{{ ' hollow' if style.hollow }}"><strong>{{ count }}</strong>{{ outcome(style) }}</li>
{% endfor %}
{% if exact %}
<li class="tone-muted plain">{{ exact }}</li>
{% endif %}
</ul>"""
)

_PLOT = (
    _OUTCOME
    + """\
<p class="lead">The mark is the estimate, the line its {{ confidence }} interval. In the shaded band, {{ limit }} on \
either side, head and base count as the same.\
{{ " A dashed line rests on one process each of base and head." if dashed }}</p>
<ul class="legend">
{% for style in styles %}
<li>{{ outcome(style) }}</li>
{% endfor %}
</ul>
<figure class="card">{{ drawing }}</figure>
{% if left %}
<p class="lead">{{ left }} more rows are in the table.</p>
{% endif %}"""
)

_JUDGED = """\
<p class="lead">Cost is that of the head relative to the base, above 0 is worse: for a rate the time per prediction, \
else the figure itself.</p>
{{ table }}
{% if star %}
<p class="lead star">{{ star }}</p>
{% endif %}"""

_EXACT = """\
<p class="lead">These have no noise, so any difference is a change. {{ summary }}</p>
{% if changed %}
{{ changed }}
{% endif %}
{% if same %}
<details><summary>Unchanged figures</summary>
{{ same }}
</details>
{% endif %}"""

_ASIDE = (
    _OUTCOME
    + """\
<p class="lead">These rows have no verdict.</p>
<ul class="asides">
{% for name, label, style, reasons in rows %}
<li class="tone-{{ style.colour }}"><p>{{ outcome(style) }} <strong>{{ name }}</strong>\
{{ " · " ~ label if label }}</p>
{% if reasons %}
<ul>
{% for reason in reasons %}
<li>{{ reason }}</li>
{% endfor %}
</ul>
{% endif %}
</li>
{% endfor %}
</ul>"""
)

_METHOD = """\
<ul>
{% for name, style in styles %}
<li><strong>{{ style.sign }} {{ style.word }}</strong>: {{ style.explains }}.</li>
{% endfor %}
<li>An estimate rests on several fresh processes, never on the samples of one: what differs from process to process is
the same for all samples of one process.</li>
<li>Rows are judged only where machine, settings and versions of base and head agree.</li>
<li>Exact figures have no noise: any difference is a change.</li>
</ul>"""


def html(comparison: Comparison) -> str:
    """The whole page as a string."""
    parts = [
        ("intervals", "Intervals", _plot(comparison)),
        ("rows", "What was judged", _judged(comparison)),
        ("aside", "Without a verdict", _without_verdict(comparison)),
        ("exact", "Exact figures", _exact(comparison)),
        ("method", "How to read this", fragment(_METHOD, styles=words.OUTCOMES.items())),
    ]
    return document(
        words.headline(comparison),
        [_head(comparison)],
        [Part(name, title, part) for name, title, part in parts if part is not None],
        styles=("comparison.css",),
    )


def _head(comparison: Comparison) -> Markup:
    noisy = [finding for finding in comparison.findings if finding.status != "exact"]
    return fragment(
        _HEAD,
        comparison=comparison,
        headline=words.headline(comparison),
        limit=words.percent(comparison.max_slowdown),
        common=words.short_keys(comparison.findings).common,
        tally=[(words.OUTCOMES[name], count) for name, count in words.counts(noisy).items()],
        exact=words.exact_counted(comparison),
    )


def _plot(comparison: Comparison) -> Markup | None:
    spec = interval_chart(comparison)
    if spec is None:
        return None
    shown = drawn(comparison)
    confidence = {found.confidence for finding in shown if (found := words.estimate(finding))}
    return fragment(
        _PLOT,
        drawing=chart(spec, "Cost of the head against the base, with intervals"),
        styles=[words.OUTCOMES[name] for name in words.counts(shown)],
        limit=words.percent(comparison.max_slowdown),
        confidence=" or ".join(words.percent(share) for share in sorted(confidence)),
        dashed=words.has_within(comparison),
        left=len(words.judged(comparison)) - len(shown) if len(shown) == MOST_ROWS else 0,
    )


def _rows(comparison: Comparison, findings: Sequence[Finding], caption: str) -> Markup | None:
    if not findings:
        return None
    table = table_of(findings, words.short_keys(comparison.findings))
    return table_html(table, caption, "results comparison", sortable=True)


def _judged(comparison: Comparison) -> Markup | None:
    table = _rows(comparison, words.judged(comparison), "Estimates and verdicts")
    star = words.WITHIN if words.has_within(comparison) else None
    return None if table is None else fragment(_JUDGED, table=table, star=star)


def _exact(comparison: Comparison) -> Markup | None:
    findings = words.exact(comparison)
    same = [finding for finding in findings if words.outcome(finding) == "equivalent"]
    changed = [finding for finding in findings if words.outcome(finding) != "equivalent"]
    if not findings:
        return None
    return fragment(
        _EXACT,
        summary=f"{len(same)} of {len(findings)} are the same in base and head.",
        changed=_rows(comparison, changed, "Exact figures that changed"),
        same=_rows(comparison, same, "Exact figures that are the same"),
    )


def _without_verdict(comparison: Comparison) -> Markup | None:
    findings = words.without_verdict(comparison)
    if not findings:
        return None
    names = words.short_keys(comparison.findings).names
    rows = [(names[f.key], words.label(f), words.style(f), words.reasons(f)) for f in findings]
    return fragment(_ASIDE, rows=rows)
