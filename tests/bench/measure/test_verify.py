import math
import re

import pytest
import tiny_zoo
import torch

from co3d_bench.bench.backends.eager import prepare
from co3d_bench.bench.measure import verify as module
from co3d_bench.bench.measure.verify import (
    AnswersToSend,
    compare,
    difference,
    relative_error,
    unpack_answers,
    verify,
)
from co3d_bench.models.stateful import stateful


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


class NotANumber(tiny_zoo.TinyClip):
    def forward(self, clip):
        return super().forward(clip) * math.nan


class Masked(tiny_zoo.TinyClip):
    def forward(self, clip):
        return super().forward(clip).masked_fill(torch.tensor([False, True, False, False, True]), -math.inf)


class Grows(tiny_zoo.TinyClip):
    """Has one more output at each call."""

    calls = 0

    def forward(self, clip):
        self.calls += 1
        return [super().forward(clip)] * self.calls


NAN_IN_BOTH = "the output holds NaN, and so does the reference"
GROWN = "tensors of the output: 1, of the reference: 2"


class Drawn(tiny_zoo.TinyClip):
    def forward(self, clip):
        return super().forward(clip) + torch.rand(1)


class NotFinite(tiny_zoo.TinyClip):
    def forward(self, clip):
        return super().forward(clip) / 0


@pytest.mark.parametrize(
    ("net", "cause"),
    [(Drawn, None), (NotFinite, "the output is infinite everywhere"), (NotANumber, NAN_IN_BOTH), (Grows, GROWN)],
)
def test_changing_infinite_and_undefined_answers_are_wrong(net, cause):
    found = check(net(), torch.zeros(1, 3, 4, 8, 8))
    assert not found.passed
    assert found.cause == cause


def test_infinities_at_the_same_places_are_equal():
    """A mask before a softmax."""
    found = check(Masked(), torch.zeros(2, 3, 4, 8, 8))
    assert (found.passed, found.relative_error, found.cause) == (True, 0, None)


@pytest.mark.parametrize("answer", [lambda y: y > 0, lambda y: y.argmax(1), lambda y: y.to(torch.complex64)])
def test_answers_that_are_no_scores_are_compared_too(answer):
    class Answers(tiny_zoo.TinyClip):
        def forward(self, clip):
            return answer(super().forward(clip))

    found = check(Answers(), torch.zeros(2, 3, 4, 8, 8))
    assert (found.passed, found.relative_error) == (True, 0)


def test_relative_error():
    assert relative_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])) == 0.5
    assert relative_error(torch.zeros(2), torch.zeros(2)) == 0
    assert relative_error(torch.tensor([math.nan]), torch.zeros(1)) == math.inf


@pytest.mark.parametrize(
    ("ours", "right", "error", "words"),
    [
        ([[1.0, -math.inf]], [[2.0, -math.inf]], 0.5, None),  # finite scores are compared without infinities
        ([[1.0, math.inf]], [[1.0, -math.inf]], math.inf, "infinite at different places"),
        ([[1.0, 2.0]], [[1.0, math.inf]], math.inf, "infinite at different places"),
        ([[1.0, math.nan]], [[1.0, math.nan]], math.inf, "holds NaN, and so does the reference"),
        ([[math.nan, math.inf]], [[1.0, 0.0]], math.inf, "the output holds NaN"),
        ([[1.0]], [[math.nan]], math.inf, "the reference holds NaN"),
        ([[math.inf]], [[math.inf]], math.inf, "infinite everywhere"),
        ([[[1.0, 2.0]]], [[[1.0], [2.0]]], math.inf, r"shape \(1, 2\), not \(2, 1\)"),
        ([], [[1.0]], math.inf, "tensors of the output: 0, of the reference: 1"),
        ([], [], math.inf, "holds no tensor"),
        ([[]], [[]], 0.0, None),  # an output without elements
        ([[True, False]], [[True, True]], 1.0, None),
        ([[3e38]], [[-3e38]], 2.0, None),  # float32 has no such difference
        ([[2.4]], [[2]], 0.2, None),  # a float is not cut to the reference's whole number
    ],
)
def test_what_is_equal_and_what_no_number_says(ours, right, error, words):
    found = difference(*([torch.tensor(each) for each in one] for one in (ours, right)))
    assert found.relative_error == pytest.approx(error, rel=1e-6)
    assert (found.cause is None) == (words is None)
    assert words is None or re.search(words, found.cause)


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


class Inside(torch.nn.Module):
    """Keeps its state to itself."""

    def __init__(self):
        super().__init__()
        self.cell, self.hidden = torch.nn.GRUCell(12, 4), None

    def reset(self):
        self.hidden = None

    def step(self, frame):
        self.hidden = self.cell(frame.flatten(1), self.hidden)
        return self.hidden


