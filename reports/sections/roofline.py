"""Where the time of a prediction goes: each profiled case under the machine's two ceilings."""

from markupsafe import Markup

from ...bench.profile.operator_profile import Profile, Row, between_s, rows
from ..charts.roofline import BOUND_COLOURS, roofline_chart
from ..notation import MISSING, number
from ..page import Page, chart, explained, fragment
from ..profile_table import ceilings_text, percent, scaled, shapes_text
from ..select import setting_of
from . import Section

# The most expensive operators of each case; `co3d-bench profile` prints more.
SHOWN = 5

_TEMPLATE = """\
<p class="lead">Each circle is a kind of operator, as large as its share of the step. The line is what this machine \
does at best: it climbs with the copy rate and ends level at the matrix product. Maps that stay in a cache can lie \
above the slope. Copies and views make no multiply-accumulates, so they have no circle.</p>
<ul class="legend">
{% for bound in bounds %}
<li class="bound-{{ bound }}"><span class="shape"></span>bound by {{ bound }}</li>
{% endfor %}
</ul>
{% for case in cases %}
<figure class="card roofline" data-case="{{ case.key }}">
<figcaption>{{ case.title }} <span>{{ case.text }}</span></figcaption>
{% if case.drawing %}
{{ case.drawing }}
{% endif %}
<div class="scroll" role="region" tabindex="0" aria-label="Operators of {{ case.title }}, scrolls sideways">
<table class="operators">
<caption>The most expensive operators of {{ case.title }}</caption>
<thead><tr><th scope="col">Operator</th>
{% for head, unit, _ in columns %}
<th scope="col">{{ head }}{% if unit %}<span class="unit">{{ unit }}</span>{% endif %}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for name, shapes, cells in case.rows %}
<tr><th scope="row">{{ name }}{% if shapes %}<span class="form">{{ shapes }}</span>{% endif %}</th>
{% for cell in cells %}
<td>{{ cell }}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</div>
{% for note in case.notes %}
<p class="warned">{{ note }}</p>
{% endfor %}
</figure>
{% endfor %}
{{ explained }}"""

# head, unit, what it means
COLUMNS = (
    ("Time", "ms", "of all calls of one prediction with these shapes"),
    ("Share", "", "of the prediction"),
    ("Calls", "", "in one prediction"),
    ("Rate", "GMAC/s", "multiply-accumulates a second"),
    ("of GEMM", "", "the rate against that of a large matrix product on this machine"),
    ("Moved", "GB/s", "bytes that must be read and written at least, a second"),
    ("of copy", "", "the same against the rate of a large copy; more than all where the data stays in a cache"),
    ("Bound by", "", "the ceiling that is nearest: compute, memory, or the time of a call"),
)


def _cells(row: Row) -> list[str]:
    return [
        scaled(row.time_s, 1e3),
        f"{percent(row.share)} %",
        number(row.calls),
        scaled(row.macs_per_s, 1e-9),
        f"{percent(row.gemm_share)} %",
        scaled(row.bytes_per_s, 1e-9),
        f"{percent(row.copy_share)} %",
        row.bound or MISSING,
    ]


def _rest(name: str, time_s: float, profile: Profile) -> tuple[str, str, list[str]]:
    cells = [scaled(time_s, 1e3), f"{percent(time_s / profile.step_s)} %"]
    return name, "", cells + [""] * (len(COLUMNS) - len(cells))


def _case(profile: Profile) -> dict[str, object]:
    spec = roofline_chart(profile)
    single = rows(profile)
    found = [(row.kind, shapes_text(row), _cells(row)) for row in single[:SHOWN]]
    if others := single[SHOWN:]:
        found.append(_rest(f"{len(others)} others", sum(row.time_s for row in others), profile))
    found.append(_rest("between operators", between_s(profile), profile))
    title = f"{profile.model.title} · {setting_of(profile.case).title}"
    return {
        "key": profile.case.key,
        "title": title,
        "text": f"{number(1e3 * profile.step_s)} ms a prediction. At best: {ceilings_text(profile)}",
        "drawing": chart(spec, f"Roofline of {title}") if spec else None,
        "rows": found,
        "notes": profile.notes,
    }


def render(page: Page) -> Markup | None:
    if not page.profiles:
        return None
    return fragment(
        _TEMPLATE,
        cases=[_case(profile) for profile in page.profiles],
        columns=COLUMNS,
        explained=explained(COLUMNS),
        bounds=BOUND_COLOURS,
    )


SECTION = Section("Where the time goes", order=47, render=render)
