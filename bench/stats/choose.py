"""Which network to take: what is known of each case, set against limits. Pure; `reports/templates/choose.js` says the
same on the page.

A candidate is a case of the store: called as fast as it answers, or in front of a camera. Before a camera of a given
frame rate there are up to three ways to use it (`uses`), each with figures of its own. What is not known is None, and
where a limit asks for it, it excludes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..record.camera import CameraRun, Reaction
from ..record.case import CameraSetup, Case
from ..record.record import Record
from .accuracy import MeasuredAccuracy, same_rate
from .capacity import SHARE
from .case_result import CaseResult, case_results
from .metrics import MB, MS, PERCENT, Better, S, Unit, idle_power_w
from .summary import SAMPLES_FOR_PERCENTILE, percentile, throttled

# 29.97 frames/s are those of a camera of 30, and 24 are not those of one of 25.
SAME_CAMERA = 0.01  # relative
MEDIAN = 50
PERCENTS = (99, 95, 90, MEDIAN)  # of the latency: the first that the number of samples allows

# every: an answer for each frame. trained: one for each n-th, as the weights were trained. interleaved: as many states
# as frames lie between two of those take turns, so each frame has an answer as at the trained rate. other: as a camera
# was set that is none of these.
Way = Literal["every", "trained", "interleaved", "other"]


@dataclass(frozen=True)
class Constraint:
    """A limit that can be set: the option and its name in the page's address."""

    name: str
    better: Better  # of the figure that it limits
    unit: Unit  # what it is shown in


# fmt: off
CONSTRAINTS = (
    Constraint("fps", "higher", Unit("frames/s")),
    Constraint("deadline", "lower", MS),
    Constraint("react", "lower", S),
    Constraint("memory", "lower", MB),
    Constraint("watts", "lower", Unit("W")),
    Constraint("accuracy", "higher", PERCENT),
)
# fmt: on
Limits = Mapping[str, float]  # by the name of the constraint, in SI; without a name there is no limit


@dataclass(frozen=True)
class Use:
    """A way to use a network."""

    way: Way
    answers_per_s: float | None  # that are due; None: as fast as it answers, and that is not known
    sees_per_s: float | None  # frames a second that one state, or the clip, is made of
    every: int = 1  # which of the camera's frames are due an answer: each n-th
    states: int = 1  # that take turns
    fps: float | None = None  # of the camera that it was watched with


@dataclass(frozen=True)
class Missed:
    """What a camera's record says of its own deadline, however few its samples are."""

    deadline_s: float
    share: float  # late and dropped, of those that were due


@dataclass(frozen=True)
class Candidate:
    """What is known of one case, in SI. None: not known."""

    case: Case
    title: str
    form: str
    rate_per_s: float | None = None  # answers a second of each stream
    latency_s: float | None = None  # infinite: so many frames of a camera were dropped
    percent: int = MEDIAN  # which percentile that is
    trained_per_s: float | None = None  # frames a second that the weights were trained at
    accuracies: tuple[tuple[float, float], ...] = ()  # (frames a second that it sees, percent)
    intervals: tuple[tuple[float, float, float], ...] = ()  # (that rate, low, high) of those that were measured
    accuracy: float | None = None  # percent, where the rate of the weights is not known
    reaction_frames: float | None = None  # that the network sees until half of the way to the new answer
    memory_bytes: float | None = None
    state_bytes: float | None = None
    idle_w: float | None = None
    answer_j: float | None = None  # energy above idle of an answer for each of its streams
    watched: Use | None = None  # in front of a camera, as it was set
    missed: Missed | None = None  # there
    cameras: tuple[tuple[Way, float], ...] = ()  # in front of which this network was watched by the same engine
    warnings: tuple[str, ...] = ()


def interval(fps: float, trained_per_s: float | None) -> int:
    """Every how many frames of a camera one is taken, for the rate of the weights; as `co3d-bench camera` has it."""
    return max(1, round(fps / trained_per_s)) if trained_per_s else 1


def same_camera(a: float, b: float) -> bool:
    """Whether two frame rates are those of one camera."""
    return math.isclose(a, b, rel_tol=SAME_CAMERA)


