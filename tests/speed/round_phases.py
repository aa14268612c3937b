"""Where the seconds of a round go: each case of the default bench.toml once, phase by phase.

    .venv/bin/python tests/speed/round_phases.py --backend eager --backend native --processes 1

Options are those of `co3d-bench run`. A phase lasts until the next one is reported to the parent; `start` is
until the process loads its network: the interpreter, and importing torch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.plan.config import Override
from co3d_bench.bench.plan.resolve import load_config
from co3d_bench.bench.run.progress import Silent
from co3d_bench.bench.run.run import run

MEASURING = ("warming", "sampling")


class Phases(Silent):
    """Seconds of every phase, by case."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}
        self._now: dict[str, float] = {}
        self._phase, self._since = "start", 0.0

    def _close(self, phase: str) -> None:
        now = time.perf_counter()
        self._now[self._phase] += now - self._since
        self._phase, self._since = phase, now

    def started(self, round_number, case, left, at_host):
        self._now = self.seconds.setdefault(case.key, defaultdict(float))
        self._phase, self._since = "start", time.perf_counter()

    def event(self, event):
        if event.event == "phase":
            self._close(event.phase or "?")
        elif event.event == "sampled":
            self._close("after the samples")
        elif event.event == "done":
            self._close("the record")

    def finished(self, *rest):
        self._close("between")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", action="append", default=None)
    parser.add_argument("--model", action="append", default=None)
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        given = {"run.out": Override("--out", out), "run.processes": Override("--processes", asked.processes)}
        if asked.backend:
            given["plan.backends"] = Override("--backend", asked.backend)
        if asked.model:
            given["plan.models"] = Override("--model", asked.model)
        phases = Phases()
        begin = time.perf_counter()
        with suppress(UserError):  # stopped: what there is is shown
            run(load_config(None, given), progress=phases)
        wall = time.perf_counter() - begin
    names = list(dict.fromkeys(name for each in phases.seconds.values() for name in each))
    width = max(len(name) for name in names)
    keys = [key.split("/")[0] + " " + key.split("/")[2] for key in phases.seconds]
    print(" " * width, *(f"{key:>18}" for key in keys), f"{'all':>8}")
    for name in names:
        row = [each[name] for each in phases.seconds.values()]
        print(f"{name:{width}}", *(f"{seconds:18.2f}" for seconds in row), f"{sum(row):8.2f}")
    whole = sum(sum(each.values()) for each in phases.seconds.values())
    own = whole - sum(each[name] for each in phases.seconds.values() for name in MEASURING)
    print(f"wall {wall:.1f} s, processes {whole:.1f} s, the harness's own {own:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
