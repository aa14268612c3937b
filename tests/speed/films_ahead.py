"""Decoding ahead of the network: how many films a second alone, and together.

    python tests/speed/films_ahead.py FOLDER [--model x3d-xs] [--films 40]

FOLDER holds class folders of films. `decode` is what the decoding processes give without a network, `network` what it
answers when its frames lie in memory, `together` what an evaluation does. With the same cores for both, none can be
faster than 1 / (1 / decode + 1 / network): the last line says how much of that is reached.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from co3d_bench.bench.record.openmp import wait_settings

os.environ.update(wait_settings(os.environ))  # as the process of an evaluation has it, before torch is loaded

import numpy as np
import torch

from co3d_bench.bench.evaluate.data import read_data
from co3d_bench.bench.evaluate.films import Shown, each_shown, sampling_of
from co3d_bench.models.spec import is_frame_network
from co3d_bench.models.zoo import find_model


def answer(net, frames: np.ndarray) -> None:
    """One film, eager and in float32."""
    given = torch.from_numpy(frames)
    if is_frame_network(net):
        state = net.initial_state(1)
        for frame in given:
            _, state = net.step(frame[None], state)
    else:
        net(given.transpose(0, 1)[None].contiguous())


def films_per_s(shown, films: int, net=None) -> float:
    """Once the first film is there: processes that start are no part of it."""
    next(shown)
    begin, count = time.perf_counter(), 0
    for film in shown:
        if net is not None and isinstance(film, Shown):
            answer(net, film.frames)
        count += 1
    assert count == films - 1
    return count / (time.perf_counter() - begin)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="x3d-xs")
    parser.add_argument("--films", type=int, default=40)
    given = parser.parse_args()
    spec = find_model(given.model)
    net = spec.build().eval()
    files = [film.file for film in read_data(given.folder, limit=given.films).films]
    sampling = sampling_of(spec, getattr(net, "receptive_field", None), None)
    cores = len(os.sched_getaffinity(0))
    decode = films_per_s(each_shown(files, sampling, cores), len(files))
    kept = [film for film in each_shown(files[:5], sampling, cores) if isinstance(film, Shown)]
    network = films_per_s((kept[number % len(kept)] for number in range(len(files))), len(files), net)
    together = films_per_s(each_shown(files, sampling, cores), len(files), net)
    possible = 1 / (1 / decode + 1 / network)
    for name, rate in (("decode", decode), ("network", network), ("together", together), ("possible", possible)):
        print(f"{name:<9} {rate:8.2f} films/s")
    print(f"{together / possible:.0%} of what is possible on {cores} cores")


if __name__ == "__main__":
    main()
