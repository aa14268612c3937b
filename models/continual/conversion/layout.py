"""Which dimensions a tensor of the regular network has, and how a frame holds the same numbers.

A dimension is a string of one-letter atoms in the order they lie in memory: `reshape` of ("B", "C", "T", "H", "W") into
five dimensions and back changes nothing but these strings, ("BT", "C", "H", "W") are frames as a batch. A frame
(B, ...) holds all atoms but B and T; which of its dimensions holds which is `Flow.held`. `Arrange` goes from one to the
other, and only where something needs it.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from .flow import MAP, Flow
from .shapes import BATCH

Names = tuple[str, ...]
Sizes = Mapping[str, int]

OVER_CLIP = frozenset("BT")
HELD = ("C", "H", "W")


def stripped(name: str, sizes: Sizes) -> str:
    """A dimension without the atoms of size 1, which may be left out or put in anywhere."""
    return "".join(atom for atom in name if sizes[atom] > 1)


def content(name: str) -> str:
    """The part of a dimension that a frame has."""
    return "".join(atom for atom in name if atom not in OVER_CLIP)


def runs_over(name: str, atoms: Iterable[str], sizes: Sizes) -> bool:
    return any(atom in atoms for atom in stripped(name, sizes))


def logical(flow: Flow) -> Names:
    """How a frame would hold the dimensions in their order; at least three, as a picture has."""
    names = tuple(content(name) for name in flow.axes if content(name) or not set(name) & OVER_CLIP)
    return names + ("",) * (3 - len(names))


def length(flow: Flow, name: str) -> int:
    """How long a dimension is, in the regular network."""
    return math.prod(flow.sizes[atom] for atom in name)


def same(one: Names, other: Names, sizes: Sizes) -> bool:
    return [stripped(name, sizes) for name in one] == [stripped(name, sizes) for name in other]


def fresh(taken: Iterable[str]) -> str:
    """An atom's name that is not taken."""
    used = set(taken) | OVER_CLIP
    return next(letter for letter in "CHW" + string.ascii_lowercase + string.ascii_uppercase if letter not in used)


