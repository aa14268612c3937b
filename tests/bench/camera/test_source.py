"""Frames of noise and of a real film."""

from itertools import islice

import numpy as np
import pytest
import torch

from co3d_bench.bench.camera.source import Film, Noise, film_fps


def test_noise_begins_again():
    ring = [torch.zeros(1), torch.ones(1)]
    assert [float(each.content) for each in islice(Noise(ring).frames(), 5)] == [0, 1, 0, 1, 0]


def test_a_film_begins_again_after_its_last_frame(film):
    frames = [each.content for each in islice(Film(film, "film.mp4", 24).frames(), 134)]
    assert all(frame.shape == (180, 320, 3) for frame in frames)
    assert np.array_equal(frames[0], frames[132])
    assert np.array_equal(frames[1], frames[133])
    assert not np.array_equal(frames[0], frames[66])


def test_a_film_says_its_rate(film):
    assert film_fps(film) == pytest.approx(24)
