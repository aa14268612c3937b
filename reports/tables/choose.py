"""Which network to take: the feasible ones in their rank, and why the others are not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rich.console import Group, RenderableType
from rich.text import Text

from ...bench.record.record import KINDS, Record
from ...bench.stats.accuracy import same_rate
from ...bench.stats.capacity import SHARE
from ...bench.stats.case_result import CaseResult, case_results
from ...bench.stats.choose import (
    CONSTRAINTS,
    MEDIAN,
    Candidate,
    Constraint,
    Limits,
    Missed,
    Use,
    Verdict,
    Violation,
    best_of_each,
    candidates,
    choose,
    nearest,
)
from ...bench.stats.metrics import MB, MS, PERCENT, S, Unit
from ..notation import answers_due, fixed, number
from ..select import SEPARATOR, model_title, setting_of
from .render import csv, frame, markdown
from .table import WORDS, Cell, Column, Row, Table, cells, figure, filled, source_columns
from .terminal import fitted, warnings_line

W = Unit("W")


@dataclass(frozen=True)
class Words:
    """How a constraint is spoken of."""

    label: str  # of its field
    figure: str  # what a case has of it
    unit: str  # that this is shown in
    unknown: str
    suffix: str = ""  # of a limit, as it is typed
    measured_by: str = ""  # what to do where it is not known


WORDS_OF = {
    "fps": Words("Camera", "gives", "answers/s", "not watched at this frame rate"),
    "deadline": Words("Deadline", "latency", "ms", "latency not known", "ms"),
    "react": Words("Reaction, at most", "reaction", "s", "reaction not known", "s", "`co3d-bench camera`"),
    "memory": Words("Memory, at most", "memory", "MB", "memory not known", "MB"),
    "watts": Words("Power, at most", "power", "W", "power not known", "", "`co3d-bench run` with an energy sensor"),
    "accuracy": Words(
        "Accuracy, at least", "accuracy", "%", "accuracy at this frame rate not known", "", "`co3d-bench evaluate`"
    ),
}


def answers_text(use: Use) -> str:
    """How often an answer is due: `6/s (1 in 5)`, `30/s (5 states)`."""
    if use.answers_per_s is None:
        return ""
    return answers_due(use.answers_per_s, use.every, use.states)


def percentile_text(percent: int) -> str:
    """`p99`, `median`."""
    return "median" if percent == MEDIAN else f"p{percent}"


def why(verdict: Verdict) -> str:
    """What excludes this use, and by how much; empty for a feasible one."""
    return "; ".join(_why(violation, verdict.candidate) for violation in verdict.violations)


def _why(violation: Violation, candidate: Candidate) -> str:
    constraint, value, words = violation.constraint, violation.value, WORDS_OF[violation.constraint.name]
    if value is None:
        return words.unknown
    said = f"{words.figure} ({percentile_text(candidate.percent)})" if constraint.name == "deadline" else words.figure
    side = "below" if constraint.better == "higher" else "above"
    limit = f"{side} {constraint.unit.of(violation.limit):g}"
    if violation.missed and candidate.missed:
        return missed_text(candidate.missed)
    if not math.isfinite(value):
        return f"{said} infinite, {limit} {words.unit}"
    shown, by = (number(constraint.unit.of(each)) for each in (value, abs(value - violation.limit)))
    return f"{said} {shown} {words.unit}, {by} {limit}"


def missed_text(missed: Missed) -> str:
    """That a camera's own deadline was missed too often: `12.0 % of answers missed 100 ms, above 1 %`."""
    return f"{number(100 * missed.share)} % of answers missed {MS.of(missed.deadline_s):g} ms, above {100 * SHARE:g} %"


def _latency(verdict: Verdict) -> Cell:
    latency_s = verdict.figures["deadline"]
    if latency_s is None:
        return Cell()
    text = number(MS.of(latency_s)) if math.isfinite(latency_s) else "infinite"
    return Cell(f"{text} ({percentile_text(verdict.candidate.percent)})", latency_s)


def _answers(verdict: Verdict) -> Cell:
    use = verdict.use
    return Cell(answers_text(use), use.answers_per_s) if use.answers_per_s is not None else Cell()


def _measured(verdict: Verdict) -> Cell:
    text = "camera" if verdict.candidate.watched else "calls"
    return Cell(text, text)


