"""What is found out of a network: rows that are none, states inside, random numbers."""

import pytest
import torch
from torch import nn

from co3d_bench.bench.measure.answers import checked, why_not_by_rows, why_not_repeatable
from co3d_bench.bench.record.failure import wrong_answer
from co3d_bench.bench.record.record import Verification
from co3d_bench.models.example import Example


class Net(nn.Module):
    """(B, 3) -> what `answer` makes of (B, 5)."""

    def __init__(self, answer):
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.answer, self.seen = nn.Linear(3, 5), answer, []

    def forward(self, x):
        self.seen = [*self.seen[-3:], x]
        return self.answer(self, self.fc(x))


def batch_norm(net, y):
    return nn.functional.batch_norm(y, None, None, training=True) if len(y) > 1 else y


EXAMPLE = Example.of_shape((3,))
BY_ROWS = [
    (lambda net, y: y, None),
    (lambda net, y: {"scores": y, "loss": y.mean()}, None),
    (lambda net, y: (y, [y * 2]), None),
    (lambda net, y: y.mean(0, keepdim=True), "an output of the shape (1, 5) for all of them"),
    (lambda net, y: y.mean(), "an output of the shape ()"),
    (lambda net, y: (y, y.flatten()), "an output of the shape (20,)"),
    (lambda net, y: y.softmax(0), "row 1 of it is "),
    (batch_norm, "row 1 of it is "),
    (lambda net, y: y[:1].expand(len(y), -1), "row 4 of it is "),
    (lambda net, y: y.mean(0).expand(len(y), -1), "row 1 of it is "),
]


@pytest.mark.parametrize(("answer", "why"), BY_ROWS)
@torch.no_grad()
def test_a_batch_is_rows_only_if_each_is_answered_alone(answer, why):
    found = why_not_by_rows(Net(answer), EXAMPLE, 4)
    assert (found is None) == (why is None)
    if found:
        assert why in found.text
        assert "--batch 1" in found.text
        assert found.error > 1e-4
    assert why_not_by_rows(Net(answer), EXAMPLE, 1) is None


def count(net, y):
    net.calls = getattr(net, "calls", 0) + 1
    return y


def growing(net, y):
    net.total = getattr(net, "total", 0) + y.detach()
    return net.total


REPEATED = [
    (lambda net, y: y, None),
    (count, None),
    (growing, "the network keeps a state inside; return co3d_bench.stateful("),
    (lambda net, y: y + torch.stack(net.seen).mean(), "the network keeps a state inside"),
    (lambda net, y: y + torch.rand(()), "it draws random numbers (dropout, torch.rand)"),
    (lambda net, y: nn.functional.dropout(y), "it draws random numbers (dropout"),
]


@pytest.mark.parametrize(("answer", "why"), REPEATED)
@torch.no_grad()
def test_state_and_chance_are_told_apart(answer, why):
    found = why_not_repeatable(Net(answer).eval(), EXAMPLE, 2)
    assert (found is None) == (why is None)
    if found:
        assert why in found.text


@torch.no_grad()
def test_a_dropout_that_was_left_on_is_named():
    net = nn.Sequential(nn.Linear(3, 5), nn.Dropout()).eval()
    net[1].train()
    assert "its layer 1 is in training mode" in why_not_repeatable(net, EXAMPLE, 1).text


def verification(passed):
    return Verification(reference="itself", relative_error=0.5, tolerance=1e-4, passed=passed)


@torch.no_grad()
def test_the_cause_becomes_the_failure():
    views = Net(lambda net, y: y.mean(0, keepdim=True))
    found = checked(lambda: verification(True), views, EXAMPLE, 4, custom=True)
    assert not found.passed
    assert "not answered row by row" in wrong_answer(found).message
    kept = checked(lambda: verification(False), Net(growing), EXAMPLE, 1, custom=True)
    assert "keeps a state" in wrong_answer(kept).message
    engine = checked(lambda: verification(False), Net(count), EXAMPLE, 1, custom=True)
    assert "0.5 off itself" in wrong_answer(engine).message
