"""Networks that keep their state inside, as frame networks."""

import copy
import threading

import pytest
import torch
from torch import nn

import co3d_bench
from co3d_bench.models.example import as_called, read_example
from co3d_bench.models.stateful import StatefulError, stateful


class Gru(nn.Module):
    receptive_field, accuracy_top1 = 5, 50.0

    def __init__(self):
        super().__init__()
        self.cell, self.hidden = nn.GRUCell(3, 4), None
        self.register_buffer("constant", torch.ones(100))

    def reset(self):
        self.hidden = None

    def forward_step(self, x):
        self.hidden = self.cell(x, self.hidden)
        return self.hidden


class Sized(Gru):
    def reset(self, batch_size):
        self.hidden = torch.zeros(batch_size, 4)


def answers(net, xs):
    state, found = net.initial_state(len(xs[0])), []
    for x in xs:
        y, state = net.step(x, state)
        found.append(y)
    return torch.stack(found)


STEPS = [
    ("forward_step", "reset"),
    (lambda net, x: net.forward_step(x), lambda net: net.reset()),
]


@pytest.mark.parametrize(("step", "reset"), STEPS)
def test_a_stream_begins_anew_with_its_initial_state(step, reset):
    net = stateful(Gru(), step=step, reset=reset)
    xs = torch.randn(3, 2, 3)
    with torch.no_grad():
        first = answers(net, xs)
        assert torch.equal(answers(net, xs), first)
        assert not torch.equal(net.step(xs[0], ())[0], first[0])
    assert (net.receptive_field, net.accuracy_top1) == (5, 50.0)


def test_a_copy_calls_its_own_methods_and_reset_gets_the_batch():
    inner = Sized()
    net = stateful(inner, step=inner.forward_step, reset=inner.reset)
    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin.initial_state(2)
        twin.step(torch.ones(2, 3), ())
    assert inner.hidden is None
    assert twin.net.hidden.shape == (2, 4)


def test_only_what_a_stream_changes_is_its_state():
    net = stateful(Gru(), step="forward_step")
    with torch.no_grad():
        answers(net, torch.randn(2, 1, 3))
        assert [tuple(tensor.shape) for tensor in net.state_tensors()] == [(1, 4)]


class Masked(Sized):
    """Its reset makes a tensor that a stream does not change, and its state is held in two places."""

    def reset(self, batch_size):
        self.hidden, self.seen, self.mask = torch.zeros(batch_size, 4), [], torch.ones(batch_size, 4)

    def forward_step(self, x):
        self.seen = [super().forward_step(x)]
        return self.seen[0]


def test_the_start_of_a_stream_is_one_of_its_batch_and_a_tensor_in_two_places_is_one():
    net = stateful(Masked(), step="forward_step")
    with torch.no_grad():
        answers(net, torch.randn(2, 3, 3))
        assert [tuple(tensor.shape) for tensor in net.state_tensors()] == [(3, 4)]


class Locked(Gru):
    """With parts that cannot be copied, also inside."""

    def __init__(self):
        super().__init__()
        self.lock, self.inner = threading.Lock(), Gru()
        self.inner.lock, self.inner.doubled = threading.Lock(), 2 * self.inner.cell.weight_ih

    def reset(self):
        self.hidden = self.inner.hidden = None

    def forward_step(self, x):
        self.inner.forward_step(x)
        return super().forward_step(x)


def test_what_cannot_be_copied_does_not_hide_the_state():
    inner = Locked()
    net = stateful(inner, step="forward_step")
    with torch.no_grad():
        answers(net, torch.randn(2, 1, 3))
        state = net.state_tensors()
    assert len(state) == 2
    assert {id(tensor) for tensor in state} == {id(inner.hidden), id(inner.inner.hidden)}


@pytest.mark.parametrize(
    ("step", "message"),
    [("forwardstep", "Gru has no step 'forwardstep'; it has forward_step, reset"), (3, "step=3; give the name of a")],
)
def test_a_wrong_method_is_named(step, message):
    with pytest.raises(StatefulError, match=message):
        co3d_bench.stateful(Gru(), step=step)


class Gained(Gru):
    def forward_step(self, frame, gain=1.0, *, offset=0.0):
        return super().forward_step(frame) * gain + offset


@pytest.mark.parametrize(
    ("example", "names"),
    [
        ({"frame": torch.rand(1, 3), "offset": torch.rand(1, 1)}, ("frame", "offset")),
        ((torch.rand(1, 3), torch.rand(1, 1)), ("frame", "gain")),
        ((torch.rand(1, 3),), ("frame",)),
    ],
)
def test_a_frame_may_be_several_tensors(example, names):
    net = stateful(Gained(), step="forward_step")
    given = read_example(net, example)
    called, theirs = as_called(net, given), copy.deepcopy(net.net)
    assert given.names == names
    with torch.no_grad():
        scores, state = called.step(given.itself(), called.initial_state(1))
        wanted = theirs.forward_step(**example) if isinstance(example, dict) else theirs.forward_step(*example)
    assert torch.equal(scores, wanted)
    assert state == ()
    assert [tuple(tensor.shape) for tensor in called.state_tensors()] == [(1, 4)]
