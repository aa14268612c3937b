"""A network that is prepared and warm: once for each state that cameras need, or as a batch of cameras."""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.spec import keeps_state
from ..backends import Runnable
from ..measure.answers import why_not_by_rows
from ..measure.job import CameraJob
from ..measure.loop import Calls, WarmUpRule, warm_up
from ..measure.passes import Subject
from ..measure.verify import compare
from ..measure.video import prepare
from ..record.camera import Way
from ..record.case import CameraSetup
from ..record.facts import receptive_field_of
from ..record.failure import failure_of
from .pipeline import Served, one_by_one
from .plan import trained_interval
from .source import RANDOM, Film, Live, Noise, Source, is_live, without_password
from .watchers import ClipWatcher, FrameWatcher, InterleavedWatcher, OneCall, Stages

if TYPE_CHECKING:
    from torch import Tensor

WARMUP = WarmUpRule(max_predictions=200, max_seconds=3.0)
COMPARE_S = 1.0
_WARM_CALLS = 5  # of those that follow the first: the process is warm


def source_of(job: CameraJob, setup: CameraSetup, subject: Subject) -> Source:
    """What the cameras of a case show."""
    if job.source == RANDOM:
        return Noise(subject.inputs.ring, fps=setup.fps)
    if is_live(job.source):
        return Live(job.source, without_password(job.source), setup.fps)
    return Film(Path(job.source), Path(job.source).name, setup.fps)


class Networks:
    """A network for as many cameras as are asked for. What is prepared once is kept."""

    def __init__(self, subject: Subject, setup: CameraSetup) -> None:
        self._subject, self._setup = subject, setup
        self._has_states = subject.spec.form == "frame"
        self._single: list[Runnable] = []
        self._add(setup.states)

    @property
    def first(self) -> Runnable:
        return self._single[0]

    def warm(self) -> None:
        """Fill the receptive field, and call until it is warm."""
        subject, ring = self._subject, self._ring()
        for runnable in self._single:
            runnable.warm(ring[0])
            fill = receptive_field_of(subject.loaded.net) if self._has_states else 0
            rule = WARMUP._replace(fill=fill, until=time.perf_counter() + WARMUP.max_seconds)
            warm_up(Calls(runnable.step, ring, runnable.synchronize), time.perf_counter, rule)
            runnable.reset()

    def state_bytes(self, streams: int = 1) -> int | None:
        """Of so many cameras, interleaved states together; None for a clip network."""
        runnables = self._single[: self._setup.states]
        return streams * sum(each.nbytes for runnable in runnables for each in runnable.state_tensors()) or None

    def release(self) -> None:
        """Free what only several cameras needed."""
        del self._single[self._setup.states :]

    def served(self, streams: int, way: Way) -> Served:
        """So many cameras before it, at the beginning of their streams."""
        return self._one_by_one(streams) if way == "one after the other" else self._one_call(streams)

    def why_not_one_call(self, streams: int) -> str | None:
        """Why one call cannot answer several cameras; None where it can, and rightly."""
        subject = self._subject
        if self._has_states and self._setup.gap == "repeat":
            return "a gap is filled camera by camera (--gap repeat)"
        try:
            if cause := why_not_by_rows(subject.loaded.net, subject.loaded.example, 2):
                return cause.text.rpartition("; ")[0]
            xs = self._rows(streams)
            runnable = subject.backend.prepare(subject.loaded.net, xs[0], subject.ask)
            tolerance, like = subject.backend.tolerance[subject.ask.precision], subject.loaded.example
            found = compare(runnable, subject.loaded.net, xs[0], tolerance, budget_s=COMPARE_S, like=like)
        except Exception as error:  # noqa: BLE001 - the network's or the engine's; one camera is served all the same
            return f"a batch of {streams} failed: {failure_of(error).message}"
        finally:
            if keeps_state(subject.loaded.net):
                subject.loaded.net.initial_state(1)
        return None if found.passed else f"answers of a batch are wrong: {found.cause or found.relative_error}"

    def _add(self, count: int) -> list[Runnable]:
        """So many more, each with a state of its own. Weights are shared where the engine does."""
        subject, added = self._subject, []
        for _ in range(count):
            own = keeps_state(subject.loaded.net) and (self._single or added)
            net = deepcopy(subject.loaded.net) if own else subject.loaded.net
            added.append(subject.backend.prepare(net, subject.inputs.ring[0], subject.ask))
        self._single += added
        return added

    def _one_by_one(self, streams: int) -> Served:
        states = self._setup.states
        if streams == 1:
            stages = [Stages()]
            for runnable in self._single[:states]:
                runnable.reset()
            if states > 1:
                own = [self._frame_watcher(each, stages[0]) for each in self._single[:states]]
                return one_by_one([InterleavedWatcher(own)], stages)
        if self._has_states and streams > len(self._single):
            for runnable in self._add(streams - len(self._single)):
                _settle(runnable, self._ring())
        runnables = self._single[:streams] if self._has_states else self._single[:1] * streams
        for runnable in runnables:
            runnable.reset()
        stages = [Stages() for _ in runnables]
        return one_by_one([self._watcher(*each) for each in zip(runnables, stages, strict=True)], stages)

    def _one_call(self, streams: int) -> Served:
        xs = self._rows(streams)
        runnable = self._subject.backend.prepare(self._subject.loaded.net, xs[0], self._subject.ask)
        _settle(runnable, self._subject.accelerator.to_device(xs))
        runnable.reset()
        stages = [Stages() for _ in range(streams)]
        watchers = [self._watcher(runnable, each) for each in stages]
        whole = Stages()
        return Served(watchers, OneCall(runnable, watchers, whole), [*stages, whole], together=True)

    def _watcher(self, runnable: Runnable, stages: Stages) -> FrameWatcher | ClipWatcher:
        if self._has_states:
            return self._frame_watcher(runnable, stages)
        spec, setup = self._subject.spec, self._setup
        interval = trained_interval(spec, setup.fps)
        return ClipWatcher(runnable, self._ready, setup.every, spec.input_shape[1], interval, stages)

    def _frame_watcher(self, runnable: Runnable, stages: Stages) -> FrameWatcher:
        return FrameWatcher(runnable, self._ready, self._setup.every, self._setup.gap, stages)

    def _ready(self, picture: Any) -> Any:
        spec = self._subject.spec
        if spec.preprocessing is None or hasattr(picture, "dim"):
            return picture
        return prepare(picture, spec.preprocessing, (spec.input_shape[-2], spec.input_shape[-1]))

    def _ring(self) -> Sequence[Tensor]:
        return self._subject.accelerator.to_device(self._subject.inputs.ring)

    def _rows(self, streams: int) -> list[Tensor]:
        """Two inputs for a batch of so many cameras, on the host."""
        import torch

        ring = self._subject.inputs.ring
        return [torch.cat([ring[(first + row) % len(ring)] for row in range(streams)]) for first in range(2)]


def _settle(runnable: Runnable, inputs: Sequence[Tensor]) -> None:
    """What an engine needs before it is timed, where the process is warm."""
    runnable.step(inputs[0])
    runnable.synchronize()
    runnable.warm(inputs[0])
    for call in range(_WARM_CALLS):
        runnable.step(inputs[call % len(inputs)])
    runnable.synchronize()
