import math

import pytest
import tiny_zoo
import torch

from co3d_bench.bench.backends.eager import prepare
from co3d_bench.bench.measure.verify import compare, relative_error, verify


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(0)


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


class Drifts:
    """A runnable of the tiny frame network that is off by a little more with every frame."""

    def __init__(self, net, by):
        self.runnable, self.by, self.seen = prepare(net, torch.zeros(1, 3, 8, 8)), by, 0

    def reset(self):
        self.runnable.reset()

    def synchronize(self):
        return None

    def step(self, x):
        self.seen += 1
        return self.runnable.step(x) + self.by * self.seen


def compared(net, runnable, shape, **more):
    with torch.inference_mode():
        return compare(runnable, net.eval(), torch.zeros(shape), 1e-2, **more)


def test_an_engine_is_compared_over_a_stream_of_a_thousand_frames():
    net = tiny_zoo.TinyFrames()
    found = compared(net, prepare(net, torch.zeros(1, 3, 8, 8)), (1, 3, 8, 8))
    assert found.passed
    assert (found.compared, found.relative_error, found.relative_l2, found.top1_agreement) == (1000, 0, 0, 1)
    assert found.reference == "the eager network in fp32 on a stream of 1000 frames"


def test_a_state_that_drifts_slowly_is_found_out():
    net = tiny_zoo.TinyFrames()
    found = compared(net, Drifts(net, 1e-5), (1, 3, 8, 8))
    assert not found.passed
    assert 0 < found.relative_l2 < found.relative_error


def test_any_other_network_is_compared_on_a_hundred_inputs():
    net = tiny_zoo.TinyClip()
    found = compared(net, prepare(net, torch.zeros(2, 3, 4, 8, 8)), (2, 3, 4, 8, 8))
    assert (found.compared, found.reference) == (100, "the eager network in fp32 on 100 inputs")


def test_a_comparison_ends_with_its_budget_but_not_before_the_receptive_field():
    net = tiny_zoo.TinyFrames()
    ticks = iter(range(1000))
    runnable = prepare(net, torch.zeros(1, 3, 8, 8))
    found = compared(net, runnable, (1, 3, 8, 8), budget_s=0.5, clock=lambda: next(ticks))
    assert found.compared == net.receptive_field


def test_the_share_of_equal_best_classes_is_counted_by_row():
    net = tiny_zoo.TinyClip()

    class Swapped(Drifts):
        def step(self, x):
            scores = self.runnable.step(x)
            return torch.cat([scores[:1], scores[1:].flip(1)])

    swapped = Swapped(net, 0)
    swapped.runnable = prepare(net, torch.zeros(2, 3, 4, 8, 8))
    found = compared(net, swapped, (2, 3, 4, 8, 8))
    assert not found.passed
    assert 0.5 <= found.top1_agreement < 1
