"""The Pareto plots: accuracy against speed, computation and memory, one set for each setting."""

from markupsafe import Markup

from ..charts import PLOTS, pareto_chart
from ..engines import plotted
from ..page import Page, chart, fragment
from ..select import FORM_TITLES, by_setting, forms
from . import Section

_TEMPLATE = """\
<p class="lead">Up is more accurate. Arrows lead from a clip network to its frame-by-frame version, and on to the \
longer pool. The broad pale line is the Pareto front: no other network is at least as good in both and better in \
one.{% if others %} Of engines and precisions, eager float32 and the best are drawn; {{ others }} more settings are in \
the tables.{% endif %}</p>
<ul class="legend">
{% for form in forms %}
<li class="{{ form }}"><span class="shape"></span>{{ titles[form] }}</li>
{% endfor %}
<li><span class="shape hollow"></span>hollow: measured with a warning</li>
<li><span class="front"></span>Pareto front</li>
</ul>
{% for setting, plots in groups %}
{% if groups|length > 1 %}
<h3 class="setting">{{ setting.title }}</h3>
{% endif %}
<div class="plots">
{% for plot, drawing in plots %}
<figure class="card plot-{{ plot.name }}">
<figcaption>{{ plot.title }}</figcaption>
{{ drawing }}
</figure>
{% endfor %}
</div>
{% endfor %}"""


def render(page: Page) -> Markup | None:
    groups = []
    shown = plotted(page.records)
    others = len(by_setting(page.records)) - len(shown)
    for setting, records in shown.items():
        specs = [(plot, pareto_chart(records, plot)) for plot in PLOTS]
        plots = [(plot, chart(spec, plot.title)) for plot, spec in specs if spec]
        if plots:
            groups.append((setting, plots))
    return (
        fragment(_TEMPLATE, groups=groups, forms=forms(page.records), titles=FORM_TITLES, others=others)
        if groups
        else None
    )


SECTION = Section("What accuracy costs", order=20, render=render)
