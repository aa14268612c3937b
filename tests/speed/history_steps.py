"""How often `history` reports a step that is not there, and how often it finds one that is.

    python tests/speed/history_steps.py [--trials 500]

Series of runs are drawn (scatter of 1 %: normal; with heavy tails, Student's t of 3 degrees; with one run in twenty
10 % slower) and given to `bench.trend.levels`, as they are and with a step of 3 % in the middle. Found: a border
within one run of it. No time is measured.
"""

from __future__ import annotations

import argparse

import numpy

from co3d_bench.bench.stats.trend import levels

SCATTER = 0.01
STEP = 0.03
LENGTHS = (10, 30, 200)


def _outliers(draw: numpy.random.Generator, runs: int) -> numpy.ndarray:
    return SCATTER * draw.normal(size=runs) + 0.1 * (draw.random(runs) < 0.05)


SCATTERS = {
    "normal": lambda draw, runs: SCATTER * draw.normal(size=runs),
    "heavy tails": lambda draw, runs: SCATTER * draw.standard_t(3, size=runs) / numpy.sqrt(3),
    "slow runs": _outliers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=500)
    trials = parser.parse_args().trials
    draw = numpy.random.default_rng(0)
    print("| scatter | runs | false steps | 3 % found |\n|---|---|---|---|")
    for name, scatter in SCATTERS.items():
        for runs in LENGTHS:
            false = found = 0
            for _ in range(trials):
                false += len(levels(scatter(draw, runs))) > 2
                stepped = scatter(draw, runs) + STEP * (numpy.arange(runs) >= runs // 2)
                found += any(abs(border - runs // 2) <= 1 for border in levels(stepped)[1:-1])
            print(f"| {name} | {runs} | {false / trials:.1%} | {found / trials:.0%} |")


if __name__ == "__main__":
    main()
