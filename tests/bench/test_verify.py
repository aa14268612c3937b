import math

import pytest
import tiny_zoo
import torch

from co3d_bench.bench.backends.eager import prepare
from co3d_bench.bench.verify import relative_error, verify


def check(net, example, **more):
    net.eval()
    with torch.inference_mode():
        return verify(prepare(net, example), net, example, 1e-4, **more)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("memory", [math.inf, 0])
def test_stepping_equals_the_clip_form(batch, memory):
    found = check(tiny_zoo.TinyFrames(), torch.zeros(batch, 3, 8, 8), memory_for_clip_bytes=memory)
    assert found.passed
    assert found.relative_error < 1e-5
    assert ("frames at a time" in found.reference) == (memory == 0)


def test_a_frame_network_that_forgets_is_found_out():
    found = check(tiny_zoo.WrongFrames(), torch.zeros(1, 3, 8, 8))
    assert not found.passed
    assert found.relative_error > 1e-2


def test_a_clip_network_is_called_twice():
    assert check(tiny_zoo.TinyClip(), torch.zeros(1, 3, 4, 8, 8)).relative_error == 0


class Rows(tiny_zoo.TinyClip):
    """Right for the first row of a batch only."""

    def forward(self, clip):
        y = super().forward(clip)
        return torch.cat([y[:1], y[1:] + 1])


def test_the_last_row_of_a_batch_is_compared_too():
    assert not check(Rows(), torch.zeros(3, 3, 4, 8, 8)).passed


class Restless(tiny_zoo.TinyClip):
    def forward(self, clip):
        return super().forward(clip) + torch.rand(1)


class NotFinite(tiny_zoo.TinyClip):
    def forward(self, clip):
        return super().forward(clip) / 0


@pytest.mark.parametrize("net", [Restless, NotFinite])
def test_changing_and_infinite_answers_are_wrong(net):
    assert not check(net(), torch.zeros(1, 3, 4, 8, 8)).passed


def test_relative_error():
    assert relative_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])) == 0.5
    assert relative_error(torch.zeros(2), torch.zeros(2)) == 0
    assert relative_error(torch.tensor([math.nan]), torch.zeros(1)) == math.inf
