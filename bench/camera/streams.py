"""Several cameras before one network: so many, or as many as it keeps up with; both ways of serving them."""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import INTERRUPTED, UserError
from ..measure.accelerator import Memory
from ..measure.job import Event, phase_event
from ..measure.search import MEMORY_SHARE
from ..record.camera import CameraRun, Streams, StreamsTrial, Verdict, Way
from ..record.case import AUTO_STREAMS
from ..record.failure import failure_of
from ..stats.camera import FrameTimes
from ..stats.capacity import BLOCK_S, MOST_STREAMS, Looks, Room, better, most_streams
from .networks import Networks
from .pipeline import Scene, Seen, camera_run, frame_times_of, watch
from .replay import Calls, Schedule
from .serve import Timeline

ONE_BY_ONE: Way = "one after the other"
ONE_CALL: Way = "one call for all"
_NOTHING_SEEN = "stopped before any frame was answered"


def watch_streams(scene: Scene, networks: Networks, memory: Memory) -> CameraRun:
    """The cameras of the setup before the network, as a record has it. Raises UserError where it is stopped before
    anything was seen."""
    streams, job = scene.setup.streams, scene.job
    if streams == 1:
        scene.emit(phase_event(f"watching for {job.duration_s:g} s"))
        run = camera_run(scene, watch(scene, networks.served(1, ONE_BY_ONE), job.duration_s))
        run = run.model_copy(update={"state_bytes": networks.state_bytes()})
    else:
        trials = Trials(scene, networks, memory)
        found = _searched(trials) if streams == AUTO_STREAMS else _both_ways(trials, streams)
        count = max(1, found.count)
        if (found.way, count) not in trials.seen:
            raise UserError(_NOTHING_SEEN, INTERRUPTED)
        run = camera_run(scene, *trials.seen[found.way, count])
        more = {"streams": found, "state_bytes": networks.state_bytes(count), "stopped": trials.stopped}
        run = run.model_copy(update=more)
    if run.stopped:
        if not run.due:
            raise UserError(_NOTHING_SEEN, INTERRUPTED)
        wholes = {1: f" of {job.duration_s:g} s", AUTO_STREAMS: ": the search was not finished"}
        whole = wholes.get(streams, f", of {job.duration_s:g} s for each way of serving the cameras")
        scene.source.notes[f"stopped after {run.watched_s:.1f} s{whole}"] = None
    return run


def _both_ways(trials: Trials, streams: int) -> Streams:
    """So many cameras for the whole duration, both ways; shown is the one that misses less."""
    blocks = int(trials.scene.job.duration_s / BLOCK_S)
    trials.attempt(ONE_BY_ONE, streams, blocks, whole=True)
    if why := trials.why_not_one_call(streams):
        trials.notes.append(f"{ONE_CALL}: {why}")
    else:
        trials.next_way()
        trials.attempt(ONE_CALL, streams, blocks, whole=True)
    watched = [trial for trial in trials.tried if trial.due]
    if trials.stopped or not watched:  # what was watched to its end, if anything was
        return trials.result(streams, ONE_BY_ONE)
    return trials.result(streams, min(watched, key=lambda trial: trial.missed).way)


def _searched(trials: Trials) -> Streams:
    """The most cameras, both ways; shown is the way with more."""
    blocks = max(1, int(trials.scene.job.duration_s / BLOCK_S))
    found = {ONE_BY_ONE: most_streams(lambda streams, most: trials.attempt(ONE_BY_ONE, streams, most), blocks)}
    if why := trials.why_not_one_call(2):
        trials.notes.append(f"{ONE_CALL}: {why}")
    else:
        trials.next_way()
        found[ONE_CALL] = most_streams(lambda streams, most: trials.attempt(ONE_CALL, streams, most), blocks)
    way = better(found[ONE_BY_ONE], found.get(ONE_CALL, 0))
    if found[way] >= MOST_STREAMS:
        trials.notes.append(f"more than {MOST_STREAMS} cameras are not tried")
    # Where not even one is kept up with, the figures are of one, which is served one after the other in either way.
    return trials.result(found[way], way if found[way] else ONE_BY_ONE)