def uses(candidate: Candidate, fps: float | None) -> tuple[Use, ...]:
    """The ways to use a network before a camera of that frame rate; without one, at the rate of its weights alone.

    What was watched in front of a camera stands in place of what would be derived from calls alone.
    """
    if candidate.watched:
        return (candidate.watched,)
    trained = candidate.trained_per_s
    if fps is None:
        return (Use("trained", trained or candidate.rate_per_s, trained),)
    every = interval(fps, trained)
    near = fps / every  # the trained rate, as near as this camera comes to it
    found = [Use("every", fps, fps if candidate.form == "frame" else _of_clip(fps, trained))]
    if every > 1:
        found.append(Use("trained", near, near, every))
    if every > 1 and candidate.form == "frame":
        found.append(Use("interleaved", fps, near, states=every))
    known = {way for way, rate in candidate.cameras if same_camera(rate, fps)}
    return tuple(use for use in found if use.way not in known)


def _of_clip(fps: float, trained_per_s: float | None) -> float | None:
    """Frames a second in a clip, however often it answers: each n-th of the camera; None where n is not known."""
    return fps / interval(fps, trained_per_s) if trained_per_s else None


def figures(candidate: Candidate, use: Use) -> dict[str, float | None]:
    """The figure that each constraint limits, by its name."""
    return {
        "fps": candidate.rate_per_s,
        "deadline": candidate.latency_s,
        "react": _reaction_s(candidate, use),
        "memory": _memory_bytes(candidate, use),
        "watts": _power_w(candidate, use),
        "accuracy": _accuracy(candidate, use),
    }


def _reaction_s(candidate: Candidate, use: Use) -> float | None:
    if candidate.reaction_frames is None or use.sees_per_s is None:
        return None
    return candidate.reaction_frames / use.sees_per_s


def _memory_bytes(candidate: Candidate, use: Use) -> float | None:
    """States that take turns are added to what was measured with one."""
    if use.states == 1 or candidate.watched or candidate.memory_bytes is None:
        return candidate.memory_bytes
    return None if candidate.state_bytes is None else candidate.memory_bytes + (use.states - 1) * candidate.state_bytes


def _power_w(candidate: Candidate, use: Use) -> float | None:
    """Mean power while it answers as often as it must."""
    if candidate.idle_w is None or candidate.answer_j is None or use.answers_per_s is None:
        return None
    return candidate.idle_w + candidate.answer_j * use.answers_per_s


def _accuracy(candidate: Candidate, use: Use) -> float | None:
    """Of the frame rate that it sees."""
    if use.sees_per_s is None:
        return candidate.accuracy
    return next((top1 for rate, top1 in candidate.accuracies if same_rate(rate, use.sees_per_s)), None)


@dataclass(frozen=True)
class Violation:
    """A limit that a use does not keep."""

    constraint: Constraint
    value: float | None  # None: not known
    limit: float  # of `fps`: how many answers a second are due
    missed: bool = False  # value and limit are shares of deadlines that were missed, though its percentile keeps it

    @property
    def excess(self) -> float:
        """How far beyond the limit, relative to it, or which share of answers too many missed it; infinite where that
        is not known."""
        if self.value is None:
            return math.inf
        return self.value - self.limit if self.missed else abs(self.value / self.limit - 1)


@dataclass(frozen=True)
class Verdict:
    """One way to use a candidate, and which limits it does not keep; none: it is feasible."""

    candidate: Candidate
    use: Use
    figures: Mapping[str, float | None]
    violations: tuple[Violation, ...]

    @property
    def feasible(self) -> bool:
        return not self.violations


def judge(candidate: Candidate, use: Use, limits: Limits) -> Verdict:
    """Set one way to use a candidate against the limits."""
    known = figures(candidate, use)
    found = []
    for constraint in CONSTRAINTS:
        limit, value = limits.get(constraint.name), known[constraint.name]
        if limit is None and constraint.name == "fps" and limits and value is not None:
            limit = use.fps  # its other figures are of that camera, so it has to keep up with it
        if limit is None:
            continue
        if constraint.name == "fps":
            if use.fps is not None and not same_camera(use.fps, limit):
                value = None
            limit = use.answers_per_s if use.answers_per_s is not None else limit
        if value is None or (value < limit if constraint.better == "higher" else value > limit):
            found.append(Violation(constraint, value, limit))
        elif constraint.name == "deadline" and (share := _missed_share(candidate, limit)) > SHARE:
            found.append(Violation(constraint, share, SHARE, missed=True))
    return Verdict(candidate, use, known, tuple(found))


def _missed_share(candidate: Candidate, deadline_s: float) -> float:
    """At least so many answers were later than this, as far as is known: what is too late for a longer deadline is."""
    missed = candidate.missed
    return missed.share if missed and deadline_s <= missed.deadline_s else 0.0


