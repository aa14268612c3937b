"""Frames of noise and of a real film."""

from itertools import islice

import numpy as np
import pytest
import torch

from co3d_bench.bench.camera.source import Film, Live, Noise, film_fps, live_fps
from co3d_bench.bench.errors import UserError


def test_noise_begins_again():
    ring = [torch.zeros(1), torch.ones(1)]
    assert [float(each.content) for each in islice(Noise(ring).frames(), 5)] == [0, 1, 0, 1, 0]


def test_a_film_begins_again_after_its_last_frame(film):
    frames = [each.content for each in islice(Film(film, "film.mp4", 24).frames(), 134)]
    assert all(frame.shape == (180, 320, 3) for frame in frames)
    assert np.array_equal(frames[0], frames[132])
    assert np.array_equal(frames[1], frames[133])
    assert not np.array_equal(frames[0], frames[66])


def test_a_film_that_is_shorter_than_the_run_is_noted_once(film):
    source = Film(film, "film.mp4", 24)
    frames = source.frames()
    list(islice(frames, 132))
    assert source.notes == {}
    list(islice(frames, 200))
    assert list(source.notes) == ["video film.mp4: it is 5.50 s long, and was repeated"]


def test_a_film_says_its_rate(film):
    assert film_fps(film) == pytest.approx(24)


def test_a_stream_that_ends_is_noted_with_its_time_and_opened_again(film):
    """A film in place of the stream: it ends after 132 frames, and then begins again."""
    now, slept = iter([100.0]), []
    source = Live(str(film), "camera", 24, clock=lambda: next(now, 112.25), sleep=slept.append)
    frames = list(islice(source.frames(), 140))
    assert len(frames) == 140
    assert slept == [1.0]
    assert list(source.notes) == [
        "camera: no frames from 12.2 s on (it ended); it was opened again, until it answered or the time was over"
    ]


def test_what_a_stream_breaks_with_is_noted_without_its_address():
    source = Live("rtsp://user:secret@127.0.0.1:9/x", "rtsp://127.0.0.1:9/x", 30, sleep=lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(source.frames())
    (note,) = source.notes
    assert "secret" not in note
    assert "no frames from 0.0 s on (Connection refused)" in note


def test_a_camera_that_cannot_be_opened_is_one_line():
    for address, words in (("/dev/video99", "No such file"), ("rtsp://u:secret@127.0.0.1:9/x", "Connection refused")):
        with pytest.raises(UserError, match=words) as raised:
            live_fps(address)
        assert "secret" not in raised.value.message
        assert len(raised.value.message.splitlines()) == 1