@dataclass
class Trials:
    """Numbers of cameras, tried one after the other."""

    scene: Scene
    networks: Networks
    memory: Memory
    tried: list[StreamsTrial] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # Until when the frames count, in seconds from the first; None: all of them
    seen: dict[tuple[Way, int], tuple[Seen, float | None]] = field(default_factory=dict)
    stopped: bool = False  # on request, with something left to try

    def __post_init__(self) -> None:
        self._begin_way()

    def _begin_way(self) -> None:
        base = self.memory.base_bytes()
        self._room = Room(base, base + int(MEMORY_SHARE * self.memory.free_bytes()))
        self._last = (1, base)  # cameras, and what they took at most
        setup, job = self.scene.setup, self.scene.job
        together = any(trial.way == ONE_BY_ONE for trial in self.tried)  # the second of the two ways
        self._calls = Calls(Schedule(setup.period_s, job.deadline_s, setup.queue, setup.policy, together))

    def next_way(self) -> None:
        """Free what the other way needed."""
        self.networks.release()
        gc.collect()
        self._begin_way()

    def why_not_one_call(self, streams: int) -> str | None:
        """Why the second way is not tried; None where it is."""
        return "not watched, since it was stopped" if self._stopped() else self.networks.why_not_one_call(streams)

    def _stopped(self) -> bool:
        self.stopped = self.stopped or self.scene.request.made
        return self.stopped

    def result(self, count: int, way: Way) -> Streams:
        return Streams(count=count, way=way, tried=tuple(self.tried), notes=tuple(self.notes))

    def attempt(self, way: Way, streams: int, blocks: int, *, whole: bool = False) -> Verdict:
        """Watch so many cameras until the verdict is known, at most so many blocks; `whole`: to the end. Nothing is
        tried or known any more once it was asked to stop."""
        if self._stopped():
            return "not known"
        if way == ONE_CALL and streams == 1:  # the same as one after the other, and more cameras miss no fewer frames
            if any(trial.verdict == "yes" for trial in self.tried if trial.way == ONE_BY_ONE):
                return "yes"
            return next(trial.verdict for trial in reversed(self.tried) if trial.streams == 1)
        cameras = f"{streams} cameras, {way}" if streams > 1 else "1 camera"
        seconds = self.scene.job.duration_s if whole else blocks * BLOCK_S
        self.scene.emit(phase_event(f"{cameras}, {'' if whole else 'up to '}{seconds:g} s"))
        why = self._room.why_not(streams, *self._last)
        try:
            trial = self._failed(way, streams, why) if why else self._watched(way, streams, blocks, whole)
        except Exception as error:
            if streams == 1 or (whole and way == ONE_BY_ONE):
                raise
            trial = self._failed(way, streams, f"{streams} failed: {failure_of(error).message}")
        if trial:
            self.tried.append(trial)
            if not whole:
                self.scene.emit(Event(event="tried", phase=f"{cameras}: {_decision(trial)}"))
        return trial.verdict if trial else "not known"

    def _failed(self, way: Way, streams: int, why: str) -> StreamsTrial:
        nothing = dict.fromkeys(("due", "missed", "worst_due", "worst_missed"), 0)
        self.notes.append(f"{way}: {why}")
        return StreamsTrial(streams=streams, way=way, seconds=0.0, verdict="no", why=why, **nothing)

    def _watched(self, way: Way, streams: int, blocks: int, whole: bool) -> StreamsTrial | None:
        """None where it was stopped before anything is known."""
        scene, setup, job = self.scene, self.scene.setup, self.scene.job
        looks = Looks(streams, setup.period_s, job.deadline_s, blocks)
        self.memory.restart()
        served = self.networks.served(streams, way)
        known = False

        def enough(timelines: Sequence[Timeline], passed_s: float) -> bool:
            nonlocal known
            known = not whole and looks.look(timelines, passed_s) != "not known"
            return known

        seen = watch(scene, served, job.duration_s if whole else blocks * BLOCK_S, enough)
        if not known:  # all that was due is counted by now
            passed_s = seen.end_s - seen.begin_s if seen.stopped else math.inf
            looks.look(seen.timelines, passed_s)
        self.stopped = self.stopped or (seen.stopped and not known)
        if seen.stopped and not looks.misses.blocks:
            return None
        self._last = (streams, self.memory.peak_bytes())
        end_s = None if whole else looks.misses.blocks * BLOCK_S
        self.seen[way, streams] = (seen, end_s)
        self._calls.add(streams, seen.timelines)
        verdict = looks.misses.verdict
        why = self._calls.why_not(streams) if verdict == "yes" and not whole else None
        return _trial(way, "not known" if why else verdict, why, frame_times_of(scene, seen, end_s))


def _decision(trial: StreamsTrial) -> str:
    """What a trial of a search came to, in a line."""
    kept_up = {"yes": "kept up", "no": "not kept up", "not known": "not known"}[trial.verdict]
    missed = f"{trial.missed} of {trial.due} answers missed their deadline" if trial.due else ""
    return "; ".join(filter(None, (kept_up, missed, trial.why)))


def _trial(way: Way, verdict: Verdict, why: str | None, cameras: Sequence[FrameTimes]) -> StreamsTrial:
    worst = max(cameras, key=lambda camera: camera.missed / max(1, camera.due))
    return StreamsTrial(
        streams=len(cameras),
        way=way,
        seconds=worst.end_s,
        due=sum(camera.due for camera in cameras),
        missed=sum(camera.missed for camera in cameras),
        worst_due=worst.due,
        worst_missed=worst.missed,
        verdict=verdict,
        why=why,
    )
