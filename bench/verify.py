"""A wrong answer has no speed: what was timed must compute what the network is defined to compute.

- A frame network: stepping a whole receptive field of random frames must give the scores of `net(clip)`. One
  without a clip form, or that does not tell its receptive field, must give the scores of the network stepped
  through the same frames from a fresh state; for the eager backend that is a repetition, and the record says so.
- Any other network: the runnable must give the answer of the network called plainly, which must be finite. For the
  eager backend that is a repeated call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..models.outputs import tensors_in
from ..models.spec import is_frame_network
from .backends import Runnable
from .facts import reach, tells_reach
from .record import Verification

if TYPE_CHECKING:
    from torch import Tensor

SEED = 20_220_713
PREFILL_FRAMES = 8

# What a reference answers to a row of the inputs that were shown one after the other: one clip, or frames.
Reference = Callable[[list["Tensor"]], Any]


def relative_error(a: Tensor, b: Tensor) -> float:
    """max|a - b| / max|b|; infinite where either is not finite, or the shapes differ."""
    if a.shape != b.shape:
        return float("inf")
    if not b.numel():
        return 0.0
    if not b.is_floating_point():
        a, b = a.double(), b.double()
    scale = float(b.abs().max())
    error = float((a - b).abs().max())
    if not (scale < float("inf") and error < float("inf")):  # also false for NaN
        return float("inf")
    return error / scale if scale else error


def verify(
    runnable: Runnable, net: Any, example: Tensor, tolerance: float, *, memory_for_clip_bytes: float = float("inf")
) -> Verification:
    """Compare the runnable with the reference; a frame network is left with its receptive field filled.

    `example` is one input as timed. Of a batch the first and the last row are compared, or all of it where the answer
    does not have the batch in front. A frame network's clip form of the whole receptive field is used where its
    features are estimated to fit into `memory_for_clip_bytes`, else its clip form in pieces of a few frames.
    """
    import torch

    generator = torch.Generator().manual_seed(SEED)
    count = reach(net) if is_frame_network(net) else 1
    shown = [torch.randn(example.shape, generator=generator) for _ in range(count)]
    runnable.reset()
    answer: Any = None
    for x in shown:
        answer = runnable.step(x)
    runnable.synchronize()
    if is_frame_network(net):
        what, reference = _frame_reference(net, count, example[:1], memory_for_clip_bytes)
    else:
        what, reference = "the network called plainly on the same input", lambda inputs: net(inputs[0])
    given = tensors_in(answer)
    by_row = all(tensor.dim() > 0 and len(tensor) == len(example) for tensor in given)
    rows = sorted({0, len(example) - 1})
    parts = [slice(row, row + 1) for row in rows] if by_row else [slice(None)]
    worst = 0.0
    for part in parts:
        expected = tensors_in(reference([x[part] for x in shown]))
        pairs = zip((tensor[part] if by_row else tensor for tensor in given), expected, strict=True)
        worst = max(worst, *(relative_error(ours, want) for ours, want in pairs))
    return Verification(reference=what, relative_error=worst, tolerance=tolerance, passed=worst <= tolerance)


def tensor_size(x: Tensor) -> int:
    """Bytes of the elements."""
    return x.numel() * x.element_size()


# A clip form holds a few feature maps of the whole clip at once. For the networks here the largest ones are some
# 30 times the input; a rough figure is enough, since the other reference is as right.
_FEATURES_PER_INPUT = 30


def _frame_reference(net: Any, count: int, frame: Tensor, memory_bytes: float) -> tuple[str, Reference]:
    import torch

    def clip_form(frames: list[Tensor]) -> Any:
        return net(torch.stack(frames, dim=2))

    def in_pieces(frames: list[Tensor]) -> Any:
        clip = torch.stack(frames, dim=2)
        scores, state = clip, net.initial_state(len(clip))
        for piece in clip.split(PREFILL_FRAMES, dim=2):
            scores, state = net.prefill(piece, state)
        return scores

    def again(frames: list[Tensor]) -> Any:
        scores, state = None, net.initial_state(len(frames[0]))
        for frame in frames:
            scores, state = net.step(frame, state)
        return scores

    fits = count * tensor_size(frame) * _FEATURES_PER_INPUT <= memory_bytes
    if _has_clip_form(net, frame) and fits:
        return f"the clip form of the same {count} frames", clip_form
    if _has_clip_form(net, frame) and hasattr(net, "prefill"):
        return f"the clip form, {PREFILL_FRAMES} frames at a time, of the same {count} frames", in_pieces
    return f"the network stepped through the same {count} frames from a fresh state (no clip form)", again


def _has_clip_form(net: Any, frame: Tensor) -> bool:
    """Whether `net(clip)` stands for the network: (B, C, T, ...), as many frames as it says that it looks back on."""
    from torch import nn

    has_forward = getattr(net.forward, "__func__", net.forward) is not nn.Module.forward
    return has_forward and tells_reach(net) and frame.dim() > 1
