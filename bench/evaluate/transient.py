"""The process that answers frame by frame after a start: `python -m co3d_bench.bench.evaluate.transient`.

What the state holds before the first frame is made by frames, the same for every engine: none (zeros), the first one
again and again until nothing else is left (replicate), or another film's (a cut).
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...devices.own_path import python_command
from ...models.zoo import find_model
from ..backends import Runnable
from ..errors import NOTHING, USAGE, UserError
from ..measure.job import Event, Job, TransientJob, phase_event
from ..measure.loop import seldom
from ..measure.passes import Emit, Subject
from ..measure.reaction import UNBOUNDED, scores_of
from ..measure.worker import serve
from ..record.blobs import blobs_folder
from ..record.case import Start, TransientSetup
from ..record.facts import has_receptive_field, receptive_field_of
from ..record.predictions import stored_scores
from ..record.transient import Transient
from ..record.transient_answers import Answers, write_transient
from ..stats.scores import ranks
from ..stats.transient import curve_of
from .films import Sampling, Shown, Unreadable, each_shown, sampling_of
from .journal import Journal, Scored, journal_file
from .scenes import SCENES, Scene, film_scenes, noise_scenes
from .worker import FindModel, LabelledFilms, films_of_job, identity, notes_of, verified_case

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMMAND = python_command("-m", "co3d_bench.bench.evaluate.transient")
MORE = 0.25  # of the receptive field: frames that are answered after it is full


def transient_case(job: Job, emit: Emit, find_model: FindModel = find_model) -> Event:
    """One network after one start; returns the last event. Errors of the network, and of what it is shown, are
    raised."""
    return verified_case(job, emit, find_model, _begin)


def _begin(job: Job, subject: Subject, emit: Emit) -> Callable[[Runnable], dict[str, Any]]:
    given, setup = job.transient, job.case.transient
    if given is None or setup is None:
        raise UserError(f"{job.case.key}: no start", USAGE)
    extent = extent_of(subject.loaded.net, setup, subject.spec.title, with_data=job.evaluation is not None)
    if job.evaluation is None:
        return lambda runnable: {"transient": _errors(job, given, extent, Stream(subject, runnable), emit)}
    films = films_of_job(job, subject.spec)
    return lambda runnable: {"transient": _accuracy(job, given, films, extent, Stream(subject, runnable), emit)}


@dataclass(frozen=True)
class Extent:
    """The frames of a start."""

    start: Start
    frames: int  # that are answered
    fill: int  # before them: as many as it takes until nothing older is left in an answer; 0: nothing is known of that


def extent_of(net: Any, setup: TransientSetup, title: str, *, with_data: bool) -> Extent:
    """Of a network. Raises UserError for one that never forgets, but where it starts from zeros on films."""
    if has_receptive_field(net):
        length = receptive_field_of(net)
        fill = length * (UNBOUNDED if getattr(net, "unbounded", False) else 1)
        return Extent(setup.start, setup.frames or math.ceil((1 + MORE) * length), fill)
    why = f"{title} has no receptive field: it never forgets its start, "
    if setup.start != "zeros":
        raise UserError(f"{why}so no number of frames replaces what its state held; give --start zeros", USAGE)
    if not with_data:
        raise UserError(f"{why}so it has no steady answer; give films by --data, for its accuracy", USAGE)
    if setup.frames is None:
        raise UserError(f"{why}so its curve has no end; give one by --frames", USAGE)
    return Extent(setup.start, setup.frames, 0)


@dataclass
class Stream:
    """A network that is ready, with the seconds that it was called."""

    subject: Subject
    runnable: Runnable
    seconds: float = field(default=0.0)

    def answers(self, before: Sequence[Any], frames: Sequence[Any]) -> NDArray[np.float32]:
        """(frames, scores): the answers to frames (1, ...) after a fresh state was shown those before them."""
        import numpy as np

        begin, runnable = time.perf_counter(), self.runnable
        runnable.reset()
        for frame in before:
            runnable.step(self._on_device(frame))
        found = []
        for frame in frames:
            answer = runnable.step(self._on_device(frame))
            runnable.synchronize()
            found.append(scores_of(answer).cpu().numpy())
        self.seconds += time.perf_counter() - begin
        return np.stack(found)

    def _on_device(self, frame: Any) -> Any:
        (there,) = self.subject.accelerator.to_device([frame.contiguous()])
        return there


def before_start(extent: Extent, frames: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
    """The frames that bring a fresh state to where the first of `frames` finds it. `other`: those of a cut."""
    if extent.start == "zeros":
        return ()
    return [frames[0]] * extent.fill if extent.start == "replicate" else other[-extent.fill :]


def _errors(job: Job, given: TransientJob, extent: Extent, stream: Stream, emit: Emit) -> Transient:
    """The error against the steady answer, in scenes without labels."""
    import numpy as np

    begin, rows = time.perf_counter(), []
    emit(phase_event("scenes", 0, SCENES))
    for other, scene in _scenes(job, extent, stream.subject):
        frames = scene[extent.fill :]
        steady = stream.answers(scene[: extent.fill], frames)
        rows.append(relative_errors(stream.answers(before_start(extent, frames, other), frames), steady))
        emit(phase_event("scenes", len(rows), SCENES))
    values = np.stack(rows)
    names = tuple(f"scene {number}" for number in range(1, len(rows) + 1))
    return Transient(
        start=extent.start,
        measure="error",
        source=Path(job.video).name if job.video else "noise",
        shown=len(rows),
        curve=curve_of("error", values),
        answers=write_transient(blobs_folder(given.store), Answers(names, values)),
        duration_s=time.perf_counter() - begin,
        network_s=stream.seconds,
    )


def _scenes(job: Job, extent: Extent, subject: Subject) -> Iterator[tuple[Scene, Scene]]:
    """Scenes, each with the one before it, which is empty but before a cut."""
    length, cut = extent.fill + extent.frames, extent.start == "cut"
    count = SCENES + cut
    if job.video:
        found = film_scenes(Path(job.video), subject.spec, count, length)
    else:
        seed = int(job.case.input.removeprefix("random-"))
        found = noise_scenes(subject.spec, subject.loaded.example, seed, count, length)
    if not cut:
        yield from (((), scene) for scene in found)
        return
    several = False
    for pair in pairwise(found):
        several = True
        yield pair
    if not several:
        raise UserError(f"video {job.video}: too short for a cut, which needs two scenes of {length} frames")


def relative_errors(answers: NDArray[np.floating], steady: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each frame |answer - steady| / |steady| in the L2 norm. Raises UserError where that says nothing."""
    import numpy as np

    wide, right = answers.astype(np.float64), steady.astype(np.float64)
    size = np.linalg.norm(right, axis=1)
    found = np.linalg.norm(wide - right, axis=1)
    if not (np.isfinite(size).all() and np.isfinite(found).all()):
        raise UserError("an answer is not finite, so it has no error", NOTHING)
    if not size.all():
        raise UserError("a steady answer is zero, so no error is relative to it", NOTHING)
    return found / size


