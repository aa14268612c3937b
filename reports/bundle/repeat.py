"""The commands that measure records again: a case is the options of a command line. Pure.

What a record does not hold stays open: the folder of a film, of weights or of a network (it has their names), and the
host of a board.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence

from ...bench.record.case import CameraSetup, Case, EvaluationSetup
from ...bench.record.record import KINDS, Kind, Record
from ...bench.stats.accuracy import weights_file
from ...bench.stats.case_result import CaseResult, case_results

VERBS: dict[Kind, str] = {"speed": "run", "camera": "camera", "accuracy": "evaluate", "transient": "transient"}

Words = tuple[str, ...]


def repeat_commands(records: Iterable[Record]) -> tuple[str, ...]:
    """One for all cases that differ in nothing but network and engine, where each network was run by each of them."""
    together: dict[tuple[str, Words], dict[Words, list[Words]]] = {}
    for result in case_results(records, KINDS):
        record = result.record
        verb, rest = VERBS[record.kind], _rest(result)
        network, engine = _network(record), ("--backend", record.case.backend)
        if record.kind == "transient":  # takes one network, as an argument
            verb, network = f"transient {shlex.quote(network[1])}", ()
        engines = together.setdefault((verb, rest), {})
        engines.setdefault(engine, []).extend([] if network in engines.get(engine, []) else [network])
    return tuple(
        f"co3d-bench {verb} {shlex.join((*networks, *engines, *rest))}"
        for (verb, rest), engines_of in together.items()
        for networks, engines in _crossed(engines_of)
    )


def _crossed(engines: dict[Words, list[Words]]) -> Iterator[tuple[Words, Words]]:
    """Engines that ran the same networks, with these: a command crosses the two."""
    same: dict[tuple[Words, ...], list[Words]] = {}
    for engine, networks in engines.items():
        same.setdefault(tuple(networks), []).append(engine)
    for networks, names in same.items():
        yield _flat(networks), _flat(names)


def _flat(words: Iterable[Words]) -> Words:
    return tuple(word for each in words for word in each)


def _network(record: Record) -> Words:
    name = record.case.model
    source = record.model.source if record.model else None
    if source and source.file:
        name = f"{source.file}:{name.rpartition(':')[2]}"
    return "--model", name


def _rest(result: CaseResult) -> Words:
    """All that the networks and engines of one command share."""
    case = result.case
    words: list[str] = ["--device", case.device, "--precision", case.precision, "--threads", str(case.threads)]
    if result.model and (file := weights_file(result.model)):
        words += ["--weights", file]
    return (*words, *_OF_KIND[result.record.kind](result))


def _of_speed(result: CaseResult) -> Iterator[str]:
    case, settings = result.case, result.record.settings
    yield from ("--batch", str(case.batch), *_input(case))
    yield from ("--processes", str(settings.processes), "--runs", str(settings.runs * settings.processes))


def _of_camera(result: CaseResult) -> Iterator[str]:
    case, run = result.case, result.record.camera
    setup = case.camera or CameraSetup(fps=30)
    yield from ("--source", setup.live or _film(case) or "random", "--fps", f"{setup.fps:g}")
    yield from ("--every", str(setup.every), "--queue", str(setup.queue), "--policy", setup.policy, "--gap", setup.gap)
    yield from ["--interleave"] if setup.states > 1 else []
    yield from ["--streams", str(setup.streams)] if setup.streams != 1 else []
    if seconds := result.record.settings.min_s:
        yield from ("--duration", f"{seconds:g}s")
    if run:
        yield from ("--deadline", f"{1e3 * run.deadline_s:g}ms")


def _of_accuracy(result: CaseResult) -> Iterator[str]:
    setup = result.case.evaluation
    if setup is None:
        return
    yield from _data(setup)
    if drop := setup.drop:
        yield from ("--drop", "results" if drop.times else f"{100 * drop.share:g}%")
        yield from ("--seed", str(drop.seed)) if drop.seed else ()


def _of_transient(result: CaseResult) -> Iterator[str]:
    case = result.case
    yield from _data(case.evaluation) if case.evaluation else _input(case)
    if setup := case.transient:
        yield from ("--start", setup.start, *(("--frames", str(setup.frames)) if setup.frames else ()))


_OF_KIND: dict[Kind, Callable[[CaseResult], Iterator[str]]] = {
    "speed": _of_speed,
    "camera": _of_camera,
    "accuracy": _of_accuracy,
    "transient": _of_transient,
}


def _data(setup: EvaluationSetup) -> Sequence[str]:
    rate = ("--fps", f"{setup.fps:g}") if setup.fps else ()
    return "--data", setup.data, "--limit", str(setup.films), *rate


def _film(case: Case) -> str | None:
    kind, _, rest = case.input.partition(":")
    return rest.rpartition(":")[0] if kind == "video" else None


def _input(case: Case) -> Sequence[str]:
    if film := _film(case):
        return "--video", film
    seed = case.input.removeprefix("random-")
    return ("--seed", seed) if seed.isdigit() and seed != "0" else ()