@pytest.mark.parametrize(("reset", "right"), [("reset", True), (lambda net: None, False)])
def test_a_network_that_keeps_its_state_inside_is_not_stepped_in_two_streams_at_once(reset, right):
    net, frame = stateful(Inside(), reset=reset), torch.zeros(1, 3, 2, 2)
    runnable = prepare(net, frame)
    assert runnable.net is net
    with torch.no_grad():
        found = compare(runnable, net, frame, 1e-4)
    assert (found.passed, found.compared) == (right, 1000)


def test_any_other_network_is_compared_on_a_hundred_inputs():
    net = tiny_zoo.TinyClip()
    found = compared(net, prepare(net, torch.zeros(2, 3, 4, 8, 8)), (2, 3, 4, 8, 8))
    assert (found.compared, found.reference) == (100, "the eager network in fp32 on 100 inputs")


def reference_answers(net):
    """What the reference answered when it was verified, as another process gets it."""
    answers = AnswersToSend()
    assert check(net, torch.zeros(1, 3, 8, 8), on_answer=answers.add).passed
    return unpack_answers(answers.packed())


def packed(answers):
    sent = AnswersToSend()
    for answer in answers:
        sent.add(answer)
    return sent.packed()


def test_what_the_reference_answered_elsewhere_need_not_be_computed_again(monkeypatch):
    net = tiny_zoo.TinyFrames().eval()
    known, runnable = reference_answers(net), prepare(net, torch.zeros(1, 3, 8, 8))
    steps = []
    monkeypatch.setattr(runnable, "step", lambda x, step=runnable.step: steps.append(x) or step(x))
    found = compared(net, runnable, (1, 3, 8, 8), known=known, budget_s=0)
    assert (found.passed, found.relative_error, found.compared) == (True, 0, net.receptive_field + 1)
    assert len(steps) == net.receptive_field + 1
    assert found.reference == f"the eager network in fp32 on a stream of {len(steps)} frames, from its own process"


@pytest.mark.parametrize("elsewhere", [True, False])
def test_an_engine_that_is_wrong_once_its_buffers_are_written_over_is_refused(elsewhere):
    """A network of one layer has a buffer as long as its receptive field: the next frame is the first that shows it."""
    net = tiny_zoo.TinyFrames().eval()
    known = reference_answers(net) if elsewhere else ()

    class Late(Drifts):
        def step(self, x):
            self.seen += 1
            return self.runnable.step(x) + (self.seen > net.receptive_field)

    assert not compared(net, Late(net, 0), (1, 3, 8, 8), known=known, budget_s=0).passed


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [None],
        [torch.zeros(2, 3), torch.zeros(2, 4)],
        [torch.zeros(2), None, torch.zeros(2)],
        [torch.zeros(2, dtype=torch.float64)],
        [[torch.zeros(2)]],
    ],
)
def test_answers_of_other_kinds_are_not_sent(answers):
    assert packed(answers) is None


def test_large_answers_are_not_kept_in_memory(monkeypatch):
    monkeypatch.setattr(module, "SENT_BYTES", 100)
    sent = AnswersToSend()
    for _ in range(3):
        sent.add(torch.zeros(10))
    assert sent.packed() is None
    assert sent._kept == []


def test_sent_answers_are_the_same_to_the_bit():
    answers = [torch.randn(2, 5) for _ in range(3)]
    assert all(torch.equal(a, b) for a, b in zip(unpack_answers(packed(answers)), answers, strict=True))


def test_a_network_may_write_each_answer_to_the_same_memory():
    sent, answer = AnswersToSend(), torch.zeros(1, 2)
    for number in range(3):
        sent.add(answer.fill_(number))
    assert [each[0, 0].item() for each in unpack_answers(sent.packed())] == [0, 1, 2]


def test_a_clip_network_is_compared_on_two_inputs_at_least():
    net = tiny_zoo.TinyClip()
    assert compared(net, prepare(net, torch.zeros(1, 3, 4, 8, 8)), (1, 3, 4, 8, 8), budget_s=0).compared == 2


def test_a_comparison_ends_with_its_budget_but_not_before_the_receptive_field():
    net = tiny_zoo.TinyFrames()
    ticks = iter(range(1000))
    runnable = prepare(net, torch.zeros(1, 3, 8, 8))
    found = compared(net, runnable, (1, 3, 8, 8), budget_s=0.5, clock=lambda: next(ticks))
    assert found.compared == net.receptive_field + 1


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
