"""The headline of a report: the main results in words, with the warnings of their records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..bench.record.record import REFERENCE
from ..bench.stats.accuracy import Accuracy, MeasuredAccuracy, comparable_pair, films_of, most_films
from ..bench.stats.case_result import CaseResult
from .engines import best_by_network, best_gain, precision_title
from .notation import accuracy_text, conditions, fixed, number, times
from .select import Pair, clip_counterparts, differing_facts, model_title, setting_of, short_titles, with_source

REAL_TIME_PER_S = 30.0  # every frame of an ordinary camera

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


def _accuracy(record: CaseResult) -> Accuracy | None:
    return record.accuracy.main


def _how(accuracy: Accuracy) -> str:
    return "measured" if isinstance(accuracy, MeasuredAccuracy) else "published"


def _percent_of(accuracy: Accuracy) -> str:
    """With its interval, where it was measured."""
    if isinstance(accuracy, MeasuredAccuracy):
        return f"{accuracy_text(accuracy)}{_NO_BREAK}%"
    return _percent(accuracy.top1)


def _frames_per_s(rate: float) -> str:
    return f"{rate:.3g}{_NO_BREAK}frames/s"


def _with_rate(accuracy: Accuracy) -> str:
    """An accuracy and the frame rate at which it was measured, where that is known."""
    rate = accuracy.frames_per_s
    return _percent_of(accuracy) + ("" if rate is None else f" at {_frames_per_s(rate)}")


def _warned(*records: CaseResult) -> bool:
    return any(record.warnings for record in records)


def machine_text(record: CaseResult) -> str:
    """The machine of a record in words: its processor, the device if that is another one, and where there are several
    sources which: two machines may be of one model."""
    cpu = record.environment.machine.cpu_model if record.environment else "an unknown processor"
    machine = cpu if record.case.device == "cpu" else f"{record.case.device} beside {cpu}"
    return f"{machine} ({record.source})" if record.source else machine


def _video_rate(record: CaseResult) -> float:
    """Of the video that the network is for, as its author states it: every frame of it."""
    return (record.model.frame_rate_hz if record.model else None) or REAL_TIME_PER_S


def _needed(record: CaseResult) -> float:
    """Predictions/s that its accuracy asks for: as many as the frames a second at which that was measured. Where that
    is not known, every frame of its video."""
    accuracy = _accuracy(record)
    return (accuracy.frames_per_s if accuracy else None) or _video_rate(record)


def _sees_every_frame(record: CaseResult) -> bool:
    return _rate(record) >= _video_rate(record)


def _most_accurate(measured: Sequence[CaseResult]) -> CaseResult | None:
    """Of the networks that keep up at the frame rate of their accuracy; where accuracies are of several sets of films,
    of the set that most networks have."""
    able = [(known, r) for r in measured if (known := _accuracy(r)) and _rate(r) >= _needed(r)]
    films = most_films(_accuracy(r) for r in measured)
    ranked = [(known.top1, _rate(r), r) for known, r in able if films_of(known) == films]
    return max(ranked, key=lambda each: each[:2], default=(0.0, 0.0, None))[2]


def _title(measured: Sequence[CaseResult]) -> str:
    title, rests_on = _claim(measured)
    return f"{title}, as measured with a warning" if _warned(*rests_on) else title


def _claim(measured: Sequence[CaseResult]) -> tuple[str, Sequence[CaseResult]]:
    """The main claim, and the records that it rests on."""
    best = _most_accurate(measured)
    fastest = max(measured, key=_rate)
    if best is not None and (accuracy := _accuracy(best)):
        head = f"{named(best)} has the highest {_how(accuracy)} accuracy of all that keep up"
        video = _frames_per_s(_video_rate(best))
        if _needed(best) == _video_rate(best):
            return f"{head} with a {video} video here: {_percent_of(accuracy)} at {_per_s(best)}", (best,)
        more = f"keep up with {video} too" if _sees_every_frame(best) else f"are too few for {video}"
        return f"{head} here: {_with_rate(accuracy)}. Its {_per_s(best)} {more}", (best,)
    if _sees_every_frame(fastest):
        return f"{named(fastest)} is the fastest network here: {_per_s(fastest)}", (fastest,)
    closest = max(measured, key=lambda r: _rate(r) / _needed(r))
    if (needed := _needed(closest)) != _video_rate(closest):
        return (
            f"No network keeps up with the frame rate of its accuracy here; {named(closest)} comes closest with"
            f" {_per_s(closest)}, and needs {needed:.3g}"
        ), measured
    return (
        f"No network keeps up with a {_frames_per_s(needed)} video here;"
        f" {named(closest)} comes closest with {_per_s(closest)}"
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
    if (both := comparable_pair(frame.accuracy.all, clip.accuracy.all)) and (rate := both[0].frames_per_s):
        ours, theirs = both[0].top1, both[1].top1
        points = f"{abs(ours - theirs):.1f}"
        better = f"{points} points {'higher' if ours > theirs else 'lower'}" if float(points) else "the same"
        seen = f"{_percent_of(both[0])} ({both[0].view}) against {_percent_of(both[1])} ({both[1].view})"
        mixed = any(isinstance(_accuracy(each), MeasuredAccuracy) for each in (frame, clip))
        which = f"{_how(both[0])} accuracy" if mixed else "accuracy"
        text += f"; at {_frames_per_s(rate)} its {which} is {better}: {seen}"
    return f"{text} (measured with a warning)." if _warned(frame, clip) else f"{text}."


def _facts(measured: Sequence[CaseResult], compared: Sequence[Pair]) -> tuple[Fact, ...]:
    facts = []
    best = _most_accurate(measured)
    if best is not None and (accuracy := _accuracy(best)):
        facts.append(
            Fact(
                f"Highest {_how(accuracy)} accuracy that keeps up",
                named(best),
                f"{_percent_of(accuracy)} top-1 ({conditions(accuracy)}), {_per_s(best)}",
                _warned(best),
            )
        )
    facts.append(_every_frame(measured))
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


def _every_frame(measured: Sequence[CaseResult]) -> Fact:
    """Which networks keep up with every frame, ranked by accuracies of that rate alone."""
    rates = sorted({_video_rate(r) for r in measured})
    label = f"Every frame of a {_frames_per_s(rates[0])} video" if len(rates) == 1 else "Every frame of its video"
    able = [r for r in measured if _sees_every_frame(r)]
    if not able:
        return Fact(label, "no network", "all are slower")
    at_rate = [(found, r) for r in able if (found := r.accuracy.at(_video_rate(r))) and found.frames_per_s]
    films = most_films(found for found, _ in at_rate)
    known = [(found, r) for found, r in at_rate if films_of(found) == films]
    if known:
        accuracy, best = max(known, key=lambda each: (each[0].top1, _rate(each[1])))
        detail = f"most accurate at that rate: {named(best)}, {_percent_of(accuracy)}"
    else:
        detail = f"{'its' if len(able) == 1 else 'their'} accuracy at that rate is not known"
    value = named(able[0]) if len(able) == 1 else f"{len(able)} of {len(measured)} networks"
    return Fact(label, value, detail, _warned(*able))


def _rate_sentence(best: CaseResult) -> str | None:
    """That a frame network before every frame of a video is not the one whose accuracy was published."""
    model, accuracy = best.model, _accuracy(best)
    if not _sees_every_frame(best) or model is None or accuracy is None or best.accuracy.at(_video_rate(best)):
        return None
    if accuracy.frames_per_s is None:
        return f"At which frame rate the accuracy of {named(best)} was measured is not known."
    video = _frames_per_s(_video_rate(best))
    text = f"Shown every frame of a {video} video, {named(best)} has no {_how(accuracy)} accuracy"
    if model.trained_frames_per_s and best.accuracy.at() == accuracy:
        kept = f"{_with_rate(accuracy)} is kept for every frame by interleaved states"
        return f"{text}; {kept} (co3d-bench camera --interleave)."
    return f"{text}: {_percent_of(accuracy)} belongs to {_frames_per_s(accuracy.frames_per_s)}."


def _where_from(group: Sequence[CaseResult]) -> str:
    """Where the accuracies of these come from."""
    known = [accuracy for record in group if (accuracy := _accuracy(record))]
    sources = dict.fromkeys(each.source for each in known if isinstance(each, MeasuredAccuracy))
    if not sources:
        return "Accuracies are as published, not measured here; each belongs to its frame rate."
    text = f"Accuracies are {' and '.join(sources)}, with 95\u00a0% intervals over films"
    others = sum(not isinstance(each, MeasuredAccuracy) for each in known)
    return f"{text}; {others} more {'is' if others == 1 else 'are'} as published." if others else f"{text}."


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

    best = _most_accurate(group)
    fastest = max(group, key=_rate)
    sentences = []
    if best is not None and best is not fastest:
        accuracy = _accuracy(fastest)
        of = f"; its accuracy is {_with_rate(accuracy)}" if accuracy is not None else ""
        sentences.append(f"The fastest is {named(fastest)} with {_per_s(fastest)}{of}.")
    if best is not None and (sentence := _rate_sentence(best)):
        sentences.append(sentence)
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
        sentences.append(_where_from(group))
    if len(measured) > len(group):
        shown = f"Of {len(measured)} measured cases, this shows each network by its fastest engine"
        sentences.append(f"{shown}: {_of(group)}.")
    warned = [name(r) for r in measured if r.warnings]
    if warned:
        verb = "carries" if len(warned) == 1 else "carry"
        sentences.append(f"{len(warned)} of {len(measured)} cases {verb} a warning: {_listed(warned)}.")
    if failures:
        sentences.append(f"Failed: {failures}.")
    title = with_source(_title(group), group[0])  # all of it is of one source
    return Headline(title, circumstances(measured), _facts(group, compared), tuple(sentences))


def circumstances(measured: Sequence[CaseResult]) -> str:
    """Where and how these were measured, in one line: processor, setting, number of timed runs."""
    machines = list(dict.fromkeys(machine_text(r) for r in measured))
    settings = list(dict.fromkeys(setting_of(r.case).title for r in measured))
    counts = sorted({len(r.latency_s) for r in measured})
    processes = sorted({len(r.timed) for r in measured})
    runs, fresh = (f"{each[0]}" if len(each) == 1 else f"{each[0]} to {each[-1]}" for each in (counts, processes))
    # Two sources may be of one machine.
    several = "sources" if any(r.source for r in measured) else "machines"
    where = machines[0] if len(machines) == 1 else f"{len(machines)} {several}"
    how = settings[0] if len(settings) == 1 else f"{len(settings)} settings"
    timed = f"{runs} timed prediction{'' if runs == '1' else 's'} each"
    return f"{where} · {how} · {timed}, in {fresh} fresh process{'' if fresh == '1' else 'es'}"