def reshaped(flow: Flow, shape: Sequence[int]) -> Flow | None:
    """The same numbers in that shape; None if that tears frames or the clips of a batch apart."""
    sizes = dict(flow.sizes)
    atoms = [atom for name in flow.axes for atom in stripped(name, sizes)]
    axes = []
    for wanted in shape:
        name, left = "", wanted
        while left > 1:
            atom = atoms.pop(0)
            if left % sizes[atom]:
                part = math.gcd(left, sizes[atom])
                if atom in OVER_CLIP or part == 1:
                    return None
                rest = fresh(sizes)
                sizes |= {rest: sizes[atom] // part, (first := fresh((*sizes, rest))): part}
                atoms.insert(0, rest)
                flow = replace(flow, held=tuple(held.replace(atom, first + rest) for held in flow.held))
                atom = first
            name += atom
            left //= sizes[atom]
        axes.append(name)
    if len(axes) == 5 and not axes[2] and not any("T" in name for name in axes):
        axes[2], sizes["T"] = "T", 1  # what was averaged over the clip stands beside its feature maps
    return replace(flow, axes=tuple(axes), sizes=sizes)


def resized(flow: Flow, axes: Names, shape: Sequence[int]) -> Flow:
    """After a call that computes: `axes` are of `shape` now, held in their order.

    A dimension that a frame has becomes one atom, whatever it was made of before.
    """
    sizes = {atom: flow.sizes.get(atom, 1) for name in axes for atom in name if name and set(name) & OVER_CLIP}
    named = []
    for at, (name, length) in enumerate(zip(axes, shape, strict=True)):
        if set(name) & OVER_CLIP:
            if len(name) == 1:
                sizes[name] = length
            named.append(name)
            continue
        usual = ("B", "C", "T", "H", "W")[at] if len(axes) == 5 else name[:1]
        atom = usual if usual and usual not in sizes and usual not in OVER_CLIP else fresh(sizes)
        sizes[atom] = length
        named.append(atom)
    after = replace(flow, axes=tuple(named), sizes=sizes)
    return replace(after, held=logical(after))


def shape_in(flow: Flow) -> tuple[int, ...]:
    """The shape of the regular network's tensor."""
    return tuple(length(flow, name) for name in flow.axes)


def unknown(flow: Flow, shape: Sequence[int]) -> Flow:
    """A tensor of which nothing but the shape is known."""
    names = MAP[: len(shape)] + tuple(string.ascii_lowercase[: max(0, len(shape) - len(MAP))])
    after = replace(flow, axes=names, sizes=dict(zip(names, shape, strict=True)))
    return replace(after, held=logical(after))


def behind(flow: Flow, shape: Sequence[int]) -> Flow:
    """Behind what was refused: what keeps its input's shape keeps its dimensions; of others nothing else is known."""
    return flow if tuple(shape) == shape_in(flow) else replace(unknown(flow, shape), known=False)


# What a clip is taken to be where its shape is not known; `Flow.frames` is None then.
_ANY_CLIP = (64, 224, 224)


def clip_flow(shape: Sequence[int] | None, channels: int, *, regular: bool = False) -> Flow:
    """The features that a network is given: (C, T, H, W)."""
    sizes = shape if shape is not None else (channels, *_ANY_CLIP)
    return Flow(
        frames=shape[1] if shape else None,
        channels=sizes[0],
        sizes=dict(zip(MAP, (BATCH, *sizes), strict=True)),
        regular=regular,
    )


def as_kept(answer: Tensor, axes: Names) -> Tensor:
    """One clip's tensor of the regular network in the order in which our layers keep it: (B, ..., T, ...)."""
    if len(axes[0]) > 1:  # the frames of the one clip
        answer, axes = answer.unflatten(0, (1, -1)), ("B", axes[0].replace("B", ""), *axes[1:])
    inside = [dim for dim, name in enumerate(axes) if name not in ("B", "T")]
    time = [dim for dim, name in enumerate(axes) if name == "T"]
    return answer.permute(axes.index("B"), *inside[:1], *time, *inside[1:])


def as_map(flow: Flow) -> Flow:
    """Five dimensions by their usual names, held as a picture."""
    return replace(flow, axes=MAP, sizes=dict(zip(MAP, shape_in(flow), strict=True)), held=HELD)


def after_layer(flow: Flow, shape: Sequence[int]) -> Flow:
    """After a layer whose form hands on what `flow` says it holds: the sizes are those of the regular network."""
    sizes = dict(flow.sizes)
    axes = list(flow.axes)
    held = list(flow.held)
    for at, (name, length) in enumerate(zip(flow.axes, shape, strict=True)):
        if len(name) == 1:
            sizes[name] = length
        elif math.prod(sizes[atom] for atom in name) != length:
            axes[at] = fresh(sizes)
            sizes[axes[at]] = length
            held = [axes[at] if one == name else one for one in held]
    return replace(flow, axes=tuple(axes), sizes=sizes, held=tuple(held))


@dataclass(frozen=True)
class Arrange:
    """Dimensions split, exchanged and merged: (N, ...) -> (N, ...), where N runs over frames."""

    splits: tuple[tuple[int, tuple[int, ...]], ...]  # of which dimension, into which sizes; into none: it is left out
    order: tuple[int, ...]
    merges: tuple[tuple[int, int], ...]  # from which dimension on, how many; none: a dimension of size 1 is put in

    @classmethod
    def between(cls, source: Names, target: Names, sizes: Sizes) -> Arrange:
        """From one way to hold the atoms to another; "B" stands for N in both."""
        source = tuple(stripped(name, sizes) for name in source)
        target = tuple(stripped(name, sizes) for name in target)
        splits = tuple(
            (at, tuple(sizes[atom] for atom in name)) for at, name in reversed([*enumerate(source)]) if len(name) != 1
        )
        before, after = "".join(source), "".join(target)
        merges = tuple(
            (len("".join(target[:at])), len(name)) for at, name in reversed([*enumerate(target)]) if len(name) != 1
        )
        return cls(splits, tuple(before.index(atom) for atom in after), merges)

    @property
    def nothing(self) -> bool:
        return not self.splits and not self.merges and self.order == tuple(sorted(self.order))

    def __call__(self, x: Tensor) -> Tensor:
        for dim, sizes in self.splits:
            x = x.unflatten(dim, sizes) if sizes else x.squeeze(dim)
        if self.order != tuple(sorted(self.order)):
            x = x.permute(self.order)
        for dim, count in self.merges:
            x = x.flatten(dim, dim + count - 1) if count else x.unsqueeze(dim)
        return x
