"""Networks in front of a camera: misses, latency from when a frame was due, the age of the newest answer."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from ...bench.record.record import Record
from ...bench.stats.camera import FrameTimes
from ..charts.camera import answered_chart, strip_chart
from ..charts.minutes import device_by_minute, median_by_minute, missed_by_minute
from ..charts.streams import WAYS, missed_over_cameras
from ..minutes import RunMinute, minutes_text, run_minutes
from ..page import Page, chart, fragment
from ..select import model_title, with_source
from ..tables.camera import build, keeps_up, notes, notes_by_minute, rate_text
from ..tables.html import explained, table_html
from . import Section

_TEMPLATE = """\
<p class="lead">Frames come at a fixed rate, whether or not a network keeps up. Each that is due an answer is \
answered in time, answered late, or dropped.</p>
{{ table }}
{{ explained }}
<details class="explained"><summary>Each network in a sentence</summary>
<ul>
{% for sentence in sentences %}
<li>{{ sentence }}.</li>
{% endfor %}
</ul>
</details>
{% for note in notes %}
<p class="note">{{ note }}.</p>
{% endfor %}
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
<p class="note">First what became of each frame, over the time at which it was due; of long runs neighbours \
share a mark. Then the share of frames that was answered by a time since they were due: dropped frames never are, so \
with them it stays below 100 %.</p>
{% endif %}
{% for title in unread %}
<p class="note">{{ title }} has no picture: the times of its frames (in blobs, beside the records) \
cannot be read.</p>
{% endfor %}
<div class="strips">
{% for item in drawn %}
<figure class="card camera{{ ' long' if item.minutes }}" data-model="{{ item.model }}" data-case="{{ item.key }}">
<figcaption><strong>{{ item.title }}</strong> <span>{{ item.text }}</span></figcaption>
<div class="parts">
{% for label, drawing in item.drawings %}
<div><p class="note">{{ label }}</p>
{{ drawing }}</div>
{% endfor %}
</div>
{% if item.throttled %}<p class="note">Shaded: minutes in which the device throttled.</p>{% endif %}
{% if item.minutes %}<p class="note">{{ item.minutes }}.</p>{% endif %}
</figure>
{% endfor %}
</div>
{% for note in sensor_notes %}
<p class="note">{{ note }}.</p>
{% endfor %}
{% if others %}
<p class="note">{{ others }} more are in the table.</p>
{% endif %}"""

# To keep the page usable.
MOST_FIGURES = 24


def _drawings(times: FrameTimes, found: Sequence[RunMinute], form: str, name: str) -> list[tuple[str, Markup]]:
    """Each picture with the line above it."""
    specs = [("What happened to each frame", strip_chart(times, form))]
    specs += [("Share of frames answered by a time", answered_chart(times, form))]
    if found:
        dropped = any(each.frames.mostly_dropped for each in found)
        gap = "; without a dot: most were dropped" if dropped else ""
        specs += [("Missed, minute by minute", missed_by_minute(found))]
        specs += [(f"Median latency, minute by minute{gap}", median_by_minute(found, form))]
        specs += [(f"{label}, minute by minute", spec) for label, spec in device_by_minute(found)]
    return [(label, chart(spec, f"{name}. {spec['description']}")) for label, spec in specs if spec]


def _over_cameras(record: Record) -> dict[str, Any] | None:
    """The picture of what was tried with several cameras; None where there is none."""
    found = record.camera.streams if record.camera else None
    spec = missed_over_cameras(found, record.model.form if record.model else "clip") if found else None
    if spec is None:
        return None
    title, text = with_source(model_title(record), record), f"{rate_text(record)} \u00b7 {record.case.backend}"
    drawing = chart(spec, f"{title}, {text}. {spec['description']}")
    return {"key": record.key, "model": record.case.model, "title": title, "text": text, "drawing": drawing}


def _figure(record: Record, times: FrameTimes) -> dict[str, Any]:
    title, text = with_source(model_title(record), record), f"{rate_text(record)} \u00b7 {record.case.backend}"
    found = run_minutes(times, record.sensors)
    drawings = _drawings(times, found, record.model.form if record.model else "clip", f"{title}, {text}")
    said = {"title": title, "text": text, "minutes": minutes_text(found, record.sensors)}
    said |= {"throttled": any(each.signs for each in found)}
    return {"key": record.key, "model": record.case.model, "drawings": drawings} | said


def render(page: Page) -> Markup | None:
    if not page.cameras:
        return None
    table = build(page.cameras, page.evaluations)
    watched = [(record, record.camera) for record in page.cameras if record.camera and record.camera.due]
    read = [(record, page.times[run.times]) for record, run in watched if run.times in page.times]
    unread = [
        with_source(f"{model_title(record)} ({rate_text(record)})", record)
        for record, run in watched
        if run.times not in page.times
    ]
    return fragment(
        _TEMPLATE,
        sentences=[text for record in page.cameras if (text := keeps_up(record))],
        table=table_html(table, "Networks in front of a camera", "camera"),
        explained=explained(table.columns),
        notes=notes(page.cameras),
        over_cameras=[found for record in page.cameras if (found := _over_cameras(record))][:MOST_FIGURES],
        ways=WAYS,
        drawn=[_figure(record, times) for record, times in read[:MOST_FIGURES]],
        others=len(read[MOST_FIGURES:]),
        unread=unread,
        sensor_notes=notes_by_minute(page.cameras, page.times),
    )


SECTION = Section("In front of a camera", order=12, render=render)
