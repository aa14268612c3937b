"""Films as people have them: made here by the encoders that PyAV brings, small and short."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.frame import VideoFrame

from co3d_bench.bench.errors import ENVIRONMENT, UserError
from co3d_bench.bench.measure import film as films
from co3d_bench.bench.measure.video import check_video, read_frames, sha256
from co3d_bench.models.spec import Preprocessing

SIZE = (32, 64)  # height, width


def write(file, frames=30, rate: Fraction | int = 30, codec="ffv1", pixels="bgr0", size=SIZE, noise=False, **settings):
    """A film whose frame number i is of grey 4 i, or of noise; `settings` of the stream."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt = pixels
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        for number in range(frames):
            grey = np.full((*size, 3), 4 * number % 256, np.uint8)
            picture = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8) if noise else grey
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixels, threads=1)))  # several leave rows out in gray16
        container.mux(stream.encode())
    return file


def preparation(interval=1):
    return Preprocessing(mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255), short_side=16, frame_interval=interval)


def numbers(file, count, interval=1):
    """The numbers of the frames that a network gets from a film of `write`, and the notes."""
    video = read_frames(file, count, preparation(interval), (16, 16))
    return [round(float(frame.mean()) / 4) for frame in video.frames], [
        note.removeprefix(f"video {file.name}: ") for note in video.notes
    ]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (30, [0, 2, 4, 6, 8]),
        (Fraction(30000, 1001), [0, 2, 4, 6, 8]),
        (60, [0, 4, 8, 12, 16]),
        (25, [0, 2, 3, 5, 7]),
        (15, [0, 1, 2, 3, 4]),
    ],
)
def test_every_other_frame_of_30_a_second_whatever_the_rate_of_the_film(tmp_path, rate, expected):
    assert numbers(write(tmp_path / "film.mkv", rate=rate), 5, interval=2) == (expected, [])


def test_a_film_with_fewer_frames_than_the_network_takes_repeats_them_and_says_so(tmp_path):
    taken, notes = numbers(write(tmp_path / "slow.mkv", rate=10), 6)
    assert taken == [0, 0, 1, 1, 1, 2]
    assert notes == ["3 of 6 frames are repeated, where it has less than 30 a second"]


class Written:
    """A frame with a time in milliseconds, or none."""

    time_base = Fraction(1, 1000)

    def __init__(self, pts):
        self.pts = pts


@pytest.mark.parametrize(
    ("written", "times"),
    [
        ([5000, 5040, 5120], [0, 40, 120]),  # it begins later, and has a variable rate
        ([-80, -40, 0], [0, 40, 80]),
        ([None, None, None], [0, 40, 80]),
        ([None, 40, 80], [0, 40, 80]),
        ([0, None, 80], [0, 40, 80]),
        ([0, 40, 40, 0, 120], [0, 40, 80, 120, 160]),  # twice the same, backwards
    ],
)
def test_the_times_of_frames_increase_whatever_is_written(monkeypatch, tmp_path, written, times):
    with films.open_film(write(tmp_path / "film.mkv", rate=25)) as film:
        monkeypatch.setattr(film, "_decode", lambda: map(Written, written))
        assert [round(time * 1000) for time, _ in film.frames()] == times


@pytest.mark.parametrize(
    ("degrees", "mirrored", "quarters"), [(0, False, 0), (90, False, 1), (180, False, 2), (-90, False, 3), (0, True, 0)]
)
def test_frames_are_as_players_show_them(tmp_path, degrees, mirrored, quarters):
    picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    file = tmp_path / "phone.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "bgr0"
        stream.set_display_rotation(degrees, hflip=mirrored)  # type: ignore[union-attr]
        container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())
    with films.open_film(file) as film:
        shown = film.picture(next(film.frames())[1])
    assert np.array_equal(shown, np.fliplr(picture) if mirrored else np.rot90(picture, quarters))


def test_pixels_that_are_not_square_are_made_square(tmp_path):
    with films.open_film(write(tmp_path / "tv.mp4", 3, codec="mpeg4", pixels="yuv420p", sample_aspect_ratio=2)) as film:
        assert film.picture(next(film.frames())[1]).shape == (32, 128, 3)


