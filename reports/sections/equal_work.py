"""Clips and frames at equal work: what a second of video costs by either, and from which stride clips are cheaper."""

from markupsafe import Markup

from ..charts.equal_work import equal_work_chart
from ..engines import plotted
from ..equal_work import COLUMNS, Work, said, table, works_by_setting
from ..page import Page, chart, fragment
from ..tables.html import explained, table_html
from . import Section

_TEMPLATE = """\
<p class="lead">A frame network is called at every frame. A clip network need not be: called every few frames (its \
stride) it costs less, and its answers come less often. Both are shown here on frames of the rate that they were \
trained at. From the stride at which the two lines cross, the clip network is cheaper.</p>
{% for setting, table, plots in groups %}
{% if groups|length > 1 %}
<h3>{{ setting.title }}</h3>
{% endif %}
<div class="charts">
{% for title, drawing, text in plots %}
<figure class="card">
<figcaption>{{ title }}</figcaption>
{{ drawing }}
<p class="note">{{ text }}.</p>
</figure>
{% endfor %}
</div>
{{ table }}
{% endfor %}
{{ explained }}"""

# Of a setting: longer pools cost what the native one does, so a few show all there is to see.
MOST_PLOTS = 4


def _drawn(found: tuple[Work, ...]) -> list[Work]:
    """One pair of each clip network, by the time where that was measured, else by the MACs."""
    shown: dict[str, Work] = {}
    for work in (each for word in ("Time", "MACs") for each in found if each.word == word):
        shown.setdefault(work.clip, work)
    return list(shown.values())[:MOST_PLOTS]


def _plot(work: Work) -> tuple[str, Markup, str]:
    spec = equal_work_chart(work)
    title = f"{work.word}: {work.clip} and {work.frame}"
    return title, chart(spec, f"{title}. {spec['description']}"), said(work)


def render(page: Page) -> Markup | None:
    groups = []
    for setting, found in works_by_setting(plotted(page.records)).items():
        shown = table_html(table(found), f"A second of video by clips and by frames: {setting.title}", "equal-work")
        groups.append((setting, shown, list(map(_plot, _drawn(found)))))
    return fragment(_TEMPLATE, groups=groups, explained=explained(COLUMNS)) if groups else None


SECTION = Section("Clips and frames at equal work", order=25, render=render)
