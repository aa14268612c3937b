"""The Pareto plots: accuracy against speed, computation and memory, one set for each setting."""

from markupsafe import Markup

from ...bench.stats.accuracy import MeasuredAccuracy
from ...bench.stats.case_result import CaseResult
from ..charts.pareto import PLOTS, Plot, drawable, front_of, pareto_chart
from ..engines import plotted
from ..notation import accuracy_text, number
from ..page import Page, chart, fragment
from ..select import FORM_TITLES, by_setting, forms, model_title
from ..tables.table import WARNING
from . import Section

_TEMPLATE = """\
<p class="lead">Up is more accurate. {% if measured %}Accuracies that were measured here have their 95&nbsp;% \
interval over films as a line; a plot has accuracies of one set of films. {% else %}Accuracies are as published, \
{% endif %}{{ "Each is" if measured else "each" }} at its own frame rate and after one clip or \
the whole film, as the table says.{% if at_15 %} In the plot at 15 frames/s they are all as on a camera: after one \
clip, or in the steady state of a frame network.{% endif %} The dotted line is every frame of a video; at the frame \
rate of its accuracy a network needs fewer predictions.</p>
<p class="lead">Arrows lead from a clip network to its frame-by-frame version, and on to the longer pool. The broad \
line is the Pareto front: no other network is at least as good in both and better in one. Filters hide points; the \
front stays that of all networks of the plot.\
{% if others %} Of engines and precisions, eager float32 and the best are drawn; {{ others }} more settings are in \
the tables.{% endif %}</p>
<ul class="legend">
{% for form in forms %}
<li class="{{ form }}"><span class="shape"></span>{{ titles[form] }}</li>
{% endfor %}
<li><span class="shape hollow"></span>hollow: measured with a warning</li>
<li><span class="front"></span>Pareto front</li>
{% if measured %}
<li><span class="interval"></span>95&nbsp;% interval of a measured accuracy</li>
{% endif %}
</ul>
{% for setting, plots in groups %}
<div class="group">
{% if groups|length > 1 %}
<h3>{{ setting.title }}</h3>
{% endif %}
<div class="plots">
{% for plot, drawing, members, elsewhere in plots %}
<figure class="card plot-{{ plot.name }}">
<figcaption>{{ plot.title }}</figcaption>
{{ drawing }}
{% if elsewhere %}
<p class="note">{{ elsewhere }} more {{ "has" if elsewhere == 1 else "have" }} an accuracy of other films: see the \
table.</p>
{% endif %}
{% if members %}
<p class="note members">On the front:
{% for row, title, figures, warned in members %}
{% if row %}<a href="#{{ row }}">{{ title }}</a>{% else %}{{ title }}{% endif %} with {{ figures }}\
{% if warned %} <a href="#warnings" class="marks" aria-label="warning on {{ title }}">{{ mark }}</a>{% endif %}\
{{ "." if loop.last else ";" }}
{% endfor %}
</p>
{% endif %}
</figure>
{% endfor %}
</div>
</div>
{% endfor %}"""


def _members(page: Page, cases: tuple[CaseResult, ...], plot: Plot) -> list[tuple[str | None, str, str, bool]]:
    """The front in words: of each network its row, its name, both figures, and whether the cost has a warning."""
    cost = plot.cost
    unit = f"{cost.unit.text} {plot.word}" if cost.better == "lower" else cost.unit.text
    return [
        (
            page.row_id(case.key),
            model_title(case),
            f"{accuracy_text(known)}\u00a0% at {number(value)}\u00a0{unit}",
            cost.noisy and bool(case.warnings),
        )
        for case in front_of(cases, plot)
        if (known := plot.known(case))
        for value, _ in [plot.position(case)]
    ]


def _elsewhere(cases: tuple[CaseResult, ...], plot: Plot) -> int:
    """How many have an accuracy and a cost and are not in the plot, since their accuracy is of other films."""
    known = sum(case.ok and plot.known(case) is not None and (case.value(plot.cost) or 0) > 0 for case in cases)
    return known - len(drawable(cases, plot))


def render(page: Page) -> Markup | None:
    groups = []
    shown = plotted(page.records)
    for setting, cases in shown.items():
        specs = [(plot, pareto_chart(cases, plot, page.tooltips)) for plot in PLOTS]
        plots = [
            (plot, chart(spec, f"{plot.title}: {setting.title}"), _members(page, cases, plot), _elsewhere(cases, plot))
            for plot, spec in specs
            if spec
        ]
        if plots:
            groups.append((setting, plots))
    if not groups:
        return None
    return fragment(
        _TEMPLATE,
        groups=groups,
        forms=forms(page.records),
        titles=FORM_TITLES,
        mark=WARNING,
        measured=any(isinstance(case.accuracy.main, MeasuredAccuracy) for case in page.records),
        at_15=any(plot.accuracy_metric == "accuracy_15fps" for _, plots in groups for plot, *_ in plots),
        others=len(by_setting(page.records)) - len(shown),
    )


SECTION = Section("What accuracy costs", order=11, render=render)
