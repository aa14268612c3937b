"""The weights that come with the demo, and how they are made."""

from __future__ import annotations

import re

import pytest
import torch

import co3d_bench
from co3d_bench.bench.demo.train import CLIP, FRAMES, Recipe, demo_films, score, train
from co3d_bench.models.continual import convert
from co3d_bench.models.weights.sources import SHIPPED

from ...reference import relative_error

README = (SHIPPED[CLIP].parent / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shipped():
    return co3d_bench.model(CLIP, weights="auto")


@pytest.mark.parametrize("name", [CLIP, FRAMES])
def test_the_weights_that_come_with_it_know_films_that_they_were_not_trained_on(shipped, tmp_path, name):
    """On the first four of each class of the films by which README.md says how accurate they are."""
    share = score(shipped, name, demo_films(tmp_path, 4))
    (low, high) = map(float, re.search(rf"\| `{name}` \| .+ % \(([\d.]+) to ([\d.]+)\) \|", README).groups())
    assert share.low <= high / 100
    assert share.high >= low / 100
    assert share.low > 1 / 5  # by chance


def test_the_frame_form_has_the_weights_of_the_clip_form_and_answers_as_it_does_without_padding(shipped):
    frames = co3d_bench.model(FRAMES, weights="auto")
    for mine, theirs in zip(frames.state_dict().values(), shipped.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    clip = torch.randn(2, 3, frames.receptive_field, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        state = frames.initial_state(batch_size=2)
        for frame in clip.unbind(2):
            scores, state = frames.step(frame, state)
        assert relative_error(scores, frames(clip)) <= 1e-5


@torch.no_grad()
def test_that_form_is_what_convert_makes_and_proves(shipped):
    assert convert(shipped, pool_frames=16).receptive_field == 30


def test_the_file_is_small():
    assert SHIPPED[CLIP].stat().st_size < 2_000_000


@pytest.fixture
def _one_thread():
    """Threads add numbers up in an order that depends on how many there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_one_thread")
def test_training_is_the_same_again_and_leaves_the_callers_generator_alone(tmp_path):
    recipe = Recipe(films=1, steps=2, batch=3)
    before = torch.get_rng_state()
    net, again = (train(tmp_path / name, recipe, lambda step, loss: None) for name in ("a", "b"))
    assert torch.equal(torch.get_rng_state(), before)
    assert not net.training
    for mine, theirs in zip(net.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.usefixtures("_one_thread")
def test_the_loss_of_a_few_films_falls(tmp_path):
    losses = []
    train(tmp_path, Recipe(films=1, steps=30, batch=3), lambda step, loss: losses.append(loss))
    assert len(losses) == 30
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
