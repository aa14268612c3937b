"""What a longer pool, another frame rate and dropped frames do to an accuracy whose truth is known.

    python tests/speed/moving_accuracy.py [--films 100] [--seed 0]

Films of a bright square, whose class is how it moves: `tests/bench/evaluate/moving.py` has them and the networks, which
follow it. They are made here, shown as `co3d-bench evaluate` shows films, and each top-1 stands with its 95 % interval
(Wilson). In each part one thing changes: 8 frames at 15 a second, none dropped, is the same row in all three.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from co3d_bench.bench.evaluate.data import Data, read_data
from co3d_bench.bench.evaluate.drops import drops_of
from co3d_bench.bench.evaluate.films import Shown, sampling_of, show
from co3d_bench.bench.record.case import Drop
from co3d_bench.bench.stats.scores import wilson

sys.path.insert(0, str(Path(__file__).parents[1] / "bench" / "evaluate"))
import moving


@dataclass(frozen=True)
class Way:
    """How films are shown: frames that are pooled, frames a second, share of them that is dropped."""

    pool: int = 8
    fps: float = 15.0
    drop: float = 0.0


PARTS = {
    "longer pool": [Way(pool=pool) for pool in (4, 8, 16, 24)],
    "frame rate": [Way(fps=fps) for fps in (5.0, 7.5, 15.0, 30.0)],
    "dropped frames": [Way(drop=drop) for drop in (0.0, 0.1, 0.3, 0.5)],
}


class Frames(moving.Frames):
    """Over as many frames as are asked for."""

    def __init__(self, pool: int) -> None:
        super().__init__()
        self.receptive_field = pool

    def initial_state(self, batch_size: int = 1, fill: str = "zeros", frame=None):
        return (torch.zeros(batch_size, self.receptive_field - 1, 2),)


@dataclass(frozen=True)
class Films:
    """The films of a run, and what draws their drops."""

    data: Data
    seed: int

    @cached_property
    def names(self) -> dict[Path, str]:
        return {film.file: film.name for film in self.data.films}

    def shown(self, form: str, way: Way) -> Iterator[tuple[str, torch.Tensor]]:
        """(label, frames of each film)"""
        drop = Drop(share=way.drop, seed=self.seed) if way.drop else None
        spec = moving.SPECS["clip" if form == "clip" else "frames"]
        if form == "clip":
            spec = replace(spec, input_shape=(3, way.pool, moving.SIDE, moving.SIDE))
        sampling = sampling_of(spec, way.pool, way.fps, drops_of(drop, self.names, None))
        for film in self.data.films:
            found = show(film.file, sampling)
            assert isinstance(found, Shown)
            yield film.labels[0], torch.from_numpy(np.ascontiguousarray(found.frames))


@torch.inference_mode()
def accuracy(films: Films, form: str, way: Way) -> str:
    """`85.0 (80.5 to 88.6)`: a film of which no frame arrives is wrong."""
    net = (moving.Clip() if form == "clip" else Frames(way.pool)).eval()
    hits = 0
    for label, frames in films.shown(form, way):
        if not len(frames):
            continue
        if form == "clip":
            scores = net(frames.transpose(0, 1)[None])
        else:
            state = net.initial_state(1)
            for frame in frames:
                scores, state = net.step(frame[None], state)
        hits += moving.CLASSES[int(scores[0].argmax())] == label
    share = wilson(hits, len(films.data.films))
    return f"{100 * share.value:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=100, help="of each of the five classes")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        made = moving.make_films(Path(folder) / "films", each=given.films, seed=given.seed, lengths=(40, 80))
        films = Films(read_data(made), given.seed)
        print(f"top-1 over {len(films.data.films)} films, %\n")
        print("| | pool, frames | frames/s | dropped | clip network | frame network |\n|---|---:|---:|---:|---:|---:|")
        for part, ways in PARTS.items():
            for way in ways:
                both = " | ".join(accuracy(films, form, way) for form in ("clip", "frame"))
                print(f"| {part} | {way.pool} | {way.fps:g} | {way.drop:.0%} | {both} |", flush=True)


if __name__ == "__main__":
    main()