def rank(verdict: Verdict) -> tuple[float, ...]:
    """The more accurate first, then the lower latency, more answers a second, less memory; what is not known last."""
    values = verdict.figures
    first = (values["accuracy"], verdict.use.answers_per_s)
    accuracy, answers = (math.inf if value is None else -value for value in first)
    latency, memory = (math.inf if value is None else value for value in (values["deadline"], values["memory"]))
    return accuracy, latency, answers, memory


def choose(candidates: Iterable[Candidate], limits: Limits) -> tuple[Verdict, ...]:
    """Every way to use these candidates: the feasible ones in their rank, then the others, the nearest first: fewer
    violations, then the largest excess, then the next. Equal ones stay in the order of the candidates."""
    fps = limits.get("fps")
    found = [judge(candidate, use, limits) for candidate in candidates for use in uses(candidate, fps)]

    def place(verdict: Verdict) -> tuple[float, ...]:
        excess = sorted((violation.excess for violation in verdict.violations), reverse=True)
        return len(excess), *excess, *rank(verdict)

    return tuple(sorted(found, key=place))


def best_of_each(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Of each network on each device the first."""
    found: dict[tuple[str, str], Verdict] = {}
    for verdict in verdicts:
        found.setdefault((verdict.candidate.case.model, verdict.candidate.case.machine), verdict)
    return tuple(found.values())


@dataclass(frozen=True)
class Relaxed:
    """What would be feasible if one limit were another."""

    constraint: Constraint
    limit: float  # in SI
    verdict: Verdict


def nearest(candidates: Sequence[Candidate], limits: Limits) -> Relaxed | None:
    """Where nothing is feasible: the single limit that has to be changed least, relative to itself, to admit something.
    None: no limit alone would do."""
    nearly = (verdict for verdict in choose(candidates, limits) if len(verdict.violations) == 1)
    found = [relaxed for verdict in nearly if (relaxed := _relaxed(verdict, limits))]
    return min(found, key=lambda each: abs(each.limit / limits[each.constraint.name] - 1), default=None)


def _relaxed(verdict: Verdict, limits: Limits) -> Relaxed | None:
    """The limit that would admit this one, rounded so that it still does. It is looked at again with that limit, since
    other figures depend on the frame rate."""
    (violation,) = verdict.violations
    constraint, value = violation.constraint, violation.value
    if (
        value is None
        or not math.isfinite(value)
        or value <= 0
        or violation.missed  # how late they were is not known
        or (constraint.name == "fps" and verdict.candidate.watched)
    ):
        return None
    share = limits[constraint.name] / violation.limit  # other than 1 where not each frame is due an answer
    limit = _outward(share * value, constraint)
    if limit <= 0:
        return None
    changed = {**limits, constraint.name: limit}
    again = (judge(verdict.candidate, use, changed) for use in uses(verdict.candidate, changed.get("fps")))
    admitted = next((each for each in again if each.feasible and each.use.way == verdict.use.way), None)
    return Relaxed(constraint, limit, admitted) if admitted else None


def _outward(value: float, constraint: Constraint) -> float:
    """A limit of three figures, in the unit that it is shown in, that just admits the value."""
    unit, more = constraint.unit, 1 if constraint.better == "lower" else -1
    step = 10.0 ** (math.floor(math.log10(unit.of(value))) - 2)
    first = round(unit.of(value) / step) - more
    around = ((first + more * number) * step * unit.size for number in range(4))
    return next(limit for limit in around if (limit >= value if more > 0 else limit <= value))


# --- from records


def candidates(records: Iterable[Record]) -> tuple[Candidate, ...]:
    """The candidates of a store, in the order in which their cases first appeared: those of speed, then those of
    cameras. Cameras that waited (`--policy block`) are none, since a real one does not, nor are several at once."""
    kept = list(records)
    reactions = _reactions(kept)
    speeds = [_of_speed(case, reactions) for case in case_results(kept) if case.ok and case.timed]
    by_network = {as_run(each.case): each for each in speeds}
    watched = []
    for result in case_results(kept, ("camera",)):
        record, run, setup = result.record, result.record.camera, result.case.camera
        if record.ok and run and run.due and setup and setup.policy != "block" and setup.streams == 1:
            seen = _Watched(result, run, setup)
            watched.append(_of_camera(seen, reactions, by_network.get(as_run(record.case))))
    cameras: dict[Case, tuple[tuple[Way, float], ...]] = {}
    for each in watched:
        if each.watched and each.watched.fps:
            engine = as_run(each.case)
            cameras[engine] = (*cameras.get(engine, ()), (each.watched.way, each.watched.fps))
    return (*(replace(each, cameras=cameras.get(as_run(each.case), ())) for each in speeds), *watched)


@dataclass(frozen=True)
class _Watched:
    """A case in front of a camera."""

    case: CaseResult
    run: CameraRun
    setup: CameraSetup


_Network = tuple[str, str, str]  # source, name, weights


def _network(record: Record) -> _Network:
    return record.case.source, record.case.model, record.model.weights if record.model else ""


def as_run(case: Case) -> Case:
    """The network and how it is run, whatever it is shown: what two candidates have in common, one of them watched."""
    return case.model_copy(update={"camera": None, "input": ""})


def _reactions(records: Iterable[Record]) -> dict[_Network, Reaction]:
    """The newest of each network: it depends on the network and its weights, not on the engine."""
    runs = ((record, record.camera) for record in records if record.ok)
    return {_network(record): run.reaction for record, run in runs if run and run.reaction}


def _facts(case: CaseResult, reactions: Mapping[_Network, Reaction]) -> Candidate:
    """What does not depend on how fast it was."""
    record, known = case.record, case.accuracy
    model, reaction = record.model, reactions.get(_network(record))
    accuracy = known.at()
    rated = [(each.frames_per_s, each) for each in known.all if each.frames_per_s]
    return Candidate(
        case=record.case,
        title=model.title if model else record.case.model,
        form=model.form if model else "",
        trained_per_s=model.trained_frames_per_s if model else None,
        accuracy=accuracy.top1 if accuracy else None,
        accuracies=tuple((rate, each.top1) for rate, each in rated),
        intervals=tuple((rate, *each.ends) for rate, each in rated if isinstance(each, MeasuredAccuracy)),
        reaction_frames=reaction.half_s / reaction.frame_s if reaction else None,
    )


def _of_speed(case: CaseResult, reactions: Mapping[_Network, Reaction]) -> Candidate:
    percent, latency_s = next(
        ((each, value) for each in PERCENTS[:-1] if (value := percentile(case.latency_s, each)) is not None),
        (MEDIAN, case.value("latency_s")),  # that of every table
    )
    answer_j = case.value("energy_above_idle_j")
    return replace(
        _facts(case, reactions),
        rate_per_s=case.value("per_stream_per_s"),
        latency_s=latency_s,
        percent=percent,
        memory_bytes=case.value("peak_rss_bytes"),
        state_bytes=case.value("state_bytes"),
        idle_w=idle_power_w(case.energy),
        answer_j=None if answer_j is None else case.case.batch * answer_j,
        warnings=case.warnings,
    )


def _of_camera(seen: _Watched, reactions: Mapping[_Network, Reaction], speed: Candidate | None) -> Candidate:
    """`speed` is the same network by the same engine, called as fast as it answers: what a camera's record does not
    hold, memory in those of early versions and energy, is taken from there."""
    run, setup = seen.run, seen.setup
    facts = _facts(seen.case, reactions)
    percent = next((percent for percent in PERCENTS if run.due >= SAMPLES_FOR_PERCENTILE[percent]), None)
    latency_s = run.latency_s.get(f"p{percent}", math.inf) if percent else None
    due_per_s = setup.fps / setup.every
    kept = 1.0 if run.dropped <= SHARE * run.due else 1 - run.dropped / run.due
    memory_bytes = seen.case.record.peak_rss_bytes
    return replace(
        facts,
        rate_per_s=None if percent is None else due_per_s * kept,
        latency_s=latency_s,
        percent=percent or MEDIAN,
        memory_bytes=speed.memory_bytes if memory_bytes is None and speed and setup.states == 1 else memory_bytes,
        idle_w=speed.idle_w if speed else None,
        answer_j=speed.answer_j if speed else None,
        watched=_use_of(setup, facts),
        missed=Missed(run.deadline_s, run.missed / run.due),
        warnings=(f"the device throttled: {signs}",) if (signs := throttled(seen.case.record)) else (),
    )


def _use_of(setup: CameraSetup, facts: Candidate) -> Use:
    seen = setup.every * setup.states  # every n-th frame, by a state
    trained = seen == interval(setup.fps, facts.trained_per_s)
    way: Way = "other"
    if seen == 1:
        way = "every"
    elif trained and setup.states == 1:
        way = "trained"
    elif trained and setup.every == 1:
        way = "interleaved"
    sees_per_s = setup.fps / seen if facts.form == "frame" else _of_clip(setup.fps, facts.trained_per_s)
    return Use(way, setup.fps / setup.every, sees_per_s, setup.every, setup.states, setup.fps)
