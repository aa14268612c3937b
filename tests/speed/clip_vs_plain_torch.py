"""How much faster an X3D clip is than the same network written with torch's own 3D layers.

    python tests/speed/clip_vs_plain_torch.py [--models x3d-xs ...] [--pairs 15] [--threads 2]

Same weights, one process, interleaved, plain eager float32. The plain network is tried in both memory formats and its
quicker one is the reference. Printed: the median of the pairwise time ratios, with quartiles.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import plain_clip_network, randomise_batch_norm, relative_error
from speed.pairs import arguments, interleaved, ratio_line, timed

from co3d_bench.models.zoo import find_model

FORMATS = {"contiguous": torch.contiguous_format, "channels_last_3d": torch.channels_last_3d}


def compare(name: str, pairs: int) -> str:
    spec = find_model(name)
    torch.manual_seed(0)
    net = randomise_batch_norm(spec.build()).eval()
    plain = plain_clip_network(net.blocks).eval()
    clip = torch.randn(1, *spec.input_shape)
    error = relative_error(net(clip), plain(clip))
    clips = {label: clip.contiguous(memory_format=layout) for label, layout in FORMATS.items()}
    quickest = min(clips, key=lambda label: min(timed(lambda: plain(clips[label])) for _ in range(3)))
    ours_s, their_s = interleaved(lambda: net(clip), lambda: plain(clips[quickest]), pairs)
    return ratio_line(name, ours_s, their_s, f"plain in {quickest}; outputs differ by {error:.1e}")


def main() -> None:
    options = arguments(__doc__, ["x3d-xs", "x3d-s", "x3d-m", "x3d-l"], pairs=15)
    with torch.inference_mode():
        for name in options.models:
            print(compare(name, options.pairs), flush=True)


if __name__ == "__main__":
    main()
