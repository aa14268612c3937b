"""PyTorch without what only training needs: batch norm folded into the convolutions before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import TOLERANCE, Ask, Backend, Runnable, eager

if TYPE_CHECKING:
    from torch import Tensor, nn


def prepare(net: nn.Module, example: Tensor, ask: Ask) -> Runnable:
    """A folded copy of the network, called as in eager."""
    from ...models.continual import fold_batch_norm

    return eager.runnable(fold_batch_norm(net), example, ask)


BACKEND = Backend(
    name="fused",
    title="PyTorch, batch norm folded",
    prepare=prepare,
    precisions=tuple(eager.DTYPES),
    tolerance=TOLERANCE,
    missing=eager.missing,
    order=10,
)
