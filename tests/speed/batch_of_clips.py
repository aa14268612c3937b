"""A batch of clips in one call against the same clips one by one.

    python tests/speed/batch_of_clips.py [--models x3d-s x3d-m r2plus1d-18-8 i3d-r50] [--batches 2 8] [--pairs 5]

Below 1, a batch costs more than it saves.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from speed.pairs import arguments, interleaved, ratio_line

from co3d_bench.bench.measure.allocator import keep_freed_memory
from co3d_bench.models.zoo import find_model


def compare(model: str, batch: int, pairs: int) -> str:
    spec = find_model(model)
    net = spec.build().eval()
    clips = torch.randn(batch, *spec.input_shape)

    def together() -> torch.Tensor:
        return net(clips)

    def one_by_one() -> torch.Tensor:
        return torch.cat([net(clip) for clip in clips.split(1)])

    apart = float((together() - one_by_one()).abs().max())
    scale = float(one_by_one().abs().max())
    if apart > 1e-4 * scale:
        raise SystemExit(f"{model}: a batch of {batch} answers otherwise, by {apart / scale:.1e}")
    together_s, one_by_one_s = interleaved(together, one_by_one, pairs)
    return ratio_line(f"{model} b{batch}", together_s, one_by_one_s, f"{apart / scale:.0e} apart")


def main() -> None:
    keep_freed_memory()
    options = arguments(__doc__, ["x3d-s", "x3d-m", "r2plus1d-18-8", "i3d-r50"], pairs=5, batches=["2", "8"])
    with torch.inference_mode():
        for model in options.models:
            for batch in map(int, options.batches):
                print(compare(model, batch, options.pairs), flush=True)


if __name__ == "__main__":
    main()