def _of(name: str) -> Callable[[Verdict], float | None]:
    return lambda verdict: verdict.figures[name]


def _accuracy(verdict: Verdict) -> Cell:
    top1, sees = verdict.figures["accuracy"], verdict.use.sees_per_s
    if top1 is None:
        return Cell()
    found = next((ends for rate, *ends in verdict.candidate.intervals if same_rate(rate, sees)), None)
    text = fixed(1)(top1)
    return Cell(f"{text} ({fixed(1)(found[0])} to {fixed(1)(found[1])})" if found else text, top1)


ACCURACY = Column(
    "Accuracy",
    _accuracy,
    PERCENT,
    name="accuracy_top1_percent",
    explains="of the frame rate that the network sees: measured by `co3d-bench evaluate` where there is an interval, "
    "else published, for float32 alone",
)
ANSWERS = Column("Answers", _answers, kind=WORDS, name="answers_per_s", explains="how often one is due")
LATENCY = Column(
    "Latency",
    _latency,
    MS,
    name="latency_ms",
    explains="p99, or the highest percentile that so few samples allow; of a camera from when a frame was due, else of "
    "the call",
)
MEASURED = Column("Measured", _measured, kind=WORDS, name="measured", explains="camera: in front of one; calls: alone")
# By the constraint that limits it.
MORE: dict[str, Column[Verdict]] = {
    "react": figure(
        "Reacts",
        _of("react"),
        S,
        name="reaction_s",
        explains="after a change of scene: until half of the way to the new answer",
    ),
    "memory": figure(
        "Memory", _of("memory"), MB, name="memory_mb", explains="highest resident memory of the whole process"
    ),
    "watts": figure(
        "Power",
        _of("watts"),
        W,
        name="power_w",
        explains="mean, while it answers as often as it must: idle power and the energy above idle of the answers",
    ),
}


def engine_text(among: Iterable[Candidate]) -> Callable[[Candidate], str]:
    """The engine of a candidate, and whatever else of their settings these candidates differ in, but the input."""
    settings = [setting_of(candidate.case).parts[:-1] for candidate in among]
    kept = [index for index, values in enumerate(zip(*settings, strict=True)) if index == 1 or len(set(values)) > 1]
    return lambda candidate: SEPARATOR.join(setting_of(candidate.case).parts[index] for index in kept)


