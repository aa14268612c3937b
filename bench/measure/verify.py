"""A wrong answer has no speed: what was timed must compute what the network is defined to compute.

`verify` compares the reference (eager, fp32) with the network's definition:

- A frame network: stepping a whole receptive field of random frames must give the scores of `net(clip)`. One without a
  clip form, or with an unknown receptive field, must give the scores of the network stepped through the same frames
  from a fresh state; for the eager backend that is a repetition, and the record says so.
- Any other network: the runnable must give the answer of the network itself. For the eager backend that is a repeated
  call.

`compare` compares every other engine and precision with the reference, over a stream of frames or many clips, so that a
drifting state shows. Both draw the same inputs: what the reference answered to a stream is sent from its process to
those of other engines (`AnswersToSend`), which need not step it through the same frames again.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...models.inputs import batch_of, call, tensors_of
from ...models.outputs import tensors_in
from ...models.spec import is_frame_network, keeps_state
from ..backends import Runnable
from ..record.facts import has_receptive_field, receptive_field_of
from ..record.record import Verification
from .job import Answers

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.example import Example
    from ...models.inputs import Input

SEED = 20_220_713
PREFILL_FRAMES = 8
STREAM_FRAMES = 1000
INPUTS = 100
FEWEST_INPUTS = 2  # what an engine keeps of one shows in its answer to the next
COMPARE_BUDGET_S = 60.0
SENT_BYTES = 8 << 20  # answers that are sent to another process, at most

# The inputs of a row, one after the other (one clip, or frames) -> the reference's answer.
Reference = Callable[[list[Any]], Any]


@dataclass(frozen=True)
class Difference:
    """How far an answer is from the right one: max|a - b| / max|b|, or the `cause` why no number says it."""

    relative_error: float = 0.0
    cause: str | None = None


def difference(given: Sequence[Tensor], expected: Sequence[Tensor]) -> Difference:
    """The largest difference of the tensors of one answer, which may lie on a device."""
    if len(given) != len(expected):
        return _wrong(f"tensors of the output: {len(given)}, of the reference: {len(expected)}")
    if not expected:
        return _wrong("the output holds no tensor")
    each = [_difference(ours, want) for ours, want in zip(given, expected, strict=True)]
    # NaN, a wrong shape and infinities elsewhere before any number.
    return max(each, key=lambda one: one.relative_error)


def relative_error(a: Tensor, b: Tensor) -> float:
    """max|a - b| / max|b|; infinite where no number says how far off `a` is."""
    return difference([a], [b]).relative_error


def _difference(a: Tensor, b: Tensor) -> Difference:
    """Infinities are equal at the same places with the same sign, and everything else is compared without them; NaN,
    and infinities alone, are no answer."""
    if a.shape != b.shape:
        return _wrong(f"the output has the shape {tuple(a.shape)}, not {tuple(b.shape)}")
    a, b = exact(a), exact(b)
    if bool(a.isnan().any()):
        too = ", and so does the reference" if bool(b.isnan().any()) else ""
        return _wrong(f"the output holds NaN{too}")
    if bool(b.isnan().any()):
        return _wrong("the reference holds NaN, and the output does not")
    infinite = a.isinf() | b.isinf()
    if bool((a != b)[infinite].any()):
        return _wrong("the output and the reference are infinite at different places")
    if not b.numel():
        return Difference()
    a, b = a[~infinite], b[~infinite]
    if not b.numel():
        return _wrong("the output is infinite everywhere")
    scale, error = float(b.abs().max()), float((a - b).abs().max())
    return Difference(error / scale if scale else error)


def exact(x: Tensor) -> Tensor:
    """Numbers of any kind on the CPU, wide enough to be subtracted."""
    import torch

    return x.detach().cpu().to(torch.complex128 if x.is_complex() else torch.float64)


def _wrong(cause: str) -> Difference:
    return Difference(float("inf"), cause)


def verify(
    runnable: Runnable,
    net: Any,
    example: Input,
    tolerance: float,
    *,
    memory_for_clip_bytes: float = float("inf"),
    like: Example | None = None,
    on_answer: Callable[[Any], None] = lambda answer: None,
) -> Verification:
    """Compare the runnable with the reference; a frame network is left with its receptive field filled. `on_answer` is
    given every answer of the runnable, and of a frame network the one after its receptive field as well.

    `example` is one input as timed; others are drawn `like` the author's example, else from the normal distribution. Of
    a batch the first and the last row are compared, or all of it where the answer does not have the batch in front. A
    frame network's clip form of the whole receptive field is used where its features are estimated to fit into
    `memory_for_clip_bytes`, else its clip form in pieces of a few frames.
    """
    import torch

    generator = torch.Generator().manual_seed(SEED)
    count = receptive_field_of(net) if is_frame_network(net) else 1
    like = like or _normal(example)
    batch = like.batch_of(example)
    rows = sorted({0, batch - 1})
    shown: list[Input] = []  # of a batch only the rows that are compared: all of it would be gigabytes
    by_row = False
    runnable.reset()
    answer: Any = None
    for _ in range(count):
        x = like.draw(batch, generator)
        answer = runnable.step(x)
        on_answer(answer)
        if not shown:
            by_row = all(tensor.dim() > 0 and len(tensor) == batch for tensor in tensors_in(answer))
        shown.append(like.rows(x, rows) if by_row else x)
    runnable.synchronize()
    if is_frame_network(net):
        on_answer(runnable.step(like.draw(batch, generator)))
        what, reference = _frame_reference(net, count, like.rows(example, slice(1)), memory_for_clip_bytes)
    else:
        what, reference = "the network called plainly on the same input", lambda inputs: call(net, inputs[0])
    given = tensors_in(answer)
    if by_row:
        given = [tensor[rows] for tensor in given]
    parts = [slice(index, index + 1) for index in range(len(rows))] if by_row else [slice(None)]
    tally = Tally()
    for part in parts:
        expected = tensors_in(reference([like.rows(x, part) if by_row else x for x in shown]))
        tally.add([tensor[part] for tensor in given] if by_row else given, expected)
    worst = tally.worst
    return Verification(
        reference=what,
        relative_error=worst.relative_error,
        cause=worst.cause,
        tolerance=tolerance,
        passed=worst.relative_error <= tolerance,
    )


def compare(
    runnable: Runnable,
    net: Any,
    example: Input,
    tolerance: float,
    *,
    budget_s: float = COMPARE_BUDGET_S,
    clock: Callable[[], float] = time.perf_counter,
    like: Example | None = None,
    known: Sequence[Tensor] = (),
) -> Verification:
    """Compare the runnable with the eager network in float32, prediction by prediction.

    A frame network sees one stream of 1,000 frames, any other network 100 inputs; fewer where that takes longer than
    `budget_s`, but a frame network at least one frame more than its receptive field, so that every buffer is written
    over, and any other at least two inputs. Its state is left filled. `known`: as many predictions as these are
    compared with them; they are the answers of the eager network in another process.
    """
    import torch

    generator = torch.Generator().manual_seed(SEED)
    by_frames = is_frame_network(net)
    wanted, least = (STREAM_FRAMES, receptive_field_of(net) + 1) if by_frames else (INPUTS, FEWEST_INPUTS)
    like = like or _normal(example)
    batch = like.batch_of(example)
    answered: Sequence[Any] = known
    if keeps_state(net) and not known:
        answered = _answered_before(net, like, batch, (wanted, least), clock, budget_s)
    state = net.initial_state(batch) if by_frames else ()
    runnable.reset()
    tally = Tally()
    start = clock()
    for number in range(len(answered) or max(wanted, least)):
        x = like.draw(batch, generator)
        given = runnable.step(x)
        runnable.synchronize()
        if answered:
            expected = answered[number]
        elif by_frames:
            expected, state = net.step(x, state)
        else:
            expected = call(net, x)
        tally.add(tensors_in(given), tensors_in(expected))
        if not answered and tally.compared >= least and clock() - start > budget_s:
            break
    what = f"a stream of {tally.compared} frames" if by_frames else f"{tally.compared} inputs"
    where = ", from its own process" if known else ""
    return tally.verification(f"the eager network in fp32 on {what}{where}", tolerance)


def _answered_before(
    net: Any, like: Example, batch: int, frames: tuple[int, int], clock: Callable[[], float], budget_s: float
) -> list[list[Tensor]]:
    """What a network that keeps its state inside answers to the stream, `frames` wanted and at least. Not beside the
    runnable, which may be the same network: each of the two would be a step of the other's stream."""
    import torch

    generator, (wanted, least) = torch.Generator().manual_seed(SEED), frames
    state, answers, start = net.initial_state(batch), [], clock()
    while len(answers) < least or (len(answers) < wanted and clock() - start <= budget_s):
        answer, state = net.step(like.draw(batch, generator), state)
        answers.append([tensor.clone() for tensor in tensors_in(answer)])
    return answers


