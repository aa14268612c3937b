"""A store's worth of runs of one network, with steps where a test wants them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from co3d_bench.bench.record.record import Record

from .factories import make_environment, make_record, make_samples

FIRST_RUN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def make_runs(
    levels_s: Sequence[float],
    model: str = "cox3d-m-16",
    *,
    scatter: float = 0.005,
    seed: int = 0,
    torch: str = "2.13.0",
) -> list[Record]:
    """One record a day; the typical latency of each is given. The commit is a new one wherever the level is."""
    draw = random.Random(seed)
    found = []
    commit = 0
    for day, level_s in enumerate(levels_s):
        commit += day > 0 and level_s != levels_s[day - 1]
        found.append(
            make_record(
                model,
                samples=make_samples(level_s * draw.gauss(1.0, scatter), seed=f"{seed}-{day}", disturbed_share=0.0),
                run_id=f"run-{day:05d}",
                started_at=(FIRST_RUN + timedelta(days=day)).isoformat(),
                environment=make_environment(
                    git_commit=f"{commit:08x}" * 5, versions={"python": "3.13.5", "torch": torch}
                ),
            )
        )
    return found