def _accuracy(
    job: Job, given: TransientJob, films: LabelledFilms, extent: Extent, stream: Stream, emit: Emit
) -> Transient:
    """Top-1 over films, frame by frame: the films that are not done yet are shown, and the curve is of all."""
    import numpy as np

    labels = np.array([positions[0] for positions in films.labels.positions])
    journal = Journal(journal_file(given.store, job.run_id, job.case), identity(job))
    done, total, begin = journal.begin(), len(films.data.films), time.perf_counter()
    emit(phase_event("scoring", len(done), total))
    report = seldom(lambda count: emit(phase_event("scoring", count, total)), time.perf_counter)
    left = [number for number in range(total) if number not in done]
    for number, other, film in _shown(job, films, extent, stream.subject, left):
        done[number] = _scored(number, other, film, extent, stream, labels)
        journal.add(done[number])
        report(len(done))
    scored = [number for number in sorted(done) if done[number].scores is not None]
    if not scored:
        raise UserError(f"none of {total} films can be shown; the first: {done[0].damage}", NOTHING)
    values = np.stack([done[number].row("uint16") for number in scored])
    names = tuple(films.data.films[number].name for number in scored)
    classes = stream.subject.spec.classes or 0
    return Transient(
        start=extent.start,
        measure="top1",
        source=films.data.name,
        shown=len(scored),
        curve=curve_of("top1", values),
        asked=total,
        missing=len(films.data.missing),
        padded=sum(done[number].padded for number in scored),
        unanswered=int((values >= classes).any(1).sum()),
        unreadable=notes_of(films.data, {n: each for n, each in done.items() if each.scores is None}),
        damaged=notes_of(films.data, {n: done[n] for n in scored if done[n].damage}),
        classes=classes,
        answers=write_transient(blobs_folder(given.store), Answers(names, values)),
        duration_s=time.perf_counter() - begin,
        network_s=stream.seconds,
    )


