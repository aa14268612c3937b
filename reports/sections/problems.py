"""What failed, in full, and where circumstances differ; left out when there is nothing of the kind."""

from markupsafe import Markup

from ..page import Page, fragment
from ..select import differing_facts, fact, model_title
from . import Section

_TEMPLATE = """\
{% if differing %}
<p class="warning">Not all records were taken under the same circumstances. These differ, so compare with care:</p>
<ul>
{% for name, values in differing %}
<li><code>{{ name }}</code>: {{ values|join(" / ") }}</li>
{% endfor %}
</ul>
{% endif %}
{% if failed %}
<div class="group">
<h3>Failures</h3>
{% for title, record in failed %}
<div class="failure" data-case="{{ record.key }}">
<p><strong>{{ title }}</strong> failed ({{ record.error.kind }}): {{ record.error.message }}</p>
<p class="key"><code>{{ record.key }}</code></p>
{% if record.error.detail %}
<details><summary>Details</summary><pre>{{ record.error.detail }}</pre></details>
{% endif %}
</div>
{% endfor %}
</div>
{% endif %}"""


def _values_of(page: Page, name: str) -> list[str]:
    known = [record for result in page.records for record in result.records if record.environment is not None]
    return list(dict.fromkeys(str(fact(record, name)) for record in known))


def render(page: Page) -> Markup | None:
    differing = [(name, _values_of(page, name)) for name in differing_facts(page.records)]
    failed = [(model_title(record), record) for record in page.records if not record.ok]
    if not (differing or failed):
        return None
    return fragment(_TEMPLATE, differing=differing, failed=failed)


SECTION = Section("Failures and differences", order=40, render=render)
