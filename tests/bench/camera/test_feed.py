"""A camera's thread on a clock that does not run by itself."""

import math
import threading
import tracemalloc
from types import MappingProxyType

import pytest

from co3d_bench.bench.camera import feed as feeds
from co3d_bench.bench.camera.feed import Camera, CameraFeed
from co3d_bench.bench.camera.serve import serve
from co3d_bench.bench.camera.source import Captured
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.record.case import CameraSetup


class Clock:
    """Moves when somebody sleeps, or works."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        assert seconds > 0
        self.now_s += seconds


class Pictures:
    """Numbers as pictures; each takes `decode_s` to be had, and the source ends after `count`."""

    name, fps, live, notes = "numbers", 10.0, False, MappingProxyType({})

    def __init__(self, clock, decode_s=0.0, count=math.inf, fails_at=None):
        self.clock, self.decode_s, self.count, self.fails_at = clock, decode_s, count, fails_at

    def frames(self):
        number = 0
        while number < self.count:
            if number == self.fails_at:
                raise UserError("the film is damaged")
            self.clock.now_s += self.decode_s
            yield Captured(number)
            number += 1


def feed_of(source, clock, *, every=1, duration_s=2.0, policy="newest", queue=1000):
    setup = CameraSetup(fps=10, every=every, policy=policy, queue=queue)

    def select(number, captured):
        return captured.content if number % every == 0 else None

    camera = Camera(source, select)
    feed = CameraFeed(setup, [camera], duration_s, clock=clock, sleep=clock.sleep)
    return feed, camera.timeline


def watched(feed, timeline, clock):
    """The contents of all frames that were answered; the camera is finished before the first is taken."""
    seen = []
    feed.start()
    feed.finish()
    serve(feed, lambda frames: seen.append(frames[0].content), [timeline], clock)
    return seen


def test_frames_are_due_by_a_clock_that_a_slow_decoder_does_not_shift():
    clock = Clock()
    feed, timeline = feed_of(Pictures(clock, decode_s=0.05), clock)
    assert watched(feed, timeline, clock) == list(range(20))
    begin_s = 100.0 + 0.05  # the first picture was decoded before
    assert [round(due - begin_s, 6) for due in timeline.due_s] == [round(0.1 * number, 6) for number in range(20)]
    late = [round(there - due, 6) for there, due in zip(timeline.arrived_s, timeline.due_s, strict=True)]
    assert late == [0.0] + [0.05] * 19


def test_frames_that_a_decoder_never_reached_were_due_all_the_same():
    clock = Clock()
    feed, timeline = feed_of(Pictures(clock, decode_s=0.25), clock)
    assert watched(feed, timeline, clock) == list(range(9))
    assert len(timeline) == 20
    assert all(math.isnan(answered) for answered in timeline.answered_s[9:])


def test_only_every_nth_frame_is_due_and_all_are_decoded():
    clock = Clock()
    feed, timeline = feed_of(Pictures(clock), clock, every=4)
    assert watched(feed, timeline, clock) == [0, 4, 8, 12, 16]
    assert feed.cameras[0].capture.calls == 20


def test_a_full_queue_keeps_the_newest():
    clock = Clock()
    feed, timeline = feed_of(Pictures(clock), clock, queue=3)
    assert watched(feed, timeline, clock) == [17, 18, 19]
    assert len(timeline) == 20


def test_a_source_that_ends_keeps_what_was_measured():
    clock = Clock()
    feed, timeline = feed_of(Pictures(clock, fails_at=5), clock)
    assert watched(feed, timeline, clock) == [0, 1, 2, 3, 4]
    assert "damaged" in str(feed.error)


def test_a_source_without_a_first_frame_is_an_error():
    clock = Clock()
    feed, timeline = feed_of(Pictures(clock, fails_at=0), clock)
    with pytest.raises(UserError, match="damaged"):
        watched(feed, timeline, clock)


def test_a_camera_that_blocks_waits_for_the_network():
    clock = Clock()
    feed, timeline = feed_of(Pictures(clock), clock, policy="block", queue=1, duration_s=1.0)
    seen = []
    feed.start()
    serve(feed, lambda frames: seen.append(frames[0].content), [timeline], clock)
    feed.finish()
    assert seen == list(range(10))
    assert not any(map(math.isnan, timeline.answered_s))


def test_a_frame_leaves_its_four_times_and_nothing_else():
    """Ten minutes at 1,000 frames/s are to grow memory by less than 200 MB, a third of a kilobyte a frame."""

    def grown_bytes(seconds):
        clock = Clock()
        feed, timeline = feed_of(Pictures(clock), clock, queue=1, duration_s=seconds)
        tracemalloc.start()
        watched(feed, timeline, clock)
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return grown, len(timeline)

    (few, short), (many, long) = grown_bytes(100), grown_bytes(2_000)
    assert long - short == 19_000
    assert (many - few) / (long - short) < 40  # 32 bytes, and what arrays keep in reserve


def test_two_cameras_show_their_frames_at_the_same_moments_and_a_stopped_one_counts_what_was_due():
    clock = Clock()
    setup = CameraSetup(fps=10, queue=1000)
    cameras = [Camera(Pictures(clock, count=count), lambda number, captured: captured.content) for count in (3, 20)]
    feed = CameraFeed(setup, cameras, 2.0, clock=clock, sleep=lambda seconds: None)
    seen = []
    feed.start()
    serve(feed, lambda frames: seen.extend(frames), [camera.timeline for camera in cameras], clock)
    feed.finish(until_s=feed.begin_s + 2.5)
    assert sorted((frame.stream, frame.content) for frame in seen) == [
        *((0, number) for number in range(3)),
        *((1, number) for number in range(20)),
    ]
    assert cameras[0].timeline.due_s == cameras[1].timeline.due_s
    assert len(cameras[0].timeline) == 25


class Silent(Pictures):
    """A live camera that sends nothing any more."""

    live = True

    def frames(self):
        yield Captured(0, received_s=self.clock())
        threading.Event().wait()


def test_a_live_camera_that_sends_nothing_is_left_when_it_is_stopped(monkeypatch):
    monkeypatch.setattr(feeds, "_LEAVES_S", 0.01)
    clock = Clock()
    feed, timeline = feed_of(Silent(clock), clock, duration_s=1e6)
    threading.Timer(0.1, feed.stop).start()
    feed.start()
    serve(feed, lambda frames: None, [timeline], clock)
    feed.finish(until_s=clock() + 60)
    assert len(timeline) == 1  # what it did not send was not due
