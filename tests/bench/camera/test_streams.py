"""Several cameras before one network, on a virtual clock."""

import math
import time
from dataclasses import replace

import pytest
import torch
from small_networks import Sums

from co3d_bench.bench.backends.eager import prepare
from co3d_bench.bench.camera.pipeline import Scene, Served
from co3d_bench.bench.camera.queue import Frame, StreamQueues
from co3d_bench.bench.camera.source import Captured, Noise
from co3d_bench.bench.camera.streams import ONE_BY_ONE, ONE_CALL, Trials, watch_streams
from co3d_bench.bench.camera.virtual import simulate_streams
from co3d_bench.bench.camera.watchers import FrameWatcher, OneCall, Stages
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.job import CameraJob
from co3d_bench.bench.record.blobs import read_arrays
from co3d_bench.bench.record.case import CameraSetup
from co3d_bench.bench.stats.camera import frame_times

PERIOD_S = 1 / 32  # powers of two: sums are exact


def answered(streams, service_s, *, together=False, count=320, capacity=1):
    """By camera when each of its frames was answered; a call takes so long, however many frames it answers."""
    due_s = [number * PERIOD_S for number in range(count)]
    queues = StreamQueues(streams, capacity, "newest", together=together)
    return [line.answered_s for line in simulate_streams(due_s, lambda at_s, rows: service_s, queues, streams)]


def dropped(times):
    return sum(map(math.isnan, times))


def test_the_oldest_frame_is_first_and_of_equal_ones_the_camera_whose_turn_it_is():
    queues = StreamQueues(3, 1, "newest")
    for stream, due_s in ((0, 2.0), (1, 1.0), (2, 2.0)):
        queues.put(Frame(0, due_s, stream=stream))
    assert [queues.take()[0].stream for _ in range(3)] == [1, 2, 0]
    assert queues.take() == ()


def test_together_waits_for_each_camera_that_has_not_ended():
    queues = StreamQueues(3, 1, "newest", together=True)
    queues.put(Frame(0, 0.0, stream=0))
    queues.put(Frame(0, 0.0, stream=2))
    assert not queues.take()
    queues.end(1)
    assert [frame.stream for frame in queues.take()] == [0, 2]
    assert not queues.ended


def test_a_queue_of_one_camera_drops_nothing_of_another():
    queues = StreamQueues(2, 1, "newest")
    assert queues.put(Frame(0, 0.0, stream=0)) is None
    assert queues.put(Frame(0, 0.0, stream=1)) is None
    assert queues.put(Frame(1, 1.0, stream=1)) == Frame(0, 0.0, stream=1)


def test_four_cameras_just_fit_and_a_fifth_does_not():
    """A call takes a quarter of the period."""
    four, five = answered(4, PERIOD_S / 4), answered(5, PERIOD_S / 4)
    assert [dropped(times) for times in four] == [0] * 4
    assert [times[0] for times in four] == [(stream + 1) * PERIOD_S / 4 for stream in range(4)]
    counts = [dropped(times) for times in five]
    assert sum(counts) == pytest.approx(320, abs=5)  # one of five of each moment
    assert max(counts) - min(counts) <= 2  # they take turns, so none is always the last


def test_one_call_answers_all_cameras_at_the_same_moment():
    times = answered(8, PERIOD_S, together=True)
    assert all(each == times[0] for each in times)
    assert times[0].tolist() == [(number + 1) * PERIOD_S for number in range(320)]


def test_an_overload_of_one_call_drops_the_same_of_each():
    times = answered(3, 2 * PERIOD_S, together=True)
    assert [dropped(each) for each in times] == [159] * 3


def test_a_simulation_is_stopped():
    due_s = [number * PERIOD_S for number in range(320)]
    queues = StreamQueues(2, 1, "newest")
    lines = simulate_streams(due_s, lambda *_: PERIOD_S / 4, queues, 2, lambda lines, now_s: now_s >= 1.0)
    assert len(lines[0]) == len(lines[1]) == 33
    assert not any(map(math.isnan, lines[1].answered_s))


