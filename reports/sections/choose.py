"""Which network to take: limits to set, and what fits them. Without scripts a statement of where to ask."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from markupsafe import Markup

from ...bench.stats.accuracy import SAME_RATE
from ...bench.stats.capacity import SHARE
from ...bench.stats.choose import (
    CONSTRAINTS,
    SAME_CAMERA,
    Candidate,
    Constraint,
    Missed,
    Use,
    as_run,
    candidates,
    figures,
    uses,
)
from ..page import Page, fragment, json_text
from ..tables.choose import WORDS_OF, engine_text, missed_text, percentile_text
from ..tables.table import WARNING
from . import Section

_TEMPLATE = """\
<p class="lead"><span class="scripted">Set limits: what fits stays highlighted in every plot and table, and each \
other row says which limit it does not keep. A limit on a figure that is not known excludes the network.\
{% if unknown %} Not known of any network here: \
{{ unknown|join(", ") }}.{% endif %}</span> In a terminal \
<code>co3d-bench choose --fps 30 --deadline 100ms</code> says what fits, and why the rest does not.</p>
<form class="choice" aria-label="Limits" autocomplete="off">
{% for limit in limits %}
<div class="limit">
<label for="limit-{{ limit.name }}">{{ limit.label }}</label>
<span><input type="number" id="limit-{{ limit.name }}" name="{{ limit.name }}" min="0" step="any" placeholder="any" \
data-unit="{{ limit.unit }}"> {{ limit.unit }}</span>
<label><span class="hidden">{{ limit.label }}, in {{ limit.unit }}</span>\
<input type="range" data-of="{{ limit.name }}" min="0" max="{{ limit.stops }}"></label>
</div>
{% endfor %}
<button type="reset">No limits</button>
<output></output>
</form>
<ol class="fitting"></ol>
<script type="application/json" id="choice">{{ data }}</script>"""

# Positions of the sliders, in the unit of each; those of others follow from what was measured.
_CAMERAS = (1, 2, 3, 5, 6, 10, 12, 15, 20, 24, 25, 30, 50, 60, 90, 120)
_STEPS = (1, 1.5, 2, 3, 5, 7)
_USUAL_FPS = 30.0


def stops(constraint: Constraint, values: Sequence[float]) -> tuple[float, ...]:
    """Where the slider of a constraint stops, in its unit, over these values of it in SI; nowhere without values."""
    if not values:
        return ()
    if constraint.name == "fps":
        return _CAMERAS
    low, high = (constraint.unit.of(end) for end in (min(values), max(values)))
    if constraint.name == "accuracy":
        return tuple(range(max(1, math.floor(low)), min(100, math.ceil(high)) + 1))
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 2)
    scale = [step * 10.0**power for power in powers for step in _STEPS]
    first = max(index for index, stop in enumerate(scale) if stop <= low)
    last = next(index for index, stop in enumerate(scale) if stop >= high)
    return tuple(float(f"{stop:.3g}") for stop in scale[first : last + 1])


def _values(found: Iterable[Candidate], name: str) -> Iterator[float]:
    for candidate in found:
        for use in (*uses(candidate, None), *uses(candidate, _USUAL_FPS)):
            value = figures(candidate, use)[name]
            if value is not None and 0 < value < math.inf:
                yield value


def _use(use: Use) -> dict[str, Any]:
    rates = {"answers": use.answers_per_s, "sees": use.sees_per_s, "fps": use.fps}
    return {"way": use.way, "every": use.every, "states": use.states, **rates}


def _missed(missed: Missed) -> dict[str, Any]:
    return {"deadline": missed.deadline_s, "share": missed.share, "text": missed_text(missed)}


def candidate_data(candidate: Candidate) -> dict[str, Any]:
    """A candidate as the page has it. JSON has no infinity."""
    latency = candidate.latency_s
    return {
        "key": candidate.case.key,
        "run": as_run(candidate.case).key,
        "form": candidate.form,
        "rate": candidate.rate_per_s,
        "latency": "infinite" if latency == math.inf else latency,
        "percentile": percentile_text(candidate.percent),
        "trained": candidate.trained_per_s,
        "accuracy": candidate.accuracy,
        "accuracies": candidate.accuracies,
        "frames": candidate.reaction_frames,
        "memory": candidate.memory_bytes,
        "state": candidate.state_bytes,
        "idle": candidate.idle_w,
        "answer": candidate.answer_j,
        "watched": _use(candidate.watched) if candidate.watched else None,
        "missed": _missed(candidate.missed) if candidate.missed else None,
        "cameras": candidate.cameras,
    }


def rules(found: Sequence[Candidate]) -> dict[str, Any]:
    """What the page judges by."""
    constraints = [
        {
            "name": each.name,
            "better": each.better,
            "size": each.unit.size,
            "figure": WORDS_OF[each.name].figure,
            "unit": WORDS_OF[each.name].unit,
            "unknown": WORDS_OF[each.name].unknown,
            "stops": stops(each, tuple(_values(found, each.name))),
        }
        for each in CONSTRAINTS
    ]
    return {"constraints": constraints, "rate": SAME_RATE, "camera": SAME_CAMERA, "missed": SHARE}


def render(page: Page) -> Markup | None:
    found = candidates([*(record for case in page.shown for record in case.records), *page.cameras, *page.evaluations])
    if not found:
        return None
    engine = engine_text(found)
    data = [
        candidate_data(each)
        | {"title": each.title, "engine": engine(each), "network": f"{each.case.model} {each.case.machine}"}
        | {"mark": WARNING if each.warnings else ""}
        for each in found
    ]
    ruled = rules(found)
    known = [(each, rule) for each, rule in zip(CONSTRAINTS, ruled["constraints"], strict=True) if rule["stops"]]
    names = {each.name for each, _ in known}
    limits = [
        {
            "name": each.name,
            "label": WORDS_OF[each.name].label,
            "unit": each.unit.text,
            "stops": len(rule["stops"]),
        }
        for each, rule in known
    ]
    return fragment(
        _TEMPLATE,
        limits=limits,
        unknown=[WORDS_OF[each.name].figure for each in CONSTRAINTS if each.name not in names],
        data=json_text({"candidates": data, "rules": ruled}),
    )


SECTION = Section("Which one to take", order=8, render=render)