@pytest.mark.parametrize("part", ["cut", "damaged"])
@pytest.mark.parametrize(
    ("name", "codec"), [("film.mkv", "mpeg4"), ("film.ts", "libx264"), ("film.avi", "mpeg4"), ("film.webm", "libvpx")]
)
def test_a_damaged_film_is_reported_as_damaged_with_where(tmp_path, name, codec, part):
    whole = write(tmp_path / name, 60, codec=codec, pixels="yuv420p", noise=True, bit_rate=2_000_000)
    assert numbers(whole, 60)[1] == []
    data, middle = whole.read_bytes(), whole.stat().st_size * 3 // 5
    damage = np.random.default_rng(0).bytes(len(data) // 8) if part == "damaged" else b""
    whole.write_bytes(data[:middle] + damage + (data[middle + len(damage) :] if damage else b""))
    notes = " ".join(numbers(whole, 60)[1])
    assert "it is damaged: " in notes
    assert " s (frame " in notes


def test_a_film_that_cannot_be_opened_gives_the_reason(tmp_path):
    file = write(tmp_path / "film.mp4", codec="mpeg4", pixels="yuv420p")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for _ in range(2):  # FFmpeg holds a message back that it gave before
        with pytest.raises(UserError, match="cannot be decoded: moov atom not found"):
            check_video(file)
    file.write_text("no film")
    with pytest.raises(UserError, match="Invalid data found"):
        check_video(file)


def test_a_film_whose_header_says_more_ends_early(tmp_path):
    file = write(tmp_path / "film.mp4", codec="mpeg4", pixels="yuv420p")
    with films.open_film(file) as film:
        assert list(film.frames())
        assert film.notes() == ()
        film.end -= Fraction(1, 2)
        assert "it ends early, at 0.47 s (frame 30) of 1.00 s" in film.notes()[0]


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({"pixels": "bgra"}, "its transparency is ignored"),
        (
            {"codec": "mpeg2video", "pixels": "yuv420p", "flags": 0x20040000},
            "it is interlaced, and both fields are used",
        ),
        ({"pixels": "yuv420p10le", "color_trc": 16}, "its high dynamic range is used without tone mapping"),
        ({"frames": 1}, "it has one frame"),
        ({"pixels": "gray16le", "size": (5, 3)}, None),
        ({"pixels": "yuv444p10le", "size": (1, 1)}, None),
    ],
)
def test_kinds_of_pictures(tmp_path, settings, note):
    taken, notes = numbers(write(tmp_path / "film.mkv", **settings), 3)
    assert taken == ([0, 0, 0] if settings.get("frames") == 1 else [0, 1, 2])
    assert [each[: len(note or "")] for each in notes] == ([note] if note else [])


def test_no_name_is_an_address_a_pattern_or_a_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("film.mkv", 3)
    for name in ("http:", "file:film.mkv", "concat:film.mkv|film.mkv", "%03d.mkv", "-i", "pipe:0", "a b ü.mkv"):
        os.link("film.mkv", name)
        assert numbers(Path(name), 3) == ([0, 1, 2], [])
    Path("list.txt").write_text("ffconcat version 1.0\nfile film.mkv\n")
    Path("list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfilm.mkv\n#EXT-X-ENDLIST\n")
    for name in ("list.txt", "list.m3u8"):
        with pytest.raises(UserError, match="lists other files, which are not opened"):
            check_video(Path(name))
    with pytest.raises(UserError, match="co3d-bench downloads no film: download it first"):
        check_video(Path("http://127.0.0.1/film.mkv"))


def test_what_is_no_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    for name, reason in (("pipe", "a pipe or a device"), ("", "a folder"), ("empty", "is empty"), ("none", "no such")):
        with pytest.raises(UserError, match=reason):
            check_video(tmp_path / name)
    (tmp_path / "loop").symlink_to("loop")
    for read in (check_video, sha256):
        with pytest.raises(UserError, match="cannot be read") as caught:
            read(tmp_path / "loop")
        assert caught.value.exit_code == ENVIRONMENT


def test_of_several_streams_the_default_one_is_used_and_named(tmp_path):
    file = tmp_path / "two.mkv"
    with av.open(str(file), "w") as container:
        streams = [container.add_stream("ffv1", rate=30) for _ in range(2)]
        for width, stream in zip((32, 48), streams, strict=True):
            stream.width, stream.height, stream.pix_fmt = width, 32, "bgr0"
            stream.disposition = Disposition.default if width == 48 else 0
        for stream in streams:
            container.mux(stream.encode(VideoFrame(stream.width, 32, "bgr0")))
            container.mux(stream.encode())
    assert numbers(file, 1)[1][0] == "of 2 video streams, number 2 (48 x 32) is used"


def test_frames_apart_are_those_at_equal_distances(film):
    with films.open_film(film) as opened:
        every = [opened.picture(frame) for _, frame in opened.frames()]
    with films.open_film(film) as opened:
        apart = [opened.picture(frame) for frame in opened.apart(4)]
    # 132 frames in 5.5 s: in the middle of each quarter, so at frames 16.5, 49.5, 82.5 and 115.5.
    for picture, number in zip(apart, (17, 50, 83, 116), strict=True):
        assert (picture == every[number]).all()
