"""Where the names of points go, so that they do not lie on each other, on points or on arrows.

A plot on a page has no fixed width: it is narrow on a phone and wide on a desk. Positions are therefore chosen to
be good at several widths at once; between two of them overlaps are rare, since points only move apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

FONT_SIZE_PX = 12.0
CHARACTER_WIDTH_PX = 6.7  # a little more than a mean character of the system fonts at 12 px
POINT_RADIUS_PX = 6.5
WIDTHS_PX = (280.0, 500.0, 1040.0)  # phone, half a desk, a whole desk
_DISTANCES_PX = (11.0, 20.0, 34.0, 50.0)
_SWEEPS = 6

Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Point:
    """A point to be named; `x` and `y` from 0 to 1, `y` counted from the top."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Line:
    """A line of the plot; `cost` is the penalty of a label that lies on it."""

    start: tuple[float, float]
    end: tuple[float, float]
    cost: float


@dataclass(frozen=True)
class LabelPosition:
    """Offset in pixels from the point to the label's anchor; `far`: a line connects the point and the label."""

    dx: float
    dy: float
    align: Align
    far: bool = False


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: _Box) -> float:
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 and height > 0 else 0.0

    def outside(self, width: float, height: float) -> float:
        return max(0.0, -self.left) + max(0.0, -self.top) + max(0.0, self.right - width, self.bottom - height)


def _candidates() -> Iterator[tuple[LabelPosition, float]]:
    """Every position a label may take, with its own cost: near and above or to the right is best."""
    corner = math.sqrt(0.5)
    directions: tuple[tuple[float, float, Align, float], ...] = (
        (0, -1, "center", 0.0),
        (1, 0, "left", 0.5),
        (0, 1, "center", 1.0),
        (-1, 0, "right", 1.5),
        (corner, -corner, "left", 2.0),
        (-corner, -corner, "right", 2.0),
        (corner, corner, "left", 2.5),
        (-corner, corner, "right", 2.5),
    )
    for distance in _DISTANCES_PX:
        for x, y, align, taste in directions:
            # Labels above and below need less room than labels beside: the text is flat.
            reach = distance + (4.0 if align == "center" else 0.0)
            far = distance > _DISTANCES_PX[1]
            yield LabelPosition(round(x * reach, 1), round(y * reach, 1), align, far), taste + 0.25 * distance


_CANDIDATES = tuple(_candidates())


def _box(point: Point, position: LabelPosition, width: float, height: float) -> _Box:
    length = len(point.text) * CHARACTER_WIDTH_PX
    x, y = point.x * width + position.dx, point.y * height + position.dy
    left = {"left": x, "center": x - length / 2, "right": x - length}[position.align]
    return _Box(left - 1, y - FONT_SIZE_PX * 0.68, left + length + 1, y + FONT_SIZE_PX * 0.68)


def _crosses(box: _Box, start: tuple[float, float], end: tuple[float, float]) -> bool:
    """Does the line from `start` to `end` cross the box? By clipping it against one side after the other."""
    x, y = start
    dx, dy = end[0] - x, end[1] - y
    enter, leave = 0.0, 1.0
    for step, room in (
        (-dx, x - box.left),
        (dx, box.right - x),
        (-dy, y - box.top),
        (dy, box.bottom - y),
    ):
        if step == 0:
            if room < 0:
                return False
            continue
        at = room / step
        enter, leave = (max(enter, at), leave) if step < 0 else (enter, min(leave, at))
    return enter <= leave


def _point_box(point: Point, width: float, height: float) -> _Box:
    x, y = point.x * width, point.y * height
    return _Box(x - POINT_RADIUS_PX, y - POINT_RADIUS_PX, x + POINT_RADIUS_PX, y + POINT_RADIUS_PX)


def label_positions(
    points: Sequence[Point],
    lines: Sequence[Line] = (),
    height_px: float = 320.0,
    widths_px: Sequence[float] = WIDTHS_PX,
) -> tuple[LabelPosition, ...]:
    """A position for each label. Deterministic; one by one, labels take their best position until none moves."""
    chosen = [_CANDIDATES[0][0]] * len(points)

    def fixed_cost(point: Point, candidate: LabelPosition) -> float:
        cost = 0.0
        for width in widths_px:
            box = _box(point, candidate, width, height_px)
            cost += 8.0 * box.outside(width, height_px)  # a name cut off is worse than a name on a line
            cost += sum(0.5 * box.overlap(_point_box(other, width, height_px)) for other in points)
            for line in lines:
                start = line.start[0] * width, line.start[1] * height_px
                end = line.end[0] * width, line.end[1] * height_px
                if _crosses(box, start, end):
                    cost += line.cost
        return cost

    own = [[taste + fixed_cost(point, candidate) for candidate, taste in _CANDIDATES] for point in points]

    def shared_cost(index: int, candidate: LabelPosition) -> float:
        return sum(
            0.5
            * _box(points[index], candidate, width, height_px).overlap(
                _box(points[other], chosen[other], width, height_px)
            )
            for width in widths_px
            for other in range(len(points))
            if other != index
        )

    for _ in range(_SWEEPS):
        before = list(chosen)
        for index in range(len(points)):
            costs = [own[index][k] + shared_cost(index, c) for k, (c, _) in enumerate(_CANDIDATES)]
            chosen[index] = _CANDIDATES[costs.index(min(costs))][0]
        if chosen == before:
            break
    return tuple(chosen)


def overlapping(
    points: Sequence[Point], positions: Sequence[LabelPosition], width_px: float, height_px: float
) -> list[tuple[str, str]]:
    """The pairs of labels that lie on each other at this size; for tests."""
    boxes = [_box(p, q, width_px, height_px) for p, q in zip(points, positions, strict=True)]
    return [
        (points[i].text, points[j].text) for i in range(len(points)) for j in range(i) if boxes[i].overlap(boxes[j]) > 0
    ]
