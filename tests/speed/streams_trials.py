"""How often `camera --streams auto` is right, by searches on a virtual clock with noise recorded on a real host.

python tests/speed/streams_trials.py record shared [--seconds 90]  # beside whatever else this machine does
python tests/speed/streams_trials.py record busy [--seconds 90]    # and beside a process that burns a core
python tests/speed/streams_trials.py [--trials 100]

A trial is a search as `co3d-bench camera --streams auto` makes it, with the same rules, queues and loop. What so many
cameras truly miss is what they miss over the whole recording, which is replayed again and again.

The recordings here are of CoX3D-S (13), eager, one thread, on two cores of a virtual machine that was in use: `shared`
(median 32.8 ms, p99 181 ms) and `busy` (median 155 ms, p99 247 ms; at a raised priority, nice -n -15).
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from co3d_bench.bench.camera.replay import Calls, RecordedCalls, Schedule
from co3d_bench.bench.camera.serve import Timeline
from co3d_bench.bench.camera.virtual import simulate_streams
from co3d_bench.bench.record.camera import Verdict
from co3d_bench.bench.stats.capacity import SHARE, Looks, most_streams

DATA = Path(__file__).parents[1] / "bench" / "camera" / "data"
MODEL = "cox3d-s-13"
DEADLINE_S = 0.1
UNIT_S = 1e-5  # of the recorded latencies


def record(name: str, seconds: float) -> None:
    """Call the eager network again and again for so long, and keep how long each call took."""
    import torch

    from co3d_bench.models.zoo import find_model

    torch.set_num_threads(1)
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if name == "busy" else None
    try:
        net: Any = find_model(MODEL).build().eval()
        frame, state, latency_s = torch.randn(1, *find_model(MODEL).input_shape), net.initial_state(1), list[float]()
        with torch.inference_mode():
            for _ in range(200):
                _, state = net.step(frame, state)
            end_s = time.perf_counter() + seconds
            while (begin_s := time.perf_counter()) < end_s:
                _, state = net.step(frame, state)
                latency_s.append(time.perf_counter() - begin_s)
    finally:
        if neighbour:
            neighbour.kill()
    DATA.mkdir(exist_ok=True)
    units = np.maximum(np.round(np.array(latency_s) / UNIT_S), 1).astype(np.uint32)
    np.savez_compressed(DATA / f"latency_{name}.npz", units=units)
    print(
        f"{name}: {len(units)} calls, median {1e3 * UNIT_S * np.median(units):.2f} ms, p99 "
        f"{1e3 * UNIT_S * np.percentile(units, 99):.2f} ms, longest {1e3 * UNIT_S * units.max():.1f} ms"
    )


def recorded(name: str) -> list[float]:
    """How long each call took."""
    return (np.load(DATA / f"latency_{name}.npz")["units"] * UNIT_S).tolist()


@dataclass(frozen=True)
class Setting:
    """Cameras and a network on a host whose calls were recorded."""

    calls_s: Sequence[float]
    calls: float  # of the recorded ones, that one call of the network takes
    schedule: Schedule

    @cached_property
    def recorded(self) -> RecordedCalls:
        return RecordedCalls(self.calls_s)

    def share(self, streams: int) -> float:
        """The true share of misses: over the whole recording."""
        return self.schedule.missed_share(streams, self.recorded, self.calls, self.recorded.length_s)

    def capacity(self, faster: float = 1.0) -> int:
        setting = replace(self, calls=self.calls / faster)
        return next(streams for streams in itertools.count() if setting.share(streams + 1) > SHARE)

    @property
    def clear(self) -> bool:
        """Whether the capacity is the same with calls a tenth slower, and a tenth faster."""
        return self.capacity(1 / 1.1) == self.capacity(1.1)


def searched(setting: Setting, begin_s: float, blocks: int = 60) -> tuple[int, list[tuple[int, Verdict, int]]]:
    """The answer of a search that begins then, and its trials: cameras, verdict, seconds."""
    tried: list[tuple[int, Verdict, int]] = []
    schedule, seen = setting.schedule, Calls(setting.schedule)

    def duration_s(at_s: float, _frames: int) -> float:
        return setting.recorded.end_s(begin_s + at_s, setting.calls) - begin_s - at_s

    def attempt(streams: int, most: int) -> Verdict:
        nonlocal begin_s
        looks = Looks(streams, schedule.period_s, schedule.deadline_s, most)
        stopped = False

        def stop(timelines: Sequence[Timeline], now_s: float) -> bool:
            nonlocal stopped
            stopped = stopped or looks.look(timelines, now_s) != "not known"
            return stopped

        cameras = simulate_streams(schedule.due_s(most), duration_s, schedule.queues(streams), streams, stop)
        verdict = looks.misses.verdict if stopped else looks.look(cameras, math.inf)
        begin_s += looks.misses.blocks + 1
        seen.add(streams, cameras)
        if verdict == "yes" and seen.why_not(streams):
            verdict = "not known"
        tried.append((streams, verdict, looks.misses.blocks))
        return verdict

    return most_streams(attempt, blocks), tried


def trials(name: str, cameras: float, fps: float, count: int) -> str:
    """A row: how `count` searches ended where a call takes 1 / `cameras` of the time between two frames."""
    calls_s = recorded(name)
    setting = Setting(calls_s, 1 / fps / cameras / float(np.median(calls_s)), Schedule(1 / fps, DEADLINE_S))
    capacity, draw = setting.capacity(), random.Random(f"{name}{cameras}{fps}")
    found = [searched(setting, draw.uniform(0, setting.recorded.length_s)) for _ in range(count)]
    answers = Counter(answer for answer, _ in found)
    wrong = sum(answer > capacity for answer, _ in found)
    near = sum(abs(answer - capacity) <= 1 for answer, _ in found)
    seconds = sum(tried[-1] for _, tries in found for tried in tries) / count
    said = ", ".join(f"{answer}: {times}" for answer, times in sorted(answers.items()))
    misses = " %, then ".join(f"{100 * setting.share(streams):.2f}" for streams in (max(1, capacity), capacity + 1))
    cells = (name, f"{fps:g}", f"{cameras:g}", f"{capacity} ({misses} %)", "yes" if setting.clear else "no")
    return f"| {' | '.join(map(str, (*cells, said, wrong, near, round(seconds))))} |"


HEAD = """\
| noise | frames/s | period / call | capacity (misses) | clear by a tenth | answers | above | within one | seconds |
|---|---|---|---|---|---|---|---|---|"""
CASES = (
    ("shared", 9, 30),
    ("shared", 18, 30),
    ("busy", 5, 30),
    ("busy", 9, 30),
)  # noise, period by median call, frames/s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", choices=["record"])
    parser.add_argument("noise", nargs="?", choices=["shared", "busy"])
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--trials", type=int, default=100)
    asked = parser.parse_args()
    if asked.record:
        record(asked.noise or "shared", asked.seconds)
        return
    print(HEAD)
    for case in CASES:
        print(trials(*case, asked.trials), flush=True)


if __name__ == "__main__":
    main()