@dataclass(frozen=True)
class Choice:
    """What is shown: these candidates against these limits."""

    candidates: tuple[Candidate, ...]
    limits: Limits
    failed: tuple[CaseResult, ...] = ()  # of networks that are no candidate
    everything: bool = False  # each way to use each case, not only the best of each network

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Those that are shown, the feasible ones first."""
        found = choose(self.candidates, self.limits)
        return found if self.everything else best_of_each(found)

    @property
    def feasible(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.feasible)

    @cached_property
    def engine(self) -> Callable[[Candidate], str]:
        return engine_text(self.candidates)


def choice_of(records: Sequence[Record], limits: Limits, *, everything: bool = False) -> Choice:
    """The records of a store against these limits."""
    found = candidates(records)
    known = {(each.case.model, each.case.machine) for each in found}
    failed = {
        (case.case.model, case.case.machine): case
        for case in case_results(records, KINDS)
        if not case.ok and (case.case.model, case.case.machine) not in known
    }
    return Choice(found, limits, tuple(failed.values()), everything)


def build(choice: Choice) -> Table:
    """A row for each network, feasible ones first, then why the others are not, then those that failed."""
    ranks = {id(verdict): place for place, verdict in enumerate(choice.feasible, 1)}

    def rank(verdict: Verdict) -> Cell:
        place = ranks.get(id(verdict))
        return Cell(str(place), place) if place else Cell()

    def reason(verdict: Verdict) -> Cell:
        text = why(verdict)
        return Cell(text, text) if text else Cell()

    first = Column("Rank", rank, name="rank", explains="accuracy, then latency, answers a second and memory")
    last = Column("Why not", reason, kind=WORDS, name="why_not", explains="which limits it does not keep")
    sources = [each.case.source for each in choice.candidates]
    whose: tuple[Column[Verdict], ...] = source_columns(sources, lambda verdict: verdict.candidate.case.source)
    columns = (first, *whose, *_columns(choice), last)
    failed = [
        Row(model_title(case), tuple(Cell() for _ in columns), case.case, error=case.error.message)
        for case in choice.failed
        if case.error
    ]
    return Table("Network", columns, (*(_row(verdict, columns) for verdict in choice.verdicts), *failed))


def _columns(choice: Choice) -> tuple[Column[Verdict], ...]:
    """Most wanted first, with that what was asked for: the terminal leaves out the last ones where there is no room."""

    def engine(verdict: Verdict) -> Cell:
        text = choice.engine(verdict.candidate)
        return Cell(text, text)

    asked = [column for name, column in MORE.items() if name in choice.limits]
    others = [column for name, column in MORE.items() if name not in choice.limits]
    return (ACCURACY, ANSWERS, Column("Engine", engine, kind=WORDS), LATENCY, *asked, MEASURED, *others)


def _row(verdict: Verdict, columns: Sequence[Column[Verdict]]) -> Row:
    candidate = verdict.candidate
    return Row(candidate.title, cells(columns, verdict), candidate.case, candidate.form, warnings=candidate.warnings)


def limit_text(constraint: Constraint, limit: float) -> str:
    """As it is typed: `--deadline 100ms`."""
    return f"--{constraint.name} {constraint.unit.of(limit):g}{WORDS_OF[constraint.name].suffix}"


def summary(choice: Choice) -> str:
    """How many networks fit, in a sentence; where none does, which single limit stands most in the way."""
    verdicts = best_of_each(choose(choice.candidates, choice.limits))
    many, only = len(verdicts), len(verdicts) == 1
    asked = " ".join(limit_text(each, choice.limits[each.name]) for each in CONSTRAINTS if each.name in choice.limits)
    if not asked:
        ranked = "1 network in its rank" if only else f"{many} networks in their rank"
        return f"{ranked}; no limit was set (see `co3d-bench choose --help`)"
    fit = sum(verdict.feasible for verdict in verdicts)
    if fit:
        return f"the only network fits {asked}" if only else f"{fit} of {many} networks fit {asked}"
    head = f"the only network does not fit {asked}" if only else f"none of {many} networks fits {asked}"
    relaxed = nearest(choice.candidates, choice.limits)
    if relaxed is None:
        return f"{head}; no change of a single limit would admit one"
    name = _name(choice, relaxed.verdict)
    return f"{head}; nearest is {name}: it would fit {limit_text(relaxed.constraint, relaxed.limit)}"


def render(choice: Choice, format: str) -> str:
    """The whole table as text: md, csv or json."""
    table = build(choice)
    if format == "md":
        return markdown(table)
    if format == "csv":
        return csv(table)
    return f"{frame(table).to_json(orient='records', double_precision=15)}\n"  # the most; its default is 10 decimals


def render_choice(choice: Choice) -> RenderableType:
    """The feasible ones as a table, and below it a line for each other one, as a rich renderable."""
    columns = filled(_columns(choice), choice.feasible)
    rows = (replace(_row(verdict, columns), form="") for verdict in choice.feasible)  # in their rank, whatever the form
    table = Table("Network", columns, tuple(rows))
    lines = [Text(summary(choice)), *([warnings_line(table.warnings)] if table.warnings else [])]
    lines += [
        Text.assemble(("not ", "dim"), (_name(choice, verdict), "bold"), f": {why(verdict)}")
        for verdict in choice.verdicts
        if not verdict.feasible
    ]
    lines += _to_measure(choice)
    lines += [
        Text.assemble((model_title(case), "bold red"), (" failed, ", "red"), case.error.message)
        for case in choice.failed
        if case.error
    ]
    return Group(*([fitted(table), Text("")] if table.rows else []), *lines)


def _to_measure(choice: Choice) -> list[Text]:
    """How to come to what is not known of some network here, in one line."""
    unknown = {each.constraint.name for v in choice.verdicts for each in v.violations if each.value is None}
    known = [(words.figure, words.measured_by) for name, words in WORDS_OF.items() if name in unknown]
    said = "; ".join(f"{what} is measured by {verb}" for what, verb in known if verb)
    return [Text(said, style="dim")] if said else []


def _name(choice: Choice, verdict: Verdict) -> str:
    """With how it would be used: X3D-M (eager, 30/s)."""
    how = ", ".join(filter(None, (choice.engine(verdict.candidate), answers_text(verdict.use))))
    return f"{verdict.candidate.title} ({how})"