def test_a_row_of_one_call_is_the_answer_of_that_camera_alone():
    pictures = torch.randn(3, 5, 3, 2, 2, generator=torch.manual_seed(0))  # of three cameras

    def watcher(runnable):
        return FrameWatcher(runnable, lambda content: content, 1, "step", Stages())

    with torch.inference_mode():
        batch = prepare(Sums(), torch.zeros(3, 3, 2, 2))
        call = OneCall(batch, [watcher(batch) for _ in range(3)], Stages())
        alone = [watcher(prepare(Sums(), torch.zeros(1, 3, 2, 2))) for _ in range(3)]
        for number in range(5):
            streams = range(3) if number < 4 else (0, 2)  # the second camera has ended
            call([Frame(number, 0.0, pictures[stream, number], stream) for stream in streams])
            for stream in streams:
                alone[stream](Frame(number, 0.0, alone[stream].select(number, Captured(pictures[stream, number]))))
                assert torch.equal(call.answer[stream], alone[stream].answer[0])


class Shown:
    """A watcher that takes every frame."""

    def select(self, number, captured):
        return captured.content


class FakeNetworks:
    """Answers at once; `fails_from` cameras on it has no memory."""

    def __init__(self, why=None, fails_from=math.inf):
        self.why, self.fails_from = why, fails_from

    def served(self, streams, way):
        if streams >= self.fails_from:
            raise RuntimeError("not enough memory: you tried to allocate 8 GB")
        return Served([Shown()] * streams, lambda frames: None, [Stages()], together=way == ONE_CALL)

    def why_not_one_call(self, streams):
        return self.why

    def release(self):
        pass

    def state_bytes(self, streams=1):
        return 100 * streams


class FakeMemory:
    """A gigabyte is taken, and as much is free."""

    peak = 10**9

    def base_bytes(self):
        return 10**9

    def free_bytes(self):
        return 10**9

    def restart(self):
        pass

    def peak_bytes(self):
        return self.peak


def scene_of(folder, streams, duration_s=0.3, emit=lambda event: None):
    job = CameraJob(source="random", duration_s=duration_s, deadline_s=5.0, blobs=str(folder))
    return Scene(Noise([torch.zeros(1, 3, 2, 2)]), CameraSetup(fps=50, streams=streams), job, emit)


def test_both_ways_are_watched_and_the_frames_of_one_are_kept(tmp_path):
    run = watch_streams(scene_of(tmp_path, 2), FakeNetworks(), FakeMemory())
    assert [(trial.way, trial.streams, trial.due) for trial in run.streams.tried] == [
        (ONE_BY_ONE, 2, 30),
        (ONE_CALL, 2, 30),
    ]
    assert (run.streams.count, run.due, run.state_bytes) == (2, 30, 200)
    times = read_arrays(tmp_path, run.times)
    assert times["stream"].tolist() == [0.0, 1.0] * 15
    assert frame_times(run, times).due == 30


@pytest.mark.parametrize("slow", [ONE_BY_ONE, ONE_CALL])
def test_of_two_ways_the_one_that_misses_less_is_shown(tmp_path, slow):
    class OneSlow(FakeNetworks):
        def served(self, streams, way):
            served = super().served(streams, way)
            return replace(served, answer=lambda frames: time.sleep(0.1)) if way == slow else served

    run = watch_streams(scene_of(tmp_path, 2), OneSlow(), FakeMemory())
    missed = {trial.way: trial.missed for trial in run.streams.tried}
    assert run.streams.way != slow
    assert run.missed == missed.pop(run.streams.way) < missed[slow]


def test_a_network_that_cannot_answer_a_batch_is_watched_one_way(tmp_path):
    run = watch_streams(scene_of(tmp_path, 2), FakeNetworks(why="it has no rows"), FakeMemory())
    assert [trial.way for trial in run.streams.tried] == [ONE_BY_ONE]
    assert run.streams.notes == ("one call for all: it has no rows",)


