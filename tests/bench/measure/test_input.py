import dataclasses

import pytest
import tiny_zoo
import torch

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure import video
from co3d_bench.bench.measure.input import make_inputs, random_inputs, ring_length, video_inputs
from co3d_bench.models.example import Example
from co3d_bench.models.spec import Preprocessing

CLIP, FRAME = tiny_zoo.SPECS["tiny-clip"], tiny_zoo.SPECS["tiny-frames"]


def test_random_inputs_are_different_seeded_and_shaped():
    inputs = random_inputs(CLIP, 2, seed=3).ring
    assert [tuple(x.shape) for x in inputs] == [(2, 3, 4, 8, 8)] * 4
    assert not torch.equal(inputs[0], inputs[1])
    assert torch.equal(inputs[1], make_inputs(CLIP, 2, "random-3", None).ring[1])
    assert not torch.equal(inputs[0], random_inputs(CLIP, 2, seed=4).ring[0])


def test_large_inputs_make_a_short_ring():
    assert ring_length(FRAME, 1) == 16
    assert ring_length(dataclasses.replace(CLIP, input_shape=(3, 16, 312, 312)), 16) == 2


@pytest.mark.parametrize(("memory", "frame", "length"), [(0, 8, 16), (5, 2048, 5)])
def test_of_several_tensors_all_decide_how_long_the_ring_is(memory, frame, length):
    like = Example((torch.ones(1, memory), torch.zeros(()).expand(1, 3, frame, 2048)), ("memory", "frame"))
    assert ring_length(dataclasses.replace(FRAME, input_shape=(memory,)), 1, like) == length


def test_frames_of_a_real_video(film):
    # 32 frames, at 15 a second, of 5.5 seconds: no loop
    inputs = video_inputs(FRAME, 2, film)
    assert [tuple(x.shape) for x in inputs.ring] == [(2, 3, 8, 8)] * 16
    assert inputs.notes == ()
    limit = 0.45 / 0.225
    assert all(-limit - 1e-5 <= float(x.min()) and float(x.max()) <= 0.55 / 0.225 + 1e-5 for x in inputs.ring)
    assert not torch.equal(inputs.ring[0], inputs.ring[15])


def test_rows_of_a_batch_follow_each_other_and_frames_are_in_order(film):
    frames = video.read_frames(film, 32, FRAME.preprocessing, (8, 8)).frames
    ring = video_inputs(FRAME, 2, film).ring
    assert torch.equal(ring[3][0], frames[3])
    assert torch.equal(ring[3][1], frames[16 + 3])


@pytest.mark.parametrize("spec", [FRAME, CLIP])
def test_every_input_of_a_video_owns_its_memory(film, spec):
    # What an input holds is counted with the peak: a view of all frames would count them all.
    for x in video_inputs(spec, 1, film).ring:
        assert x.is_contiguous()
        assert x.untyped_storage().nbytes() == x.numel() * x.element_size()


def test_clips_of_a_short_video_loop_and_say_so(film):
    inputs = video_inputs(CLIP, 8, film)
    assert [tuple(x.shape) for x in inputs.ring] == [(8, 3, 4, 8, 8)] * 4
    assert inputs.notes == ("video film.mp4: 83 usable frames, 128 needed; it was looped",)


@pytest.mark.parametrize("shape", [(20, 40), (40, 20), (20, 20)])
def test_the_centre_of_the_scaled_frame_is_cut_out(shape):
    import numpy as np

    rgb = np.zeros((*shape, 3), dtype=np.uint8)
    rgb[shape[0] // 2 - 5 : shape[0] // 2 + 5, shape[1] // 2 - 5 : shape[1] // 2 + 5] = 255
    how = Preprocessing(mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 1.0), short_side=20, frame_interval=1)
    image = video.prepare(rgb, how, (10, 10))
    assert tuple(image.shape) == (3, 10, 10)
    assert torch.allclose(image, torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1).expand(3, 10, 10))


@pytest.mark.parametrize("shape", [(48, 85), (96, 40), (21, 30), (13, 7), (20, 20)])
@pytest.mark.parametrize(("short_side", "side"), [(20, 16), (21, 21), (40, 17)])
def test_pixels_are_those_of_the_whole_picture_scaled_and_then_cut(shape, short_side, side):
    """Within what float32 rounds of a position between two pixels."""
    rgb = torch.randint(256, (*shape, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    how = Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), short_side=short_side, frame_interval=1)
    short = min(shape)
    scaled = [short_side if length == short else int(length * (short_side / short)) for length in shape]
    whole = torch.nn.functional.interpolate(rgb.permute(2, 0, 1)[None].float() / 255, size=scaled, mode="bilinear")[0]
    top, left = ((length - side) // 2 for length in scaled)
    found = video.prepare(rgb.numpy(), how, (side, side))
    assert torch.allclose(found, whole[:, top : top + side, left : left + side], rtol=0, atol=2e-5)


def test_only_what_remains_of_a_picture_is_computed():
    """Scaled as a whole this one would have 13 billion pixels."""
    rgb = torch.full((2, 400_000, 3), 51, dtype=torch.uint8).numpy()
    how = Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), short_side=256, frame_interval=1)
    assert torch.allclose(video.prepare(rgb, how, (224, 224)), torch.tensor(0.2))


def test_a_file_that_is_no_video_is_refused(tmp_path, film):
    text = tmp_path / "text.mp4"
    text.write_text("no video at all")
    sound = tmp_path / "sound.wav"
    write_sound(sound)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(film.read_bytes()[:2000])
    for file, message in (
        (tmp_path / "none.mp4", "no such file"),
        (tmp_path, "not a file"),
        (text, "cannot be decoded"),
        (cut, "cannot be decoded"),
        (sound, "no video stream"),
    ):
        with pytest.raises(UserError, match=message):
            video.check_video(file)
    with pytest.raises(UserError, match="no such file"):
        video.sha256(tmp_path / "none.mp4")


def write_sound(file):
    import wave

    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 800)


def test_the_fingerprint_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert video.sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")
