"""A wrong answer has no speed: what was timed must compute what the network is defined to compute.

- A frame network: stepping a whole receptive field of random frames must give the scores of `net(clip)`.
- A clip network: the runnable must give the scores of the network called plainly, which must be finite. For the
  eager backend that is a repeated call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .backends import Runnable
from .record import Verification

if TYPE_CHECKING:
    from torch import Tensor

SEED = 20_220_713
PREFILL_FRAMES = 8


def relative_error(a: Tensor, b: Tensor) -> float:
    """max|a - b| / max|b|; infinite where either is not finite."""
    scale = float(b.abs().max())
    error = float((a - b).abs().max())
    if not (scale < float("inf") and error < float("inf")):  # also false for NaN
        return float("inf")
    return error / scale if scale else error


def verify(
    runnable: Runnable, net: Any, example: Tensor, tolerance: float, *, memory_for_clip_bytes: float = float("inf")
) -> Verification:
    """Compare the runnable with the reference; a frame network is left with its receptive field filled.

    `example` is one input as timed, (B, C, T, H, W) or (B, C, H, W). Of a batch the first and the last row are
    compared. A frame network's clip form of the whole receptive field is used where its features are estimated
    to fit into `memory_for_clip_bytes`, else its clip form in pieces of a few frames.
    """
    import torch

    generator = torch.Generator().manual_seed(SEED)
    rows = sorted({0, len(example) - 1})
    runnable.reset()
    if hasattr(net, "step"):
        count = net.receptive_field
        frames = [torch.randn(example.shape, generator=generator) for _ in range(count)]
        scores = frames[0]
        for frame in frames:
            scores = runnable.step(frame)
        runnable.synchronize()
        form, reference = _reference(net, count, tensor_size(example[:1]), memory_for_clip_bytes)
        expected = [reference(torch.stack([frame[row : row + 1] for frame in frames], dim=2)) for row in rows]
        what = f"{form} of the same {count} frames"
    else:
        clip = torch.randn(example.shape, generator=generator)
        scores = runnable.step(clip)
        runnable.synchronize()
        expected = [net(clip[row : row + 1]) for row in rows]
        what = "the network called plainly on the same clip"
    errors = [relative_error(scores[row : row + 1], want) for row, want in zip(rows, expected, strict=True)]
    worst = max(errors)
    return Verification(reference=what, relative_error=worst, tolerance=tolerance, passed=worst <= tolerance)


def tensor_size(x: Tensor) -> int:
    """Bytes of the elements."""
    return x.numel() * x.element_size()


# A clip form holds a few feature maps of the whole clip at once. For the networks here the largest ones are some
# 30 times the input; a rough figure is enough, since the other reference is as right.
_FEATURES_PER_INPUT = 30


def _reference(net: Any, count: int, frame_bytes: int, memory_bytes: float) -> tuple[str, Callable[[Tensor], Tensor]]:
    if count * frame_bytes * _FEATURES_PER_INPUT <= memory_bytes:
        return "the clip form", net

    def in_pieces(clip: Tensor) -> Tensor:
        scores, state = clip, net.initial_state(len(clip))
        for piece in clip.split(PREFILL_FRAMES, dim=2):
            scores, state = net.prefill(piece, state)
        return scores

    return f"the clip form, {PREFILL_FRAMES} frames at a time,", in_pieces
