"""The top of the page: the main result in one line, the figures behind it, and the sentences around it."""

from dataclasses import replace

from markupsafe import Markup

from ..headline import Headline
from ..page import Page, fragment
from ..tables import accuracy, transient
from ..tables.camera import summary
from . import Section

_TEMPLATE = """\
<h1 id="headline-title">{{ headline.title }}</h1>
{% if headline.where %}
<p class="circumstances">{{ headline.where }}</p>
{% endif %}
{% if headline.facts %}
<dl class="facts">
{% for fact in headline.facts %}
<div class="fact{{ ' warned' if fact.warned }}">
<dt>{{ fact.label }}</dt>
<dd><strong>{{ fact.value }}</strong><span>{{ fact.detail }}</span>
{% if fact.warned %}
<em>measured with a warning, see the table</em>
{% endif %}
</dd>
</div>
{% endfor %}
</dl>
{% endif %}
{% if headline.sentences %}
<ul class="sentences">
{% for sentence in headline.sentences %}
<li>{{ sentence }}</li>
{% endfor %}
</ul>
{% endif %}"""


def render(page: Page) -> Markup:
    return fragment(_TEMPLATE, headline=_headline(page))


def _headline(page: Page) -> Headline:
    """That of the speed of calls; where networks were watched, with what was seen, which may be less."""
    seen = summary(page.cameras) if page.cameras else ""
    if not page.records and (page.cameras or page.evaluations or page.transients):
        measured = accuracy.summary(page.evaluations) if page.evaluations else transient.summary(page.transients)
        return Headline(seen or measured)
    if not seen:
        return page.headline
    first = f"What keeps up is judged here by the speed of calls alone. {seen}: see \u201cIn front of a camera\u201d."
    return replace(page.headline, sentences=(first, *page.headline.sentences))


SECTION = Section("", order=0, render=render)
