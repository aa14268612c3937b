"""Networks in front of a camera: misses, latency from when a frame was due, the age of the newest answer."""

from markupsafe import Markup

from ..page import Page, fragment
from ..tables.camera import build, keeps_up
from ..tables.html import explained, table_html
from . import Section

_TEMPLATE = """\
<p class="lead">Frames come at a fixed rate, whether or not a network keeps up. Each that is due an answer is \
answered in time, answered late, or dropped.</p>
<ul>
{% for sentence in sentences %}
<li>{{ sentence }}.</li>
{% endfor %}
</ul>
{{ table }}
{{ explained }}"""


def render(page: Page) -> Markup | None:
    if not page.cameras:
        return None
    table = build(page.cameras)
    return fragment(
        _TEMPLATE,
        sentences=[text for record in page.cameras if (text := keeps_up(record))],
        table=table_html(table, "Networks in front of a camera", "camera"),
        explained=explained(table.columns),
    )


SECTION = Section("In front of a camera", order=17, render=render)
