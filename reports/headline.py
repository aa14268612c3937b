"""The headline of a report: what the records say, in words, with as much doubt as the records have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..bench.metrics import get_metric
from ..bench.record import Record
from ..bench.stats import doubts
from .engines import best_gain, precision_title, weight
from .notation import fixed, number, times
from .select import (
    Pair,
    by_setting,
    clip_counterparts,
    differing_facts,
    latest,
    model_title,
    setting_of,
    short_titles,
)

REAL_TIME_PER_S = 30.0  # one prediction for each frame of an ordinary camera

MOST_PAIRS = 4  # sentences about pairs of networks; the table has the rest
MOST_NAMES = 12  # of doubtful or failed cases in one sentence

_NO_BREAK = "\u00a0"  # a number and its unit stay on one line


def _percent(value: float | None) -> str:
    return f"{fixed(1)(value)}{_NO_BREAK}%"


def _per_s(record: Record) -> str:
    text = f"{number(_rate(record))}{_NO_BREAK}predictions/s"
    batch = record.case.batch
    return f"{text} in each of {batch} streams" if batch > 1 else text


@dataclass(frozen=True)
class Fact:
    """One figure worth a box of its own."""

    label: str
    value: str
    detail: str
    doubtful: bool = False


@dataclass(frozen=True)
class Headline:
    """A title, a few figures and a few sentences; every one derived from the records."""

    title: str
    where: str = ""  # processor, setting and number of timed runs, in one line
    facts: tuple[Fact, ...] = ()
    sentences: tuple[str, ...] = ()


def _rate(record: Record) -> float:
    """Of one stream: a camera is not served by what seven others get."""
    return get_metric("per_stream").value(record) or 0.0


def _accuracy(record: Record) -> float | None:
    return get_metric("accuracy").value(record)


def _doubtful(*records: Record) -> bool:
    return any(doubts(record) for record in records)


def place(record: Record) -> str:
    """The machine of a record in words: its processor, and the device if that is another one."""
    cpu = record.environment.machine.cpu_model if record.environment else "an unknown processor"
    return cpu if record.case.device == "cpu" else f"{record.case.device} beside {cpu}"


def _most_accurate_in_real_time(measured: Sequence[Record]) -> Record | None:
    ranked = [r for r in measured if _rate(r) >= REAL_TIME_PER_S and _accuracy(r) is not None]
    return max(ranked, key=lambda r: (_accuracy(r) or 0.0, _rate(r)), default=None)


def _title(measured: Sequence[Record]) -> str:
    title, rests_on = _claim(measured)
    return f"{title}, as far as a doubtful measurement can tell" if _doubtful(*rests_on) else title


def _claim(measured: Sequence[Record]) -> tuple[str, Sequence[Record]]:
    """What is said of them, and the records without which it would not be."""
    best = _most_accurate_in_real_time(measured)
    fastest = max(measured, key=_rate)
    if best is not None:
        return (
            f"{model_title(best)} is the most accurate network that keeps up with a {REAL_TIME_PER_S:.0f} frames/s"
            f" video here: {_percent(_accuracy(best))} at {_per_s(best)}"
        ), (best,)
    if _rate(fastest) >= REAL_TIME_PER_S:
        return f"{model_title(fastest)} is the fastest network here: {_per_s(fastest)}", (fastest,)
    return (
        f"No network keeps up with a {REAL_TIME_PER_S:.0f} frames/s video here;"
        f" {model_title(fastest)} comes closest with {_per_s(fastest)}"
    ), measured


def ratio(pair: Pair) -> float:
    """How many times as fast the result is, by the median time per prediction.

    Not by throughput: a few samples in which the machine did something else would decide it.
    """
    latency = get_metric("latency")
    slow, fast = latency.value(pair.origin), latency.value(pair.result)
    return slow / fast if slow and fast else 0.0


def _pair_sentence(pair: Pair) -> str:
    """One pair in words; no ratio where the two were not measured under the same circumstances."""
    frame, clip = pair.result, pair.origin
    differing = differing_facts((frame, clip))
    if differing:
        return (
            f"{model_title(frame)} and {model_title(clip)} were measured under different circumstances"
            f" ({', '.join(differing)}), so they are not compared."
        )
    text = (
        f"{model_title(frame)} is {times(ratio(pair))} as fast as its clip counterpart {model_title(clip)},"
        " by median time per prediction"
    )
    accuracies = _accuracy(frame), _accuracy(clip)
    if accuracies[0] is not None and accuracies[1] is not None:
        gain = accuracies[0] - accuracies[1]
        text += f", at an accuracy {abs(gain):.1f} points {'higher' if gain >= 0 else 'lower'}"
    return f"{text} (on doubtful measurements)." if _doubtful(frame, clip) else f"{text}."


def _facts(measured: Sequence[Record], compared: Sequence[Pair]) -> tuple[Fact, ...]:
    facts = []
    best = _most_accurate_in_real_time(measured)
    if best is not None:
        facts.append(
            Fact(
                "Most accurate in real time",
                model_title(best),
                f"{_percent(_accuracy(best))} top-1, {_per_s(best)}",
                _doubtful(best),
            )
        )
    fastest = max(measured, key=_rate)
    facts.append(
        Fact(
            "Fastest",
            model_title(fastest),
            f"{_per_s(fastest)}",
            _doubtful(fastest),
        )
    )
    if compared:
        # The best of those without doubts, if there are such.
        most = max(compared, key=lambda pair: (not _doubtful(pair.origin, pair.result), ratio(pair)))
        facts.append(
            Fact(
                "Frame by frame instead of clips",
                f"{number(ratio(most), 2)} \u00d7 as fast",
                f"{model_title(most.result)} against {model_title(most.origin)}",
                _doubtful(most.result, most.origin),
            )
        )
    return tuple(facts)


def _engine_sentence(records: Sequence[Record]) -> str | None:
    """What another engine than eager gains, at most."""
    found = best_gain(records)
    if found is None:
        return None
    record, speed = found
    name = f"{record.case.backend} in {precision_title(record.case.precision)}"
    text = f"By {name}, {model_title(record)} is {times(speed)} as fast as by eager in float32"
    return f"{text} (on doubtful measurements)." if _doubtful(record) else f"{text}."


def _namer(records: Sequence[Record]) -> Callable[[Record], str]:
    """How these records are called: by their network, and by their setting where there are several."""
    settings = short_titles(setting_of(record.case) for record in records)
    if len(settings) == 1:
        return model_title
    return lambda record: f"{model_title(record)} [{settings[setting_of(record.case)]}]"


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join([*names[:MOST_NAMES], *([f"and {more} more"] if more > 0 else [])])


def headline(records: Sequence[Record]) -> Headline:
    """The headline of these records; of several settings, that with most measured networks speaks.

    Of those with as many, it is one in float32, in which accuracies were published, and the fastest of these.
    """
    chosen = latest(records)
    if not chosen:
        return Headline("Nothing has been measured yet")
    measured = [r for r in chosen if r.ok and r.timing]
    failed = [r for r in chosen if not r.ok]
    name = _namer(chosen)
    failures = _listed([f"{name(r)} ({r.error.kind})" for r in failed if r.error])
    if not measured:
        many = f"None of the {len(chosen)} cases could" if len(chosen) > 1 else "The only case could not"
        return Headline(f"{many} be measured", sentences=(f"Failed: {failures}.",) if failures else ())

    groups = by_setting(measured)
    setting, group = max(groups.items(), key=lambda item: weight(*item))
    found = sorted(clip_counterparts(group), key=ratio, reverse=True)
    compared = [pair for pair in found if not differing_facts((pair.origin, pair.result))]

    best = _most_accurate_in_real_time(group)
    fastest = max(group, key=_rate)
    sentences = []
    if best is not None and best is not fastest:
        accuracy = _accuracy(fastest)
        at = f", at {_percent(accuracy)} accuracy" if accuracy is not None else ""
        sentences.append(f"The fastest is {model_title(fastest)} with {_per_s(fastest)}{at}.")
    sentences += [_pair_sentence(pair) for pair in found[:MOST_PAIRS]]
    if len(found) > MOST_PAIRS and compared:
        ratios = [ratio(pair) for pair in compared]
        sentences.append(
            f"In all, {len(compared)} frame networks are {number(min(ratios), 2)} to {times(max(ratios))} as fast as"
            " their clip counterparts."
        )
    if told := _engine_sentence(measured):
        sentences.append(told)
    if best is not None:
        sentences.append("Accuracies are those the paper publishes; they are not measured here.")
    if len(groups) > 1:
        sentences.append(f"Of {len(groups)} settings, this speaks of {setting.title}.")
    doubtful = [name(r) for r in measured if doubts(r)]
    if doubtful:
        verbs = "carries doubts and is" if len(doubtful) == 1 else "carry doubts and are"
        sentences.append(
            f"{len(doubtful)} of {len(measured)} measurements {verbs} marked where the numbers stand:"
            f" {_listed(doubtful)}."
        )
    if failures:
        sentences.append(f"Failed: {failures}.")
    return Headline(_title(group), circumstances(measured), _facts(group, compared), tuple(sentences))


def circumstances(measured: Sequence[Record]) -> str:
    """Where and how these were measured, in one line: processor, setting, number of timed runs."""
    places = list(dict.fromkeys(place(r) for r in measured))
    settings = list(dict.fromkeys(setting_of(r.case).title for r in measured))
    counts = sorted({len(r.timing.samples) for r in measured if r.timing})
    runs = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    where = places[0] if len(places) == 1 else f"{len(places)} machines"
    how = settings[0] if len(settings) == 1 else f"{len(settings)} settings"
    return f"{where} · {how} · {runs} timed predictions each"
