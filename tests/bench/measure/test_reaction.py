"""The reaction to a change of scene, of networks whose answer is known."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from co3d_bench.bench.measure.reaction import (
    SCENES,
    UNBOUNDED,
    film_scenes,
    frames_of,
    frames_until,
    noise_scenes,
    of_clips,
    of_continual,
    of_frames,
    reaction,
    reaction_frames,
)

from ...models.networks import built
from ..tiny_zoo import PREPROCESSING, SPECS


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


class Mean(nn.Module):
    """Averages the pictures of the last `count` frames, or of a clip."""

    def __init__(self, count):
        super().__init__()
        self.receptive_field = count

    def initial_state(self, batch_size):
        return ()

    def step(self, picture, state):
        state = (*state, picture.flatten(1))[-self.receptive_field :]
        return torch.stack(state).mean(0), state

    def forward(self, clip):
        return clip.mean(2).flatten(1)


@pytest.mark.parametrize(("count", "half", "nine_tenths"), [(11, 6, 10), (21, 11, 19)])
def test_an_average_moves_in_equal_steps(count, half, nine_tenths):
    mean = Mean(count)
    pairs = noise_scenes((3, 4, 4))
    by_frames = frames_of(of_frames(mean, count), pairs, "noise")
    assert by_frames == frames_of(of_clips(mean, count), pairs, "noise")
    assert (by_frames.half, by_frames.nine_tenths) == ((half,) * SCENES, (nine_tenths,) * SCENES)
    record = by_frames.record(0.25)
    assert (record.half_s, record.half_range_s) == (0.25 * half, (0.25 * half, 0.25 * half))
    assert (record.nine_tenths_s, record.scenes, record.frame_s) == (0.25 * nine_tenths, SCENES, 0.25)


@pytest.mark.parametrize("name", ["cox3d-s-4", "tsm-mobilenetv2-3", "rcu-3"])
def test_many_frames_at_once_give_the_reaction_of_single_steps(name):
    net = built(name)
    net.input_shape = (3, 16, 16)  # a small map keeps it quick; every layer and delay is there all the same
    pairs = noise_scenes(net.input_shape, 1)
    frames = net.receptive_field * (UNBOUNDED if net.unbounded else 1)
    assert frames_of(of_continual(net), pairs, "noise") == frames_of(of_frames(net, frames), pairs, "noise")


def test_an_answer_that_turns_back_has_not_arrived():
    assert frames_until([1.0, 0.4, 0.6, 0.3, 0.0], 0.5) == 3
    assert frames_until([1.0, 0.0], 0.5) == 1


def test_scenes_are_the_same_every_time():
    for pair, other in zip(noise_scenes((3, 2, 2)), noise_scenes((3, 2, 2)), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(pair, other, strict=True))


def test_a_change_that_no_answer_shows_is_left_out():
    pictures = noise_scenes((3, 4, 4), 2)
    still = (pictures[0][0], pictures[0][0])
    found = frames_of(of_clips(Mean(3), 3), [*pictures, still], "noise")
    assert (len(found.half), len(found.nine_tenths)) == (2, 2)
    assert frames_of(of_clips(Mean(3), 3), [still], "noise") is None


def test_scenes_of_a_film_are_pictures_far_apart_in_it(film, tmp_path):
    pairs = film_scenes(film, SPECS["tiny-frames"])
    assert [tuple(old.shape) for old, _ in pairs] == [(1, 3, 8, 8)] * SCENES
    assert all(torch.equal(before[1], after[0]) for before, after in pairwise(pairs))
    assert all(not torch.equal(old, new) for old, new in pairs)
    assert film_scenes(film, replace(SPECS["tiny-frames"], preprocessing=None)) == []
    (tmp_path / "no.mp4").write_bytes(b"no film")
    assert film_scenes(tmp_path / "no.mp4", SPECS["tiny-frames"]) == []


def test_a_record_says_what_the_scenes_were(film, tmp_path):
    spec = SPECS["tiny-frames"]
    net = spec.build()
    by_film, by_noise = reaction(spec, net, film), reaction(spec, net)
    assert (by_film.source, by_noise.source) == ("film", "noise")
    assert by_film.frame_s == by_noise.frame_s == PREPROCESSING.frame_interval / 30
    assert reaction(spec, net, tmp_path / "none.mp4") == by_noise


def test_without_a_frame_rate_there_are_frames_and_no_seconds():
    spec = replace(SPECS["tiny-clip"], preprocessing=None)
    net = spec.build()
    assert reaction(spec, net) is None
    assert reaction_frames(spec, net).half == reaction_frames(SPECS["tiny-clip"], net).half
    assert reaction(replace(spec, frame_rate_hz=15.0), net).frame_s == 1 / 15


def test_a_network_that_never_forgets_has_none():
    net = Mean(3)
    del net.receptive_field
    assert reaction(SPECS["tiny-frames"], net) is None
    assert reaction(replace(SPECS["tiny-clip"], form="input"), SPECS["tiny-clip"].build()) is None
