"""How often `camera --streams auto` is right, by searches on a virtual clock with noise recorded on a real host.

python tests/speed/streams_trials.py record idle [--seconds 150]   # wants an idle machine
python tests/speed/streams_trials.py record busy [--seconds 150]   # beside a process that burns a core
python tests/speed/streams_trials.py [--trials 100]
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import math
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from co3d_bench.bench.camera.queue import StreamQueues
from co3d_bench.bench.camera.serve import Timeline
from co3d_bench.bench.camera.virtual import simulate_streams
from co3d_bench.bench.record.camera import Verdict
from co3d_bench.bench.stats.capacity import SHARE, Looks, most_streams

DATA = Path(__file__).parents[1] / "bench" / "camera" / "data"
MODEL = "cox3d-s-13"
UNIT_S = 1e-5  # of the recorded latencies


def record(name: str, seconds: float) -> None:
    """Call the eager network again and again for so long, and keep how long each call took."""
    import torch

    from co3d_bench.models.zoo import find_model

    torch.set_num_threads(1)
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if name == "busy" else None
    try:
        net = find_model(MODEL).build().eval()
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


class Noise:
    """How fast a host was: the recorded calls one after the other, again and again."""

    def __init__(self, latency_s: Sequence[float]) -> None:
        self.median_s = float(np.median(latency_s))
        self._ends_s = np.concatenate(([0.0], np.cumsum(latency_s))).tolist()
        self.length_s: float = self._ends_s[-1]

    @classmethod
    def recorded(cls, name: str) -> Noise:
        return cls(np.load(DATA / f"latency_{name}.npz")["units"] * UNIT_S)

    def duration_s(self, begin_s: float, service_s: float) -> float:
        """How long work takes that begins then, and takes `service_s` by the median of the recorded calls."""
        _, begin_s = divmod(begin_s, self.length_s)
        work = self._done(begin_s) + service_s / self.median_s
        more, work = divmod(work, len(self._ends_s) - 1)
        return more * self.length_s + self._at(work) - begin_s

    def _done(self, at_s: float) -> float:
        """Calls that were done by that moment."""
        place = bisect.bisect_right(self._ends_s, at_s) - 1
        if place >= len(self._ends_s) - 1:
            return float(len(self._ends_s) - 1)
        begin_s, end_s = self._ends_s[place : place + 2]
        return place + (at_s - begin_s) / (end_s - begin_s)

    def _at(self, work: float) -> float:
        place, part = int(work), work % 1
        begin_s = self._ends_s[place]
        return begin_s + part * (self._ends_s[place + 1] - begin_s) if part else begin_s


@dataclass(frozen=True)
class Setting:
    """Cameras and a network."""

    noise: Noise
    service_s: float  # of a call, by the median
    period_s: float = 1 / 30
    deadline_s: float = 0.1

    def watched(self, streams: int, begin_s: float, seconds: float, stop: Any = None) -> list[Timeline]:
        """So many cameras one after the other."""
        due_s = [number * self.period_s for number in range(math.ceil(seconds / self.period_s - 1e-6))]
        more = {"stop": stop} if stop else {}
        queues = StreamQueues(streams, 1, "newest")
        return simulate_streams(
            due_s, lambda at_s, _: self.noise.duration_s(begin_s + at_s, self.service_s), queues, streams, **more
        )

    def share(self, streams: int) -> float:
        """The true share of misses of the camera that misses most, over the whole recording."""
        looks = Looks(streams, self.period_s, self.deadline_s, int(self.noise.length_s))
        looks.look(self.watched(streams, 0.0, self.noise.length_s), math.inf)
        return float(looks.misses.missed.max() / looks.misses.due)

    def capacity(self, faster: float = 1.0) -> int:
        setting = replace(self, service_s=self.service_s / faster)
        return next(streams for streams in itertools.count() if setting.share(streams + 1) > SHARE)

    @property
    def clear(self) -> bool:
        """Whether the capacity is the same with calls a tenth slower, and a tenth faster."""
        return self.capacity(1 / 1.1) == self.capacity(1.1)


def searched(setting: Setting, begin_s: float, blocks: int = 60) -> tuple[int, list[tuple[int, Verdict, int]]]:
    """The answer of a search that begins then, and its trials: cameras, verdict, seconds."""
    tried: list[tuple[int, Verdict, int]] = []

    def attempt(streams: int, most: int) -> Verdict:
        nonlocal begin_s
        looks = Looks(streams, setting.period_s, setting.deadline_s, most)
        cameras = setting.watched(
            streams, begin_s, most, lambda timelines, now_s: looks.look(timelines, now_s) != "not known"
        )
        verdict = looks.look(cameras, math.inf if len(cameras[0]) >= most / setting.period_s - 1 else 0.0)
        begin_s += looks.misses.blocks
        tried.append((streams, verdict, looks.misses.blocks))
        return verdict

    return most_streams(attempt, blocks), tried


def trials(name: str, cameras: float, fps: float, count: int) -> str:
    """A row: how `count` searches ended where a call takes 1 / `cameras` of the time between two frames."""
    noise = Noise.recorded(name)
    setting = Setting(noise, 1 / fps / cameras, 1 / fps)
    capacity, draw = setting.capacity(), random.Random(f"{name}{cameras}{fps}")
    found = [searched(setting, draw.uniform(0, noise.length_s)) for _ in range(count)]
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
CASES = tuple(
    (name, cameras, fps)
    for name in ("idle", "busy")
    for cameras, fps in ((1.5, 30), (4.5, 30), (4.03, 30), (3.97, 30), (10.5, 30), (9.95, 30), (4.5, 5))
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", choices=["record"])
    parser.add_argument("noise", nargs="?", choices=["idle", "busy"])
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--trials", type=int, default=100)
    asked = parser.parse_args()
    if asked.record:
        record(asked.noise or "idle", asked.seconds)
        return
    print(HEAD)
    for case in CASES:
        print(trials(*case, asked.trials), flush=True)


if __name__ == "__main__":
    main()
