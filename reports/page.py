"""What a section of the HTML page is given, and the two safe ways to put something into the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ..bench.profile.operator_profile import Profile
from ..bench.record.record import Record
from ..bench.stats.camera import FrameTimes
from ..bench.stats.case_result import CaseResult, case_results
from ..bench.stats.metrics import get_metric
from ..bench.stats.scores import Scores
from ..bench.stats.trend import Series, series
from .charts.pareto import PLOTS, front_of, tooltips
from .engines import worth_most
from .headline import Headline, headline
from .select import by_setting, newest_cameras, newest_evaluations, newest_transients
from .tables.results import build
from .tables.table import Table

# Names of networks, files and errors come from anywhere: everything is escaped unless it is Markup already.
_JINJA = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)

# What could end a script element, open a comment or break a line of JavaScript, written as JSON escapes.
_JSON_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


# More rows than this no phone lays out in a browser.
MOST_ROWS = 500


@dataclass(frozen=True)
class Page:
    """What was measured of each case in its newest run, and what is derived from all of them."""

    records: tuple[CaseResult, ...]
    table: Table  # of `shown`
    headline: Headline
    profiles: tuple[Profile, ...] = ()  # of the cases that were profiled, the newest of each
    history: tuple[Series, ...] = ()  # the median latency of each case, run after run
    shown: tuple[CaseResult, ...] = ()  # those that have a row: all, or of very many those worth most
    tooltips: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by case key, of those that have a row
    fronts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by case key: costs at which it is on a front
    cameras: tuple[Record, ...] = ()  # of each case in front of a camera the newest
    times: Mapping[str, FrameTimes] = field(default_factory=dict)  # of their frames, by blob, where it can be read
    evaluations: tuple[Record, ...] = ()  # of each case whose accuracy was measured the newest
    scores: Mapping[str, Scores] = field(default_factory=dict)  # of their films, by blob, where it can be read
    transients: tuple[Record, ...] = ()  # of each case whose frames since a start were measured the newest

    def row_id(self, key: str) -> str | None:
        """The anchor of a case's row; None where it has no row."""
        return next((f"row-{number}" for number, row in enumerate(self.table.rows, 1) if row.key == key), None)


def page_of(
    records: Sequence[Record],
    profiles: Sequence[Profile] = (),
    times: Mapping[str, FrameTimes] | None = None,
    scores: Mapping[str, Scores] | None = None,
) -> Page:
    """Everything the sections read."""
    chosen = case_results(records)
    history = series(records, get_metric("latency_s"))
    shown = worth_most(chosen, MOST_ROWS)
    table = build(shown)
    return Page(
        records=chosen,
        table=table,
        headline=headline(chosen),
        profiles=tuple(profiles),
        history=history,
        shown=shown,
        tooltips=tooltips(table),
        fronts=costs_on_front(chosen),
        cameras=newest_cameras(records),
        times=times or {},
        evaluations=newest_evaluations(records),
        scores=scores or {},
        transients=newest_transients(records),
    )


def costs_on_front(cases: Sequence[CaseResult]) -> dict[str, tuple[str, ...]]:
    """By case key: the costs, in a word each, at which a case is on the Pareto front of its setting."""
    found: dict[str, tuple[str, ...]] = {}
    for group in by_setting(cases).values():
        for plot in PLOTS:
            for case in front_of(group, plot):
                found[case.key] = (*found.get(case.key, ()), plot.word)
    return found


def fragment(template: str, **values: Any) -> Markup:
    """A piece of HTML from a Jinja template with escaping on."""
    return Markup(_JINJA.from_string(template).render(**values))  # noqa: S704 - the template escapes


def json_text(data: object) -> Markup:
    """JSON that may stand inside a script element: it cannot end the element, whatever the strings hold."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_JSON_ESCAPES))  # noqa: S704 - nothing is left that HTML would read


_CHART = """\
<div class="chart" role="group" aria-label="{{ label }}">
<div class="drawing"></div>
<script type="application/json">{{ spec }}</script>
</div>"""


def chart(spec: dict[str, Any], label: str) -> Markup:
    """A Vega-Lite chart that the page draws when it is opened; as wide as its box."""
    return fragment(_CHART, spec=json_text(spec), label=label)
