"""Where a depthwise step should convolve its frames side by side, and where one by one.

    python tests/speed/depthwise_steps.py [--pairs 60] [--threads 2]

For maps of X3D's sizes, coldly read: the ratio of the time of three convolutions to the time of one over three
frames side by side. `SIDE_BY_SIDE_ELEMENTS` in models/continual/quick.py lies where it falls below 1.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from speed.pairs import arguments, interleaved, ratio_line

from co3d_bench.models import continual as co
from co3d_bench.models.continual import quick

MAPS = ((432, 5), (432, 7), (216, 10), (216, 14), (108, 20), (432, 10), (108, 28), (54, 40), (216, 20), (54, 56))
CACHE_BYTES = 40_000_000  # as much as is gone through between two uses of a map


def compare(channels: int, size: int, pairs: int) -> str:
    layer = co.tune(co.Conv3d(channels, channels, 3, padding=1, groups=channels, bias=False).eval())
    count = max(3, CACHE_BYTES // (4 * channels * size * size))
    frames = [torch.randn(1, channels, size, size).contiguous(memory_format=torch.channels_last) for _ in range(count)]
    endless = itertools.cycle(frames)

    def step_with(limit: int):
        def step() -> None:
            quick.SIDE_BY_SIDE_ELEMENTS = limit
            layer.step(next(endless), (next(endless), next(endless)))

        return step

    side_s, one_by_one_s = interleaved(step_with(sys.maxsize), step_with(0), pairs)
    return ratio_line(f"{channels}@{size}", side_s[8:], one_by_one_s[8:], f"{channels * size * size} elements a map")


def main() -> None:
    options = arguments(__doc__, [], pairs=60)
    with torch.inference_mode():
        for channels, size in MAPS:
            print(compare(channels, size, options.pairs), flush=True)


if __name__ == "__main__":
    main()
