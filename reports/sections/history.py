"""How the latency of each case went from run to run, where there were several runs."""

from markupsafe import Markup

from ...bench.stats.trend import Series
from ..charts.history import history_chart
from ..history import step_text, why_no_steps
from ..notation import number
from ..page import Page, chart, fragment
from ..select import model_title, setting_of
from . import Section

# Fewer runs are no history.
MIN_RUNS = 3
# To keep the page usable: those with the newest steps first, then those with most runs.
MOST_SERIES = 24

_TEMPLATE = """\
<p class="lead">Each dot is one run, hollow where it has a warning and is not used in the search for steps; \
lines are levels. A step is where the level changed and stayed, by 2 % or more; \
what else changed then is listed, and need not be the cause.\
{% if others %} {{ others }} more cases have several runs: <code>co3d-bench history</code> shows them.{% endif %}</p>
<div class="strips">
{% for item in shown %}
<figure class="card history" data-model="{{ item.model }}" data-case="{{ item.key }}">
<figcaption><strong>{{ item.title }}</strong> <span>{{ item.text }}</span></figcaption>
{{ item.drawing }}
{% for step in item.steps %}
<p class="note">{{ step }}</p>
{% endfor %}
</figure>
{% endfor %}
</div>"""


def _importance(series: Series) -> tuple[str, int]:
    newest = series.points[series.steps[-1].first].started_at if series.steps else ""
    return newest, len(series.points)


def render(page: Page) -> Markup | None:
    several = [series for series in page.history if len(series.points) >= MIN_RUNS]
    if not several:
        return None
    shown = []
    for series in sorted(several, key=_importance, reverse=True)[:MOST_SERIES]:
        record, unit = series.points[-1].record, series.metric.unit
        text = f"{series.metric.label}, {len(series.points)} runs, now {number(unit.of(series.points[-1].value))}"
        text += f" {unit.text}; {setting_of(record.case).title}; {series.machine}"
        why = why_no_steps(series)
        steps = [step_text(series, step) for step in series.steps] + ([why] if why else [])
        name = model_title(record)
        drawing = chart(history_chart(series), f"History of {name}, {text}")
        drawn = {"title": name, "text": text, "drawing": drawing, "steps": steps}
        shown.append({"key": record.key, "model": record.case.model} | drawn)
    return fragment(_TEMPLATE, shown=shown, others=len(several) - len(shown))


SECTION = Section("From run to run", order=35, render=render)
