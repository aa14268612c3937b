"""The reaction to a change of scene, of networks whose answer is known."""

import pytest
import torch

from co3d_bench.bench.camera.reaction import frames_until, of_clips, of_frames, reaction, scenes


class Mean:
    """Averages the pictures of the last `count` frames, or of a clip."""

    def __init__(self, count):
        self.count, self.seen = count, []

    def reset(self):
        self.seen = []

    def step(self, picture):
        self.seen = [*self.seen, picture.flatten(1)][-self.count :]
        return torch.stack(self.seen).mean(0)

    def call(self, clip):
        return clip.mean(2).flatten(1)


@pytest.mark.parametrize(("count", "half", "nine_tenths"), [(11, 6, 10), (21, 11, 19)])
def test_an_average_moves_in_equal_steps(count, half, nine_tenths):
    mean = Mean(count)
    pairs = scenes((3, 4, 4))
    by_frames = reaction(of_frames(mean.step, mean.reset, count), pairs, 0.25)
    by_clips = reaction(of_clips(mean.call, count), pairs, 0.25)
    assert by_frames == by_clips
    assert (by_frames.half_s, by_frames.half_range_s) == (0.25 * half, (0.25 * half, 0.25 * half))
    assert by_frames.nine_tenths_s == 0.25 * nine_tenths
    assert by_frames.scenes == len(pairs)


def test_an_answer_that_turns_back_has_not_arrived():
    assert frames_until([1.0, 0.4, 0.6, 0.3, 0.0], 0.5) == 3
    assert frames_until([1.0, 0.0], 0.5) == 1


def test_scenes_are_the_same_every_time():
    first, second = scenes((3, 2, 2)), scenes((3, 2, 2))
    assert all(
        torch.equal(a, b) for pair, other in zip(first, second, strict=True) for a, b in zip(pair, other, strict=True)
    )
