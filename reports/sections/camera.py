"""Networks in front of a camera: misses, latency from when a frame was due, the age of the newest answer."""

from typing import Any

from markupsafe import Markup

from ...bench.record.record import Record
from ...bench.stats.camera import FrameTimes, minutes
from ..charts.camera import answered_chart, median_by_minute, missed_by_minute, strip_chart
from ..charts.streams import WAYS, missed_over_cameras
from ..page import Page, chart, fragment
from ..select import model_title
from ..tables.camera import build, by_minute, keeps_up, rate_text
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
{{ explained }}
{% if over_cameras %}
<h3>How many cameras</h3>
<p class="note">The share of frames that were missed, over the number of cameras. Dots: {{ ways[0] }}; rings, dashed: \
{{ ways[1] }}. Thin lines are 95 % intervals, the dashed rule is the 1 % that each may miss. Trials end as soon as the \
answer is known.</p>
<div class="strips">
{% for item in over_cameras %}
<figure class="card camera" data-model="{{ item.model }}" data-case="{{ item.key }}">
<figcaption><strong>{{ item.title }}</strong> <span>{{ item.text }}</span></figcaption>
{{ item.drawing }}
</figure>
{% endfor %}
</div>
{% endif %}
{% if drawn or unread %}
<h3>Frame by frame</h3>
<p class="note">Above: what became of each frame, over the time at which it was due; of long runs neighbours \
share a mark. Below: the share of frames that was answered by a time since they were due. Dropped frames never are, so \
with them it stays below 100 %.</p>
{% endif %}
{% for title in unread %}
<p class="note">{{ title }} has no picture: the times of its frames (in blobs, beside the records) \
cannot be read.</p>
{% endfor %}
<div class="strips">
{% for item in drawn %}
<figure class="card camera" data-model="{{ item.model }}" data-case="{{ item.key }}">
<figcaption><strong>{{ item.title }}</strong> <span>{{ item.text }}</span></figcaption>
{% for label, drawing in item.drawings %}
{% if label %}<p class="note">{{ label }}</p>{% endif %}
{{ drawing }}
{% endfor %}
{% if item.minutes %}<p class="note">{{ item.minutes }}.</p>{% endif %}
</figure>
{% endfor %}
</div>
{% if others %}
<p class="note">{{ others }} more are in the table.</p>
{% endif %}"""

# To keep the page usable.
MOST_FIGURES = 24


def _drawings(times: FrameTimes, form: str, name: str) -> list[tuple[str, Markup]]:
    """Each picture with the line above it."""
    found, specs = minutes(times), [("", strip_chart(times, form)), ("", answered_chart(times, form))]
    if found:
        specs += [("Missed, minute by minute", missed_by_minute(found))]
        specs += [("Median latency, minute by minute", median_by_minute(found, form))]
    return [(label, chart(spec, f"{name}. {spec['description']}")) for label, spec in specs if spec]


def _over_cameras(record: Record) -> dict[str, Any] | None:
    """The picture of what was tried with several cameras; None where there is none."""
    found = record.camera.streams if record.camera else None
    spec = missed_over_cameras(found, record.model.form if record.model else "clip") if found else None
    if spec is None:
        return None
    title, text = model_title(record), f"{rate_text(record)} \u00b7 {record.case.backend}"
    drawing = chart(spec, f"{title}, {text}. {spec['description']}")
    return {"key": record.key, "model": record.case.model, "title": title, "text": text, "drawing": drawing}


def _figure(record: Record, times: FrameTimes) -> dict[str, Any]:
    title, text = model_title(record), f"{rate_text(record)} \u00b7 {record.case.backend}"
    drawings = _drawings(times, record.model.form if record.model else "clip", f"{title}, {text}")
    said = {"title": title, "text": text, "minutes": by_minute(times)}
    return {"key": record.key, "model": record.case.model, "drawings": drawings} | said


def render(page: Page) -> Markup | None:
    if not page.cameras:
        return None
    table = build(page.cameras)
    watched = [(record, record.camera) for record in page.cameras if record.camera and record.camera.due]
    read = [(record, page.times[run.times]) for record, run in watched if run.times in page.times]
    unread = [f"{model_title(record)} ({rate_text(record)})" for record, run in watched if run.times not in page.times]
    return fragment(
        _TEMPLATE,
        sentences=[text for record in page.cameras if (text := keeps_up(record))],
        table=table_html(table, "Networks in front of a camera", "camera"),
        explained=explained(table.columns),
        over_cameras=[found for record in page.cameras if (found := _over_cameras(record))][:MOST_FIGURES],
        ways=WAYS,
        drawn=[_figure(record, times) for record, times in read[:MOST_FIGURES]],
        others=len(read[MOST_FIGURES:]),
        unread=unread,
    )


SECTION = Section("In front of a camera", order=12, render=render)
