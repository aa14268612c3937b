"""The filters of the page: which cases its tables and plots show. They are kept in the address."""

from markupsafe import Markup

from ...bench.record.record import Record
from ...bench.stats.case_result import CaseResult
from ..page import Page, fragment, json_text
from ..select import FORM_TITLES, PRECISION_TITLES, model_title, setting_of
from . import Section

# by the name in the address: the label, and the titles of values where people write them otherwise
FILTERS = {
    "device": ("Device", {}),
    "engine": ("Engine", {}),
    "precision": ("Precision", PRECISION_TITLES),
    "form": ("Form", FORM_TITLES),
}

_TEMPLATE = """\
<form class="filters" role="search" aria-label="Filter the networks">
{% for name, label, options in selects %}
<label>{{ label }} <select name="{{ name }}"><option value="">all</option>
{% for value, title in options %}
<option value="{{ value }}">{{ title }}</option>
{% endfor %}
</select></label>
{% endfor %}
<label>Text <input type="search" name="text" autocomplete="off" placeholder="name, engine, \u2026"></label>
<button type="reset">Reset</button>
<output></output>
</form>
<script type="application/json" id="cases">{{ cases }}</script>"""


def facts(case: CaseResult | Record) -> dict[str, str]:
    """What a case can be filtered by."""
    asked = case.case
    return {
        "device": asked.machine,
        "engine": asked.backend,
        "precision": asked.precision,
        "form": case.model.form if case.model else "",
        "text": f"{model_title(case)} {asked.key} {setting_of(asked).title}".lower(),
    }


def render(page: Page) -> Markup | None:
    if len(page.table.rows) < 2:
        return None
    cases = {case.key: facts(case) for case in (*page.records, *page.cameras)}
    selects = []
    for name, (label, titles) in FILTERS.items():
        options = dict.fromkeys(case[name] for case in cases.values() if case[name])
        if len(options) > 1:
            selects.append((name, label, [(value, titles.get(value, value)) for value in options]))
    return fragment(_TEMPLATE, selects=selects, cases=json_text(cases))


SECTION = Section("", order=5, render=render)
