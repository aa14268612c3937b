"""Where the time of a prediction goes: each profiled case under the machine's two ceilings."""

from dataclasses import replace

from markupsafe import Markup

from ...bench.profile.operator_profile import Profile, between_s, rows
from ...bench.stats.metrics import MS
from ..charts.roofline import BOUND_COLOURS, roofline_chart
from ..notation import number, percent
from ..page import Page, chart, fragment
from ..profile_table import COLUMNS, ceilings_text, operator_table, shapes_text
from ..select import setting_of
from ..tables.html import explained, table_html
from ..tables.table import EMPTY, Cell, Row, Table
from . import Section

# The most expensive operators of each case; `co3d-bench profile` prints more.
SHOWN = 5

_TEMPLATE = """\
<p class="lead">Each circle is a kind of operator, as large as its share of the step. The line is the most that this \
machine can do: it rises with the copy rate and is flat at the rate of a matrix product. Operators whose feature maps \
stay in a cache can lie above the slope. Copies and views make no multiply-accumulates, so they have no \
circle.</p>
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
{{ case.table }}
{% for note in case.notes %}
<p class="warned">{{ note }}</p>
{% endfor %}
</figure>
{% endfor %}
{{ explained }}"""

PAGE_COLUMNS = COLUMNS[:8]  # what is derived; the terminal has the rest


def _rest(name: str, time_s: float, profile: Profile) -> Row:
    share = time_s / profile.step_s
    known = Cell(number(MS.of(time_s)), time_s), Cell(percent(share), share)
    return Row(name, (*known, *[EMPTY] * (len(PAGE_COLUMNS) - len(known))))


def _table(profile: Profile) -> Table:
    """The most expensive operators, and what is left of the step."""
    single = rows(profile)
    table = operator_table("Operator", single[:SHOWN], PAGE_COLUMNS)
    found = [replace(row, detail=shapes_text(each)) for row, each in zip(table.rows, single, strict=False)]
    if others := single[SHOWN:]:
        found.append(_rest(f"{len(others)} others", sum(row.time_s for row in others), profile))
    found.append(_rest("between operators", between_s(profile), profile))
    return replace(table, rows=tuple(found))


def _case(profile: Profile) -> dict[str, object]:
    spec = roofline_chart(profile)
    title = f"{profile.model.title} · {setting_of(profile.case).title}"
    return {
        "key": profile.case.key,
        "title": title,
        "text": f"{number(1e3 * profile.step_s)} ms a prediction. At best: {ceilings_text(profile)}",
        "drawing": chart(spec, f"Roofline of {title}") if spec else None,
        "table": table_html(_table(profile), f"The most expensive operators of {title}", "operators"),
        "notes": profile.notes,
    }


def render(page: Page) -> Markup | None:
    if not page.profiles:
        return None
    return fragment(
        _TEMPLATE,
        cases=[_case(profile) for profile in page.profiles],
        explained=explained(PAGE_COLUMNS),
        bounds=BOUND_COLOURS,
    )


SECTION = Section("Where the time goes", order=47, render=render)