class AnswersToSend:
    """Answers of the reference, kept as long as they can be sent: float32 tensors of one shape, and not too large."""

    def __init__(self) -> None:
        self._kept: list[Tensor] = []
        self._can_be_sent = True

    def add(self, answer: Any) -> None:
        import torch

        if self._can_be_sent and isinstance(answer, torch.Tensor) and answer.dtype == torch.float32:
            self._kept.append(answer.detach().cpu().clone())  # a network may write its next answer there
            first = self._kept[0]
            if answer.shape == first.shape and first.nbytes * len(self._kept) <= SENT_BYTES:
                return
        self._can_be_sent = False
        self._kept.clear()

    def packed(self) -> Answers | None:
        """All of them; None where there are none that can be sent."""
        import torch

        if not self._kept:
            return None
        numbers = torch.stack(self._kept).numpy()
        return Answers(shape=numbers.shape, float32=base64.b64encode(numbers.tobytes()).decode())


def unpack_answers(answers: Answers) -> tuple[Tensor, ...]:
    """Answers that were sent, one after the other."""
    import numpy as np
    import torch

    numbers = np.frombuffer(base64.b64decode(answers.float32), dtype=np.float32)
    return torch.from_numpy(numbers.reshape(answers.shape).copy()).unbind()


class Tally:
    """The differences between answers, summed over predictions."""

    def __init__(self) -> None:
        self.compared = self.ranked = self.agreed = 0
        self.difference = self.size = 0.0
        self.worst = Difference()

    def add(self, given: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
        """One more prediction: its answer, and the right one."""
        self.compared += 1
        found = difference(given, expected)
        self.worst = max(self.worst, found, key=lambda one: one.relative_error)
        if found.cause:
            return
        ours, right = [exact(tensor) for tensor in given], [exact(tensor) for tensor in expected]
        for mine, want in zip(ours, right, strict=True):
            finite = want.isfinite()
            self.difference += float((mine - want)[finite].abs().square().sum())
            self.size += float(want[finite].abs().square().sum())
        if len(right) == 1 and right[0].dim() == 2 and right[0].numel() and not right[0].is_complex():
            same = ours[0].argmax(1) == right[0].argmax(1)
            self.ranked += len(same)
            self.agreed += int(same.sum())

    def verification(self, reference: str, tolerance: float) -> Verification:
        """The result, for a record."""
        return Verification(
            reference=reference,
            relative_error=self.worst.relative_error,
            cause=self.worst.cause,
            tolerance=tolerance,
            passed=self.worst.relative_error <= tolerance,
            relative_l2=self.relative_l2,
            top1_agreement=self.agreed / self.ranked if self.ranked else None,
            compared=self.compared,
        )

    @property
    def relative_l2(self) -> float | None:
        return (self.difference / self.size) ** 0.5 if self.size else None


def _normal(example: Input) -> Example:
    """Standard normal inputs of that shape, for networks without an example of their author's."""
    from ...models.example import Example

    assert not isinstance(example, tuple)  # noqa: S101 - several tensors come with the author's example
    return Example.of_shape(tuple(example.shape[1:]))


def tensor_size(x: Input) -> int:
    """Bytes of the elements."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(x))


# A clip form holds a few feature maps of the whole clip at once. For the networks here the largest ones are some
# 30 times the input; a rough figure is enough, since the other reference is as right.
_FEATURES_PER_INPUT = 30


def _frame_reference(net: Any, count: int, frame: Input, memory_bytes: float) -> tuple[str, Reference]:
    import torch

    def clip_form(frames: list[Any]) -> Any:
        return net(torch.stack(frames, dim=2))

    def in_pieces(frames: list[Any]) -> Any:
        clip = torch.stack(frames, dim=2)
        scores, state = clip, net.initial_state(len(clip))
        for piece in clip.split(PREFILL_FRAMES, dim=2):
            scores, state = net.prefill(piece, state)
        return scores

    def again(frames: list[Any]) -> Any:
        scores, state = None, net.initial_state(batch_of(net, frames[0]))
        for frame in frames:
            scores, state = net.step(frame, state)
        return scores

    fits = count * tensor_size(frame) * _FEATURES_PER_INPUT <= memory_bytes
    if _has_clip_form(net, frame) and fits:
        return f"the clip form of the same {count} frames", clip_form
    if _has_clip_form(net, frame) and hasattr(net, "prefill"):
        return f"the clip form, {PREFILL_FRAMES} frames at a time, of the same {count} frames", in_pieces
    return f"the network stepped through the same {count} frames from a fresh state (no clip form)", again


def _has_clip_form(net: Any, frame: Input) -> bool:
    """Whether `net(clip)`, (B, C, T, ...), computes the same network over the frames of its receptive field."""
    from torch import nn

    has_forward = getattr(net.forward, "__func__", net.forward) is not nn.Module.forward
    return has_forward and has_receptive_field(net) and not isinstance(frame, tuple) and frame.dim() > 1
