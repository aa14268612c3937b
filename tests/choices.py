"""Random candidates and limits for `choose`, on coarse grids, so that many figures equal a limit or each other."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

from co3d_bench.bench.stats.choose import Candidate, Missed, Use

from .factories import make_case

TRAINED = (None, 2.5, 5.0, 6.0, 15.0, 30.0)
FPS = (1.0, 5.0, 6.0, 7.5, 15.0, 24.0, 25.0, 29.97, 30.0, 45.0, 60.0)
# by constraint: what figures and limits are drawn from
GRIDS: dict[str, tuple[float, ...]] = {
    "rate": (2.0, 5.0, 6.0, 7.5, 15.0, 24.9, 30.0, 45.0, 60.5),
    "deadline": (0.01, 0.03, 0.1, 0.3),
    "react": (1.0, 1.5, 2.0, 8.0, 15.0),
    "memory": (3e8, 4e8, 5.12e8, 7e8),
    "watts": (2.0, 5.0, 10.0, 15.0),
    "accuracy": (51.0, 59.4, 62.8, 64.9, 65.0, 67.2, 71.0),
}
MISSED = (0.0, 0.01, 0.010001, 0.12)  # at most 1 % is none too many


def _some(draw: random.Random, *values: Any) -> Any:
    """One of these, or nothing is known."""
    return draw.choice((None, *values, *values))


def make_candidate(draw: random.Random, number: int) -> Candidate:
    """A network of any form, called or watched, of which some figures are not known."""
    form = draw.choice(("clip", "frame", "frame", "input"))
    trained = draw.choice(TRAINED)
    watched = None
    if draw.random() < 0.3:
        fps, every = draw.choice(FPS), draw.choice((1, 1, 5))
        way = draw.choice(("every", "trained", "interleaved", "other"))
        sees = fps / every if form == "frame" else trained
        watched = Use(way, fps / every, sees, every, draw.choice((1, 1, 5)), fps)
    return Candidate(
        case=make_case(f"network-{number % 3}", threads=number + 1),
        title=f"Network {number % 3}",
        form=form,
        rate_per_s=_some(draw, *GRIDS["rate"]),
        latency_s=_some(draw, *GRIDS["deadline"], math.inf),
        trained_per_s=trained,
        accuracy=_some(draw, *GRIDS["accuracy"]),
        accuracies=tuple((rate, draw.choice(GRIDS["accuracy"])) for rate in (6.0, 15.0, 30.0) if draw.random() < 0.5),
        reaction_frames=_some(draw, 6.0, 12.0, 60.0),
        memory_bytes=_some(draw, *GRIDS["memory"]),
        state_bytes=_some(draw, 4e6, 5e7),
        idle_w=_some(draw, 1.0, 3.0),
        answer_j=_some(draw, 0.1, 0.4),
        watched=watched,
        missed=Missed(draw.choice(GRIDS["deadline"]), draw.choice(MISSED)) if watched else None,
        cameras=tuple((way, draw.choice(FPS)) for way in ("every", "trained") if draw.random() < 0.2),
    )


def make_candidates(draw: random.Random, most: int = 5) -> tuple[Candidate, ...]:
    """The last is often like the one before it, but for its memory, so that nothing else can rank them."""
    found = [make_candidate(draw, number) for number in range(draw.randint(1, most))]
    if len(found) > 1 and draw.random() < 0.3:
        found[-1] = replace(found[-2], case=found[-1].case, memory_bytes=_some(draw, *GRIDS["memory"]))
    return tuple(found)


def make_limits(draw: random.Random) -> dict[str, float]:
    """Some of the six."""
    grids = {"fps": FPS, **{name: grid for name, grid in GRIDS.items() if name != "rate"}}
    return {name: draw.choice(grid) for name, grid in grids.items() if draw.random() < 0.5}
