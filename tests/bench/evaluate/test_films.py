"""Films as a network is shown them: decoded, preprocessed, in order, whatever is wrong with some of them."""

import random
from fractions import Fraction
from pathlib import Path

import moving
import numpy as np
import pytest

from co3d_bench.bench.evaluate.films import CRASHED, Shown, Unreadable, each_shown, sampling_of, show
from co3d_bench.bench.measure.film import open_film

CLIP = sampling_of(moving.SPECS["clip"], None, None)
FRAMES = sampling_of(moving.SPECS["frames"], moving.FRAMES, None)


def shown(file, sampling):
    found = show(file, sampling)
    assert isinstance(found, Shown), found
    return found


def test_the_shape_of_what_is_shown(films):
    file = max((films / "left").iterdir(), key=lambda each: each.stat().st_size)
    assert shown(file, CLIP).frames.shape == shown(file, FRAMES).frames.shape == (8, 3, 32, 32)
    assert shown(file, CLIP).frames.dtype == np.float32
    assert not shown(file, CLIP).padded


def test_a_short_film_is_padded(tmp_path):
    film = tmp_path / "short.mp4"
    moving.write_film(film, moving.pictures("left", 5, random.Random(0)))
    clip, frames = shown(film, CLIP), shown(film, FRAMES)
    assert clip.padded and frames.padded  # noqa: PT018
    # frames 0, 2 and 4; then the last again, to a clip of 8, or to four fifths of 8
    assert clip.frames.shape[0] == 8
    assert frames.frames.shape[0] == 7
    np.testing.assert_array_equal(clip.frames[2:], clip.frames[2:3].repeat(6, 0))
    np.testing.assert_array_equal(frames.frames, clip.frames[:7])


def test_frames_by_time_at_another_rate(tmp_path):
    pictures = list(moving.pictures("right", 30, random.Random(1)))
    moving.write_film(tmp_path / "30.mp4", pictures)
    moving.write_film(tmp_path / "15.mp4", pictures[::2], rate=15)
    # Every second frame of the first is every frame of the second, but for what the codec loses
    first, second = (shown(tmp_path / name, FRAMES).frames for name in ("30.mp4", "15.mp4"))
    assert np.abs(first - second).mean() < 0.02
    slow = sampling_of(moving.SPECS["frames"], moving.FRAMES, 7.5)
    assert slow.step_s == Fraction(2, 15)
    # frames 16, 20, 24 and 28; of `first` they are every second of 14, 16, ... 28
    np.testing.assert_array_equal(shown(tmp_path / "30.mp4", slow).frames[-4:], first[1::2])


def test_packets_tell_how_long_a_film_is(film, films, tmp_path):
    reordered = tmp_path / "film.mkv"  # mpeg2video has frames that are stored in another order
    moving.write_film(reordered, moving.pictures("left", 45, random.Random(0)), codec="mpeg2video")
    for file in (film, films / "up/0.mp4", reordered):
        with open_film(file) as first, open_film(file) as second:
            last_s = first.last_s()
            assert last_s == [time for time, _ in second.frames()][-1]
            assert first.damage() == ()


def test_films_come_in_order_and_a_decoder_that_crashes_is_one_film(films, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where decoders find `moving`
    crash = tmp_path / "crash.mp4"
    crash.write_bytes((films / "up/0.mp4").read_bytes())
    (tmp_path / "no.mp4").write_bytes(b"no film")
    files = [films / "up/0.mp4", crash, tmp_path / "no.mp4", films / "down/0.mp4", films / "up/1.mp4"]
    found = list(each_shown(files, CLIP, 1, moving.crashes))
    assert [type(each) for each in found] == [Shown, Unreadable, Unreadable, Shown, Shown]
    assert found[1] == Unreadable(CRASHED)
    for file, each in zip(files, found, strict=True):
        if isinstance(each, Shown):
            np.testing.assert_array_equal(each.frames, shown(file, CLIP).frames)


@pytest.mark.parametrize("codec", ["mpeg2video", "mpeg4"])
def test_a_damaged_film_is_shown_as_far_as_it_can_be(tmp_path, codec):
    file = tmp_path / "film.mkv"
    moving.write_film(file, moving.pictures("left", 60, random.Random(2)), codec=codec)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 2 // 3])
    found = shown(file, FRAMES)
    assert "ends early" in found.damage
    assert found.frames.shape[0] == 8


@pytest.mark.parametrize("content", [b"", b"no film at all"])
def test_what_is_no_film_says_why(tmp_path, content):
    file = tmp_path / "film.mp4"
    file.write_bytes(content)
    found = show(file, CLIP)
    assert isinstance(found, Unreadable)
    assert found.why
    assert str(tmp_path) not in found.why


class Threads:
    """Decoders that are threads, and note how many films are ahead."""

    started = 0

    def __init__(self, sampling, show):
        type(self).started = 0

    def show(self, file):
        type(self).started += 1
        return Shown(np.zeros((1, 3, 2, 2), np.float32), padded=False)

    def close(self):
        pass


@pytest.mark.parametrize(("most_bytes", "ahead"), [(1 << 20, 6), (50, 1)])
def test_what_waits_for_the_network_is_bounded(monkeypatch, most_bytes, ahead):
    """A film has 48 bytes: three decoders are two films ahead each, or only one film is."""
    from co3d_bench.bench.evaluate import films as module

    monkeypatch.setattr(module, "_Decoders", Threads)
    monkeypatch.setattr(module, "AHEAD_BYTES", most_bytes)
    shown = each_shown([Path(str(number)) for number in range(20)], CLIP, 3)
    for taken in range(1, 10):
        next(shown)
        assert Threads.started <= max(3, taken - 1 + ahead)  # one film a process before the first's size is known
    assert len(list(shown)) == 11