Frames = Shown | Unreadable


def _shown(
    job: Job, films: LabelledFilms, extent: Extent, subject: Subject, left: Sequence[int]
) -> Iterator[tuple[int, Frames | None, Frames]]:
    """(position, the film before it, its own frames): those of the middle of each film. There is a film before it only
    at a cut."""
    assert job.case.evaluation is not None  # noqa: S101 - `films_of_job` has seen to it
    sampling = sampling_of(subject.spec, None, job.case.evaluation.fps)
    cores = len(os.sched_getaffinity(0))
    own = each_shown(_files(films, left), _middle(sampling, extent.frames), cores)
    if extent.start != "cut":
        yield from ((number, None, film) for number, film in zip(left, own, strict=True))
        return
    partners = partners_of([positions[0] for positions in films.labels.positions])
    others = each_shown(_files(films, [partners[number] for number in left]), _middle(sampling, extent.fill), cores)
    yield from zip(left, others, own, strict=True)


def _files(films: LabelledFilms, numbers: Sequence[int]) -> list[Path]:
    return [films.data.films[number].file for number in numbers]


def _middle(sampling: Sampling, frames: int) -> Sampling:
    """So many frames of the middle of a film, as a clip network of that length is shown."""
    return replace(sampling, form="clip", frames=frames)


def partners_of(labels: Sequence[int]) -> list[int]:
    """For each film one of another class, half of the films away: the one that a cut leads away from. Raises
    UserError where all are of one class."""
    count = len(labels)
    if len(set(labels)) < 2:
        raise UserError("all films are of one class; a cut is from one class to another", USAGE)
    found = []
    for number, label in enumerate(labels):
        around = ((number + count // 2 + more) % count for more in range(count))
        found.append(next(place for place in around if labels[place] != label))
    return found


def _scored(
    number: int, other: Frames | None, film: Frames, extent: Extent, stream: Stream, labels: NDArray[np.integer]
) -> Scored:
    import numpy as np

    if isinstance(film, Unreadable):
        return Scored(film=number, damage=film.why)
    if isinstance(other, Unreadable):
        return Scored(film=number, damage=f"the film before the cut: {other.why}")
    frames, before = _frames(film), _frames(other) if other else ()
    answers = stream.answers(before_start(extent, frames, before), frames)
    scores = np.stack([stored_scores(row, several=False) for row in answers])
    found = ranks(scores, np.full(len(scores), labels[number]))
    return Scored.of(number, found.astype(np.uint16), film.padded, film.damage)


def _frames(film: Shown) -> list[Any]:
    import torch

    return [torch.from_numpy(frame)[None] for frame in film.frames]


def main(find_model: FindModel = find_model) -> int:
    """Do the job on standard input."""
    return serve(lambda job, emit: transient_case(job, emit, find_model))


if __name__ == "__main__":
    sys.exit(main())
