"""Where every map lies: one piece of memory, temporary maps one after another in the same places."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .calls import Kind, Map
from .lower import Lowered

if TYPE_CHECKING:
    import torch

_ALIGN = 16  # floats: a line of the cache
# Vectors are read whole, also where the last pixel of a map ends.
_SLACK = 64


@dataclass(frozen=True)
class Layout:
    """Places of the table of addresses: 0 is the input, then the state, then the buffers its new parts go to, then
    everything else."""

    place: dict[Map, int]
    offset: list[int]  # of each place, in floats; that of the input stands for nothing
    order: list[int]  # for each place: which one's address it takes after a step
    states: int  # places of the state, behind the input
    floats: int


def lay_out(lowered: Lowered) -> Layout:
    """Places for the maps of the calls."""
    place = {lowered.frame: 0}
    offset = [0]
    top = 0

    def fixed(value: Map) -> None:
        nonlocal top
        place[value] = len(offset)
        offset.append(top)
        top += _rounded(value.floats)

    for value in lowered.state:
        fixed(value)
    for value, over in _overwriting(lowered).items():
        place[value] = place[over]
    for value in lowered.new:
        if value not in place:  # a ring is written where it lies
            fixed(value)
    moving = len(offset)
    for value in lowered.answers:
        fixed(value)
    for call in lowered.calls:
        if call.kind == Kind.PACK_PLANES:  # the border around it stays
            fixed(call.output)
    temporary, size = _temporaries(lowered, place)
    for value, start in temporary.items():
        place[value] = len(offset)
        offset.append(top + start)
    order = _order(lowered, place, moving)
    order += range(moving, len(offset))
    return Layout(place, offset, order, len(lowered.state), top + size + _SLACK)


def _overwriting(lowered: Lowered) -> dict[Map, Map]:
    """New parts of the state, each with the part that it may be written over.

    Such a part is added in the call that makes the new one, run of pixels by run of pixels, and needed nowhere else:
    sums that are kept are taken up where they lie.
    """
    uses: Counter[Map] = Counter()
    for call in lowered.calls:
        uses.update([*(tap.map for tap in call.taps), *(value for value, _ in call.addends)])
    kept = {lowered.state[source] for source in lowered.made.sources if source is not None}
    new, state = set(lowered.new), set(lowered.state)
    found: dict[Map, Map] = {}
    for call in lowered.calls:
        if call.kind == Kind.DEPTHWISE:
            free = [value for value, _ in call.addends if value in state - kept and uses[value] == 1]
            found.update(zip((out for out in call.outputs if out in new), free, strict=False))
    return found


def _order(lowered: Lowered, place: dict[Map, int], moving: int) -> list[int]:
    """For each place below `moving`: which one's address it takes after a step.

    A part of the state takes that of the part that moves there, or of what was newly made; what nobody takes is free
    to be written into.
    """
    new = iter(lowered.new)
    taken = [place[next(new)] if source is None else 1 + source for source in lowered.made.sources]
    free = [address for address in range(1, moving) if address not in set(taken)]
    return [0, *taken, *free]


def _temporaries(lowered: Lowered, fixed: dict[Map, int]) -> tuple[dict[Map, int], int]:
    """Offsets of the maps that are gone after a step, and how many floats they need together."""
    last = {tap.map: at for at, call in enumerate(lowered.calls) for tap in call.taps}
    for at, call in enumerate(lowered.calls):
        last.update({value: at for value, _ in call.addends})
    found: dict[Map, int] = {}
    living: dict[Map, tuple[int, int]] = {}
    size = 0
    for at, call in enumerate(lowered.calls):
        given = call.taps[0].map
        for out in call.outputs:
            if out in fixed:
                continue
            if call.kind == Kind.SCALE and last[given] == at and given in living and given.floats == out.floats:
                living[out] = living.pop(given)  # pixel by pixel it may be overwritten
            else:
                start = _gap(sorted(living.values()), _rounded(out.floats))
                living[out] = (start, start + _rounded(out.floats))
            found[out] = living[out][0]
            size = max(size, living[out][1])
        living = {value: where for value, where in living.items() if last.get(value, at) > at}
    return found, size


def _gap(taken: Sequence[tuple[int, int]], floats: int) -> int:
    start = 0
    for first, end in taken:
        if first - start >= floats:
            return start
        start = max(start, end)
    return start


def _rounded(floats: int) -> int:
    return -(-floats // _ALIGN) * _ALIGN


def allocate(floats: int) -> torch.Tensor:
    """That many zeros in memory of their own, in large pages where the kernel has them: some tens of megabytes are read
    in every step, for which small ones are too many to be remembered by the processor."""
    import torch

    memory = mmap.mmap(-1, 4 * floats)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.float32)
