"""Where the numbers of a value lie, one by one: what only moves them needs no call until they must lie side by side.

An operator that moves numbers is called with their places in place of them, and PyTorch itself says where each comes
from. Places are float64, which has kernels for every such operator, and is exact up to 2^53.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .calls import Call, FeatureMap, Kind, Tap, as_weight

if TYPE_CHECKING:
    from torch import Tensor

# The places of the k-th source, from 1 on, begin at k times it; below are the constants.
SOURCE = 1 << 33


@dataclass(frozen=True)
class View:
    """A value as places of maps and of constants."""

    sources: tuple[FeatureMap, ...]
    constants: Tensor  # one row
    index: Tensor  # in the shape of the value: where each of its numbers lies


def map_of(shape: Sequence[int], *, planes: bool = False) -> FeatureMap:
    """For (B, C, T, H, W), and less of it: (B, C, H, W), (B, C, T), (B, C); any other shape in one row."""
    match tuple(shape):
        case batch, channels, frames, height, width:
            size = (batch, frames, height, width, channels)
        case batch, channels, height, width:
            size = (batch, 1, height, width, channels)
        case batch, channels, frames:
            size = (batch, frames, 1, 1, channels)
        case batch, channels:
            size = (batch, 1, 1, 1, channels)
        case _:
            size = (1, 1, 1, 1, math.prod(shape))
    return FeatureMap(*size, planes)


def row_of(count: int) -> FeatureMap:
    """So many numbers side by side."""
    return FeatureMap(1, 1, 1, 1, count)


def places(value: FeatureMap) -> Tensor:
    """(B, C, T, H, W): where the numbers of a map lie."""
    import torch

    batch, frames, height, width, channels = value.size
    if value.planes:
        return torch.arange(math.prod(value.size), dtype=torch.float64).view(batch, channels, frames, height, width)
    whole = torch.arange(value.floats, dtype=torch.float64).view(batch, frames, height, width, value.pitch)
    return whole[..., :channels].permute(0, 4, 1, 2, 3)


def view_of(value: FeatureMap, shape: Sequence[int]) -> View:
    """A map as a value of that shape, whose dimensions are in the order of `map_of`."""
    import torch

    return View((value.memory,), torch.empty(0), (places(value) + SOURCE).reshape(tuple(shape)))


def joined(views: Sequence[View]) -> tuple[View, list[Tensor]]:
    """The sources of all, without an index, and the index of each over them."""
    import torch

    sources: list[FeatureMap] = []
    found, count = [], 0
    for view in views:
        index = view.index + count
        for number, source in enumerate(view.sources, start=1):
            if source not in sources:
                sources.append(source)
            of_it = (view.index >= number * SOURCE) & (view.index < (number + 1) * SOURCE)
            index = torch.where(of_it, view.index + (sources.index(source) + 1 - number) * SOURCE, index)
        found.append(index)
        count += view.constants.numel()
    constants = torch.cat([view.constants for view in views])
    return View(tuple(sources), constants, torch.empty(0)), found


def with_constant(view: View, number: float) -> tuple[View, int]:
    """The view with one more constant, and the place of it."""
    import torch

    return View(view.sources, torch.cat((view.constants, torch.tensor([number]))), view.index), view.constants.numel()


def materialise(view: View, out: FeatureMap, name: str) -> tuple[FeatureMap, Call | None]:
    """The map that has the numbers of a view, in their order, in the size of `out`; and the call that puts them there,
    if they do not lie so already."""
    to = places(out).flatten()
    lies = view.index.flatten()
    if len(view.sources) == 1 and bool((lies - SOURCE == to).all()):
        (source,) = view.sources
        if source.size == out.size and source.planes == out.planes:
            source.shared = True  # other views of it may be read later
            return source, None
        if not source.planes:  # the caller's input, where nothing may be read behind its end
            return FeatureMap(*out.size, out.planes, shared=True, of=source), None
    order = to.argsort()
    table = _table(to[order].long(), lies[order].long())
    taps = [Tap(source) for source in view.sources]
    return out, Call(Kind.GATHER, name, taps, [out], weight=as_weight(table), bias=view.constants)


def _table(to: Tensor, lies: Tensor) -> Tensor:
    """How many runs, and of each {to, tap, from, stride, count}; `to` ascends."""
    import torch

    if len(to) == 1:
        strides = ends = torch.empty(0, dtype=torch.long)
        starts = torch.zeros(1, dtype=torch.long)
    else:
        steps, strides = to.diff(), lies.diff()
        forced = (steps != 1) | ((lies // SOURCE).diff() != 0)
        breaks = forced.clone()
        breaks[1:] |= strides[1:] != strides[:-1]
        breaks = _every_other(breaks, forced)
        ends = breaks.nonzero().flatten() + 1
        starts = torch.cat((torch.zeros(1, dtype=torch.long), ends))
    counts = torch.cat((ends, torch.tensor([len(to)]))) - starts
    padded = torch.cat((strides, torch.ones(1, dtype=torch.long)))
    runs = torch.stack(
        (
            to[starts],
            lies[starts] // SOURCE - 1,
            lies[starts] % SOURCE,
            torch.where(counts > 1, padded[starts], 1),
            counts,
        ),
        1,
    )
    return torch.cat((torch.tensor([len(runs)]), runs.flatten()))


def _every_other(breaks: Tensor, forced: Tensor) -> Tensor:
    """Behind a break the next number begins a run, whatever its distance was: of breaks in a row by distance alone,
    every other one is none."""
    import torch

    free = breaks & ~forced
    position = torch.arange(len(breaks))
    # Behind a forced break a new run begins too, whose first distance breaks nothing.
    last_other = torch.where(free, -1, position).cummax(0).values
    before = torch.where(last_other >= 0, forced[last_other.clamp(min=0)], torch.zeros_like(forced))
    streak = position - last_other + before.long()
    return forced | (free & (streak % 2 == 1))