def test_what_does_not_fit_into_memory_is_not_tried_or_noted(tmp_path):
    memory = FakeMemory()
    events = []
    trials = Trials(scene_of(tmp_path, "auto", emit=events.append), FakeNetworks(fails_from=4), memory)
    assert trials.attempt(ONE_BY_ONE, 4, 1) == "no"
    assert "you tried to allocate" in (trials.tried[-1].why or "")
    memory.peak = 18 * 10**8
    assert trials.attempt(ONE_BY_ONE, 2, 1) == "not known"
    assert trials.attempt(ONE_BY_ONE, 3, 1) == "no"
    assert trials.tried[-1].why == "3 would need 2.6 GB of 1.9"
    way, due = "one after the other", trials.tried[1].due
    assert [event.phase for event in events if event.event == "tried"] == [
        f"4 cameras, {way}: not kept up; {trials.tried[0].why}",
        f"2 cameras, {way}: not known; {trials.tried[1].missed} of {due} answers missed their deadline",
        f"3 cameras, {way}: not kept up; 3 would need 2.6 GB of 1.9",
    ]
    assert len(trials.notes) == 2


def test_an_error_with_one_camera_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="memory"):
        Trials(scene_of(tmp_path, "auto"), FakeNetworks(fails_from=1), FakeMemory()).attempt(ONE_BY_ONE, 1, 1)


class StoppedNetworks(FakeNetworks):
    """It is asked to stop while the camera after so many frames is answered."""

    def __init__(self, after, **more):
        super().__init__(**more)
        self.left, self.scene = after, None

    def served(self, streams, way):
        assert not self.scene.request.made  # nothing is begun after it

        def answer(frames):
            self.left -= len(frames)
            if self.left <= 0:
                self.scene.request.make()

        return Served([Shown()] * streams, answer, [Stages()], together=way == ONE_CALL)


def stopped(folder, streams, after, duration_s=60.0, **more):
    networks, scene = StoppedNetworks(after, **more), scene_of(folder, streams, duration_s)
    networks.scene = replace(scene, job=scene.job.model_copy(update={"deadline_s": 0.1}))
    return watch_streams(networks.scene, networks, FakeMemory()), list(networks.scene.source.notes)


def test_one_camera_that_is_stopped_keeps_what_was_seen(tmp_path):
    run, notes = stopped(tmp_path, 1, after=10)
    assert run.stopped
    assert run.in_time + run.late >= 10
    assert 10 <= run.due <= 50 * run.duration_s + 1
    assert 0.17 < run.duration_s < 30
    assert notes == [f"stopped after {run.duration_s:.1f} s of 60 s"]
    assert frame_times(run, read_arrays(tmp_path, run.times)).due == run.due


def test_a_search_that_is_stopped_claims_nothing_that_was_not_shown(tmp_path):
    run, notes = stopped(tmp_path, "auto", after=70)
    assert (run.stopped, run.streams.count, run.due) == (True, 0, 50)  # whole seconds count
    assert [(trial.streams, trial.verdict) for trial in run.streams.tried] == [(1, "not known")]
    assert run.streams.notes == ("one call for all: not watched, since it was stopped",)
    assert notes == ["stopped after 1.0 s: the search was not finished"]


def test_of_two_ways_the_one_that_was_not_stopped_is_shown(tmp_path):
    run, notes = stopped(tmp_path, 2, after=100 + 60, duration_s=1.0)
    assert (run.stopped, run.streams.way, run.due) == (True, ONE_BY_ONE, 100)
    assert "of 1 s for each way of serving the cameras" in notes[0]


@pytest.mark.parametrize("streams", [2, "auto"])
def test_what_is_stopped_before_anything_is_known_is_not_kept(tmp_path, streams):
    with pytest.raises(UserError, match="before any frame was answered"):
        stopped(tmp_path, streams, after=2)
