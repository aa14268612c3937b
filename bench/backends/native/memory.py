"""Where every feature map lies: one piece of memory, in which temporary ones share space."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .calls import FeatureMap, Kind
from .lower import Lowered

if TYPE_CHECKING:
    import torch

_ALIGN = 16  # floats: a line of the cache
# Vectors are read whole, also where the last pixel of a map ends.
_SLACK = 64


@dataclass(frozen=True)
class Layout:
    """The table of addresses: slot 0 is the input, then the state, then the buffers for its new parts, then all
    else."""

    slot: dict[FeatureMap, int]
    offset: list[int]  # of each slot, in floats; unused for the input
    order: list[int]  # for each slot: the slot whose address it takes after a step
    states: int  # slots of the state, after the input
    floats: int


def lay_out(lowered: Lowered) -> Layout:
    """Lay out the feature maps of the calls."""
    index = {lowered.frame: 0}
    offset = [0]
    top = 0

    def fixed(value: FeatureMap) -> None:
        nonlocal top
        index[value] = len(offset)
        offset.append(top)
        top += _rounded(value.floats)

    for value in lowered.state:
        fixed(value)
    for value, over in _overwriting(lowered).items():
        index[value] = index[over]
    for value in lowered.new:
        if value not in index:  # a ring is written where it lies
            fixed(value)
    moving = len(offset)
    for value in lowered.answers:
        fixed(value)
    for call in lowered.calls:
        if call.kind == Kind.PACK_PLANES:  # the border around it stays
            fixed(call.output)
    temporary, size = _temporaries(lowered, index)
    for value, start in temporary.items():
        index[value] = len(offset)
        offset.append(top + start)
    for value in (value for call in lowered.calls for value in call.inputs):
        index[value] = index[value.memory]
    order = _order(lowered, index, moving)
    order += range(moving, len(offset))
    return Layout(index, offset, order, len(lowered.state), top + size + _SLACK)


def _overwriting(lowered: Lowered) -> dict[FeatureMap, FeatureMap]:
    """New parts of the state, each with the part that it may be written over.

    Such a part is added in the call that makes the new one, run of pixels by run of pixels, and needed nowhere else:
    sums that are kept are taken up where they lie.
    """
    uses: Counter[FeatureMap] = Counter()
    for call in lowered.calls:
        uses.update(value.memory for value in call.inputs)
    kept = {lowered.state[source] for source in lowered.entry.sources if source is not None}
    new, state = set(lowered.new), set(lowered.state)
    overwritten: dict[FeatureMap, FeatureMap] = {}
    for call in lowered.calls:
        if call.kind == Kind.DEPTHWISE:
            free = [value for value, _ in call.addends if value in state - kept and uses[value] == 1]
            overwritten.update(zip((out for out in call.outputs if out in new), free, strict=False))
    return overwritten


def _order(lowered: Lowered, slot: dict[FeatureMap, int], moving: int) -> list[int]:
    """For each slot below `moving`: the slot whose address it takes after a step.

    A part of the state takes that of the part that moves there, or of the new one; the remaining buffers are free to be
    written.
    """
    new = iter(lowered.new)
    taken = [slot[next(new)] if source is None else 1 + source for source in lowered.entry.sources]
    free = [address for address in range(1, moving) if address not in set(taken)]
    return [0, *taken, *free]


def _temporaries(lowered: Lowered, fixed: dict[FeatureMap, int]) -> tuple[dict[FeatureMap, int], int]:
    """Offsets of the maps that are gone after a step, and how many floats they need together."""
    last = {value.memory: at for at, call in enumerate(lowered.calls) for value in call.inputs}
    offsets: dict[FeatureMap, int] = {}
    living: dict[FeatureMap, tuple[int, int]] = {}
    size = 0
    for at, call in enumerate(lowered.calls):
        given = call.taps[0].map.memory
        # Pixel by pixel it may be overwritten; where a factor lies, which is read again and again, it may not.
        alone = call.kind == Kind.SCALE and all(tap.map.memory is not given for tap in call.taps[1:])
        for out in call.outputs:
            if out in fixed:
                continue
            if alone and last[given] == at and given in living and given.floats == out.floats:
                living[out] = living.pop(given)
            else:
                start = _gap(sorted(living.values()), _rounded(out.floats))
                living[out] = (start, start + _rounded(out.floats))
            offsets[out] = living[out][0]
            size = max(size, living[out][1])
        living = {value: where for value, where in living.items() if last.get(value, at) > at}
    return offsets, size


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
