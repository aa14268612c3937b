"""The process that scores a case: `python -m co3d_bench.bench.evaluate.worker`. One job in, events out."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from ...devices.host import read_host
from ...devices.own_path import python_command
from ...models.spec import ModelSpec
from ...models.zoo import find_model
from ..backends import Runnable
from ..errors import ENVIRONMENT, NOTHING, USAGE, UserError
from ..measure.allocator import keep_freed_memory
from ..measure.in_force import hold_threads
from ..measure.job import PREPARING, Event, Job, Measurement, phase_event
from ..measure.loop import seldom
from ..measure.passes import CaseClock, Emit, Subject
from ..measure.verify import compare
from ..measure.worker import Process, environment_of, subject_of
from ..measure.worker import serve as serve_job
from ..record.blobs import blobs_folder
from ..record.case import Frozen
from ..record.evaluation import Evaluation, FilmNote, HostShare
from ..record.facts import has_receptive_field, model_facts, receptive_field_of
from ..record.predictions import Predictions, stored_scores, write_predictions
from ..stats.scores import Scores
from .classes import Labels, labels_of
from .data import Data
from .drops import Drops, drops_of
from .films import Sampling, Shown, Unreadable, each_shown, sampling_of
from .journal import Journal, Scored, journal_file
from .plan import films_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMMAND = python_command("-m", "co3d_bench.bench.evaluate.worker")
_COMPARE_S = 1.0

FindModel = Callable[[str], ModelSpec]


# Of a job and its subject, before anything is prepared: what then makes the parts of its measurement.
Begin = Callable[[Job, Subject, Emit], Callable[[Runnable], dict[str, Any]]]


def evaluate_case(job: Job, emit: Emit, find_model: FindModel = find_model, score: Score | None = None) -> Event:
    """One network over all films, which `score` has scored (here, if None); returns the last event. Errors of the
    network, or of classes that do not fit, are raised."""
    return verified_case(job, emit, find_model, partial(_begin, score or score_here))


def verified_case(job: Job, emit: Emit, find_model: FindModel, begin: Begin) -> Event:
    """Prepare the network of a case, compare it with the reference, and do the rest if it answers right; returns the
    last event."""
    case_clock = CaseClock.now(job.settings)
    allocator = keep_freed_memory()
    import torch

    started = datetime.now(timezone.utc)
    environ = dict(os.environ)  # as torch has read it; the network's code may change it
    torch.set_num_threads(job.case.threads)
    host = read_host()
    subject = subject_of(job, emit, find_model)
    rest = begin(job, subject, emit)
    with torch.inference_mode():
        emit(phase_event(PREPARING))
        runnable = subject.backend.prepare(subject.loaded.net, subject.inputs.ring[0], subject.ask)
        emit(phase_event("verifying"))
        tolerance = subject.backend.tolerance[job.case.precision]
        like, net, first = subject.loaded.example, subject.loaded.net, subject.inputs.ring[0]
        verification = compare(runnable, net, first, tolerance, budget_s=_COMPARE_S, like=like)
        hold_threads(job.case.threads)
        emit(Event(event="measured", measurement=Measurement(engine=runnable.engine())))
        runnable.warm(subject.accelerator.to_device(subject.inputs.ring)[0])
        parts = rest(runnable) if verification.passed else {}
    notes = (*subject.inputs.notes, *subject.loaded.notes, *subject.spec.notes(), *parts.pop("notes", ()))
    measurement = Measurement(
        started_at=started.isoformat(timespec="milliseconds"),
        duration_s=case_clock.passed_s(),
        model=model_facts(subject.spec, subject.loaded.net, job.weights),
        environment=environment_of(job, host, None, Process(torch.get_num_threads(), allocator, environ)),
        verification=verification,
        engine=runnable.engine(),
        notes=tuple(dict.fromkeys(notes)),
        **parts,
    )
    return Event(event="done", measurement=measurement)


def _begin(score: Score, job: Job, subject: Subject, emit: Emit) -> Callable[[Runnable], dict[str, Any]]:
    films = films_of_job(job, subject.spec)
    return lambda runnable: _evaluated(job, films, Network(subject, runnable), emit, score)


@dataclass(frozen=True)
class LabelledFilms:
    """The films of a case with their labels, as this network counts classes."""

    data: Data
    labels: Labels


def films_of_job(job: Job, spec: ModelSpec) -> LabelledFilms:
    """The films that the job names. Raises UserError where they are not those of its case any more, and where their
    classes do not fit the network."""
    given, setup = job.evaluation, job.case.evaluation
    if given is None or setup is None:
        raise UserError(f"{job.case.key}: no films", USAGE)
    found = films_of(given.data, given.films, given.classes, given.limit)
    if found.setup(setup.fps, setup.drop) != setup:
        raise UserError(f"{given.data}: the films or their labels changed during the run; run again", ENVIRONMENT)
    return LabelledFilms(found.data, labels_of(found.data, spec.classes, found.classes, spec.title))


@dataclass(frozen=True)
class Network:
    """A network that is ready."""

    subject: Subject
    runnable: Runnable

    def sampling(self, fps: float | None, drops: Drops | None = None) -> Sampling:
        net = self.subject.loaded.net
        field = receptive_field_of(net) if has_receptive_field(net) else None
        return sampling_of(self.subject.spec, field, fps, drops)

    def scores(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """The answer to a film, (classes,): to its clip, or to its last frame after all others, from a fresh state.
        NaN where no frame arrived."""
        import numpy as np
        import torch

        if not len(frames):
            return np.full(self.subject.spec.classes or 1, np.nan, np.float32)
        runnable, accelerator = self.runnable, self.subject.accelerator
        given = torch.from_numpy(frames)
        if self.subject.spec.form == "clip":
            inputs = [given.transpose(0, 1)[None].contiguous()]
        else:
            runnable.reset()
            inputs = [frame[None] for frame in given]
        scores: Any = None
        for x in accelerator.to_device(inputs):
            scores = runnable.step(x)
        runnable.synchronize()
        return scores[0].float().cpu().numpy()


@dataclass(frozen=True)
class ToScore:
    """Films of a case that have no scores yet, by their positions among those of its data."""

    job: Job
    data: Data
    left: Sequence[int]
    take: Callable[[Scored], None]  # called with each film that is done


class Spent(Frozen):
    """What a scoring took: seconds, and the processes that decoded."""

    network_s: float
    waited_s: float
    decoders: int
    notes: tuple[str, ...] = ()  # for the record


# Has all films scored: by the network that is ready here, or by those of other hosts.
Score = Callable[[ToScore, Network], Spent]


def score_here(given: ToScore, network: Network) -> Spent:
    """The films one after another, decoded ahead by as many processes as there are cores."""
    job, data = given.job, given.data
    assert job.evaluation is not None and job.case.evaluation is not None  # noqa: S101, PT018 - `films_of_job` has seen to it
    decoders, network_s, waited_s = len(os.sched_getaffinity(0)), 0.0, 0.0
    names = {film.file: film.name for film in data.films}
    drops = drops_of(job.case.evaluation.drop, names, job.evaluation.cameras)
    sampling = network.sampling(job.case.evaluation.fps, drops)
    shown = each_shown([data.films[number].file for number in given.left], sampling, decoders)
    for number in given.left:
        begin = time.perf_counter()
        film = next(shown)
        ready = time.perf_counter()
        scored = _scored(number, film, data, network)
        network_s, waited_s = network_s + time.perf_counter() - ready, waited_s + ready - begin
        given.take(scored)
    return Spent(network_s=network_s, waited_s=waited_s, decoders=decoders)


def _evaluated(job: Job, films: LabelledFilms, network: Network, emit: Emit, score: Score) -> dict[str, Any]:
    """Have the films scored that are not scored yet, and compute the figures of all."""
    assert job.evaluation is not None  # noqa: S101 - `films_of_job` has seen to it
    journal = Journal(journal_file(job.evaluation.store, job.run_id, job.case), identity(job))
    done, total, begin = journal.begin(), len(films.data.films), time.perf_counter()
    emit(phase_event("scoring", len(done), total))
    report = seldom(lambda count: emit(phase_event("scoring", count, total)), time.perf_counter)

    def take(scored: Scored) -> None:
        done[scored.film] = scored
        journal.add(scored)
        report(len(done))

    spent = score(ToScore(job, films.data, [number for number in range(total) if number not in done], take), network)
    duration_s = time.perf_counter() - begin
    emit(phase_event("computing figures"))
    given = _predictions(films, done)
    folder = blobs_folder(job.evaluation.store)
    figures: dict[str, Any] = Scores(given).figures()
    evaluation = Evaluation(
        data=films.data.name,
        asked=total,
        scored=len(given.films),
        missing=len(films.data.missing),
        padded=sum(each.padded for each in done.values()),
        classes=given.scores.shape[1],
        unreadable=notes_of(films.data, {n: each for n, each in done.items() if each.scores is None}),
        damaged=notes_of(films.data, {n: each for n, each in done.items() if each.scores is not None and each.damage}),
        predictions=write_predictions(folder, given),
        duration_s=duration_s,
        network_s=spent.network_s,
        waited_s=spent.waited_s,
        decoders=spent.decoders,
        hosts=_hosts(done),
        **figures,
    )
    return {"evaluation": evaluation, "notes": spent.notes}


def _hosts(done: Mapping[int, Scored]) -> tuple[HostShare, ...]:
    """How many films each host scored; empty where all were scored here."""
    films = Counter(scored.host or socket.gethostname() for scored in done.values())
    if not any(scored.host for scored in done.values()):
        return ()
    return tuple(HostShare(host=host, films=films[host]) for host in sorted(films))


def _scored(number: int, film: Shown | Unreadable, data: Data, network: Network) -> Scored:
    if isinstance(film, Unreadable):
        return Scored(film=number, damage=film.why)
    scores = network.scores(film.frames)
    return Scored.of(number, stored_scores(scores, several=data.several), film.padded, film.damage)


def notes_of(data: Data, which: Mapping[int, Scored]) -> tuple[FilmNote, ...]:
    """What is wrong with these films, by their positions."""
    return tuple(FilmNote(film=data.films[number].name, why=which[number].damage) for number in sorted(which))


def _predictions(films: LabelledFilms, done: Mapping[int, Scored]) -> Predictions:
    """Those of the films that could be decoded, in the order of the data. Raises UserError where there is none."""
    import numpy as np

    numbers = [number for number in sorted(done) if done[number].scores is not None]
    if not numbers:
        first = f"{films.data.films[0].name}: {done[0].damage}"
        raise UserError(f"none of {len(done)} films can be decoded; the first, {first}", NOTHING)
    scores = np.stack([done[number].row() for number in numbers])
    positions = [films.labels.positions[number] for number in numbers]
    if films.data.several:
        labels = np.zeros(scores.shape, bool)
        for row, classes in enumerate(positions):
            labels[row, list(classes)] = True
    else:
        labels = np.array([classes[0] for classes in positions], np.int32)
    return Predictions(tuple(films.data.films[number].name for number in numbers), scores, labels, films.labels.names)


def identity(job: Job) -> str:
    """Names all that decides on the scores of a film."""
    text = job.model_dump_json(include={"case", "own", "weights", "classes", "git_commit"})
    return hashlib.sha256(text.encode()).hexdigest()


def main(find_model: FindModel = find_model) -> int:
    """Score the job on standard input."""
    return serve_job(lambda job, emit: evaluate_case(job, emit, find_model))


if __name__ == "__main__":
    sys.exit(main())
