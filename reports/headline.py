"""The headline of a report: the main results in words, with the warnings of their records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..bench.record.record import REFERENCE
from ..bench.stats.case_result import CaseResult
from .engines import best_by_network, best_gain, precision_title
from .notation import fixed, number, times
from .select import Pair, clip_counterparts, differing_facts, model_title, setting_of, short_titles

REAL_TIME_PER_S = 30.0  # one prediction for each frame of an ordinary camera

MOST_PAIRS = 4  # sentences about pairs of networks; the table has the rest
MOST_NAMES = 12  # of failed cases in one sentence

_NO_BREAK = "\u00a0"  # a number and its unit stay on one line


def named(record: CaseResult) -> str:
    """The network, and the engine where that is not eager."""
    backend = record.case.backend
    return model_title(record) if backend == REFERENCE[0] else f"{model_title(record)} by {backend}"


def _percent(value: float | None) -> str:
    return f"{fixed(1)(value)}{_NO_BREAK}%"


def _per_s(record: CaseResult) -> str:
    text = f"{number(_rate(record))}{_NO_BREAK}predictions/s"
    batch = record.case.batch
    return f"{text} in each of {batch} streams" if batch > 1 else text


@dataclass(frozen=True)
class Fact:
    """One figure in a box of its own."""

    label: str
    value: str
    detail: str
    warned: bool = False


@dataclass(frozen=True)
class Headline:
    """A title, a few figures and a few sentences; every one derived from the records."""

    title: str
    where: str = ""  # processor, setting and number of timed runs, in one line
    facts: tuple[Fact, ...] = ()
    sentences: tuple[str, ...] = ()


def _rate(record: CaseResult) -> float:
    """Of one stream: what a single camera of a batch gets."""
    return record.value("per_stream") or 0.0


def _accuracy(record: CaseResult) -> float | None:
    return record.value("accuracy")


def _warned(*records: CaseResult) -> bool:
    return any(record.warnings for record in records)


def machine_text(record: CaseResult) -> str:
    """The machine of a record in words: its processor, and the device if that is another one."""
    cpu = record.environment.machine.cpu_model if record.environment else "an unknown processor"
    return cpu if record.case.device == "cpu" else f"{record.case.device} beside {cpu}"


def _frame_rate(record: CaseResult) -> float:
    """Of the video that the network is for, as its author states it."""
    return (record.model.frame_rate_hz if record.model else None) or REAL_TIME_PER_S


def _most_accurate_in_real_time(measured: Sequence[CaseResult]) -> CaseResult | None:
    ranked = [r for r in measured if _rate(r) >= _frame_rate(r) and _accuracy(r) is not None]
    return max(ranked, key=lambda r: (_accuracy(r) or 0.0, _rate(r)), default=None)


def _title(measured: Sequence[CaseResult]) -> str:
    title, rests_on = _claim(measured)
    return f"{title}, as measured with a warning" if _warned(*rests_on) else title


def _claim(measured: Sequence[CaseResult]) -> tuple[str, Sequence[CaseResult]]:
    """The main claim, and the records that it rests on."""
    best = _most_accurate_in_real_time(measured)
    fastest = max(measured, key=_rate)
    if best is not None:
        return (
            f"{named(best)} is the most accurate network that keeps up with a {_frame_rate(best):.3g} frames/s"
            f" video here: {_percent(_accuracy(best))} at {_per_s(best)}"
        ), (best,)
    if _rate(fastest) >= _frame_rate(fastest):
        return f"{named(fastest)} is the fastest network here: {_per_s(fastest)}", (fastest,)
    return (
        f"No network keeps up with a {REAL_TIME_PER_S:.0f} frames/s video here;"
        f" {named(fastest)} comes closest with {_per_s(fastest)}"
    ), measured


def ratio(pair: Pair) -> float:
    """How many times as fast the result is, by the median time per prediction.

    Not by throughput, which a few disturbed samples can change.
    """
    slow, fast = pair.origin.value("latency"), pair.result.value("latency")
    return slow / fast if slow and fast else 0.0


def _pair_sentence(pair: Pair) -> str:
    """One pair in words; no ratio where the two were not measured under the same circumstances."""
    frame, clip = pair.result, pair.origin
    differing = differing_facts((frame, clip))
    if differing:
        return (
            f"{named(frame)} and {named(clip)} were measured under different circumstances"
            f" ({', '.join(differing)}), so they are not compared."
        )
    text = (
        f"{named(frame)} is {times(ratio(pair))} as fast as its clip counterpart {named(clip)},"
        " by median time per prediction"
    )
    accuracies = _accuracy(frame), _accuracy(clip)
    if accuracies[0] is not None and accuracies[1] is not None:
        gain = accuracies[0] - accuracies[1]
        text += f", at an accuracy {abs(gain):.1f} points {'higher' if gain >= 0 else 'lower'}"
    return f"{text} (measured with a warning)." if _warned(frame, clip) else f"{text}."


def _facts(measured: Sequence[CaseResult], compared: Sequence[Pair]) -> tuple[Fact, ...]:
    facts = []
    best = _most_accurate_in_real_time(measured)
    if best is not None:
        facts.append(
            Fact(
                "Most accurate in real time",
                named(best),
                f"{_percent(_accuracy(best))} top-1, {_per_s(best)}",
                _warned(best),
            )
        )
    fastest = max(measured, key=_rate)
    facts.append(
        Fact(
            "Fastest",
            named(fastest),
            f"{_per_s(fastest)}",
            _warned(fastest),
        )
    )
    if compared:
        # The best of those without a warning, if there are such.
        most = max(compared, key=lambda pair: (not _warned(pair.origin, pair.result), ratio(pair)))
        facts.append(
            Fact(
                "Frame by frame instead of clips",
                f"{number(ratio(most), 2)} \u00d7 as fast",
                f"{named(most.result)} against {named(most.origin)}",
                _warned(most.result, most.origin),
            )
        )
    return tuple(facts)


def _engine_sentence(records: Sequence[CaseResult]) -> str | None:
    """What another engine than eager gains, at most."""
    found = best_gain(records)
    if found is None:
        return None
    case = found.record.case
    name = f"{case.backend} in {precision_title(case.precision)}"
    text = f"By {name}, {model_title(found.record)} is {times(found.speed)} as fast as by eager in float32"
    return f"{text} (measured with a warning)." if found.warned else f"{text}."


def _namer(records: Sequence[CaseResult]) -> Callable[[CaseResult], str]:
    """Names of these records: the network, and the setting where there are several."""
    settings = short_titles(setting_of(record.case) for record in records)
    if len(settings) == 1:
        return model_title
    return lambda record: f"{model_title(record)} [{settings[setting_of(record.case)]}]"


def _of(group: Sequence[CaseResult]) -> str:
    """What all of these have in common, engines named."""
    engines = ", ".join(dict.fromkeys(record.case.backend for record in group))
    device, _, precision, batch, threads, source = setting_of(group[0].case).parts
    return " · ".join((device, engines, precision, batch, threads, source))


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join([*names[:MOST_NAMES], *([f"and {more} more"] if more > 0 else [])])


def headline(chosen: Sequence[CaseResult]) -> Headline:
    """The headline of these cases: of each network by its fastest engine (`engines.best_by_network`)."""
    if not chosen:
        return Headline("Nothing has been measured yet")
    measured = [r for r in chosen if r.ok and r.timing]
    failed = [r for r in chosen if not r.ok]
    name = _namer(chosen)
    failures = _listed([f"{name(r)} ({r.error.kind})" for r in failed if r.error])
    if not measured:
        many = f"None of the {len(chosen)} cases could" if len(chosen) > 1 else "The only case could not"
        return Headline(f"{many} be measured", sentences=(f"Failed: {failures}.",) if failures else ())

    group = best_by_network(measured)
    found = sorted(clip_counterparts(group), key=ratio, reverse=True)
    compared = [pair for pair in found if not differing_facts((pair.origin, pair.result))]

    best = _most_accurate_in_real_time(group)
    fastest = max(group, key=_rate)
    sentences = []
    if best is not None and best is not fastest:
        accuracy = _accuracy(fastest)
        at = f", at {_percent(accuracy)} accuracy" if accuracy is not None else ""
        sentences.append(f"The fastest is {named(fastest)} with {_per_s(fastest)}{at}.")
    sentences += [_pair_sentence(pair) for pair in found[:MOST_PAIRS]]
    if len(found) > MOST_PAIRS and compared:
        ratios = [ratio(pair) for pair in compared]
        sentences.append(
            f"In all, {len(compared)} frame networks are {number(min(ratios), 2)} to {times(max(ratios))} as fast as"
            " their clip counterparts."
        )
    if sentence := _engine_sentence(measured):
        sentences.append(sentence)
    if best is not None:
        sentences.append("Accuracies are those the paper publishes; they are not measured here.")
    if len(measured) > len(group):
        shown = f"Of {len(measured)} measured cases, this shows each network by its fastest engine"
        sentences.append(f"{shown}: {_of(group)}.")
    warned = [name(r) for r in measured if r.warnings]
    if warned:
        verb = "carries" if len(warned) == 1 else "carry"
        sentences.append(f"{len(warned)} of {len(measured)} cases {verb} a warning: {_listed(warned)}.")
    if failures:
        sentences.append(f"Failed: {failures}.")
    return Headline(_title(group), circumstances(measured), _facts(group, compared), tuple(sentences))


def circumstances(measured: Sequence[CaseResult]) -> str:
    """Where and how these were measured, in one line: processor, setting, number of timed runs."""
    machines = list(dict.fromkeys(machine_text(r) for r in measured))
    settings = list(dict.fromkeys(setting_of(r.case).title for r in measured))
    counts = sorted({len(r.latency_s) for r in measured})
    processes = sorted({len(r.timed) for r in measured})
    runs, fresh = (f"{each[0]}" if len(each) == 1 else f"{each[0]} to {each[-1]}" for each in (counts, processes))
    where = machines[0] if len(machines) == 1 else f"{len(machines)} machines"
    how = settings[0] if len(settings) == 1 else f"{len(settings)} settings"
    return f"{where} · {how} · {runs} timed predictions each, in {fresh} fresh process{'' if fresh == '1' else 'es'}"
