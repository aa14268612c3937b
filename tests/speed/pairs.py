"""Two ways to do one thing, interleaved in one process: a ratio survives a noisy machine, two times do not."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from co3d_bench.bench.backends import Ask, Runnable
from co3d_bench.bench.backends.eager import BACKEND
from co3d_bench.models.zoo import find_model


def arguments(
    doc: str | None, models: list[str], pairs: int, *, threads: int = 2, **lists: list[str]
) -> argparse.Namespace:
    """The options of a speed script, `lists` being more of them; sets torch's threads and says what runs."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=models)
    parser.add_argument("--pairs", type=int, default=pairs)
    parser.add_argument("--threads", type=int, default=threads)
    for name, words in lists.items():
        parser.add_argument(f"--{name}", nargs="+", default=words)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads")
    return options


def prepared(model: str, threads: int) -> tuple[Runnable, list[torch.Tensor]]:
    """A network of the zoo, ready to run eagerly, and inputs for it; for processes of their own."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    spec = find_model(model)
    net = spec.build().eval()
    inputs = [torch.randn(1, *spec.input_shape) for _ in range(4)]
    with torch.inference_mode():
        return BACKEND.prepare(net, inputs[0], Ask("fp32", threads)), inputs


CALLS = 3  # that count, of each turn


def timed(call: Callable[[], object]) -> float:
    """Seconds one call takes among its own kind: the median of a few behind one that does not count, for that one finds
    the caches full of the other's data, and the other's threads still spinning."""
    call()
    found = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def interleaved(
    ours: Callable[[], object], theirs: Callable[[], object], pairs: int
) -> tuple[list[float], list[float]]:
    """Seconds of a call of each, pair by pair; who goes first flips, so that neither gains from its place."""
    ours_s, their_s = [], []
    for index in range(pairs):
        if index % 2:
            ours_s.append(timed(ours))
            their_s.append(timed(theirs))
        else:
            their_s.append(timed(theirs))
            ours_s.append(timed(ours))
    return ours_s, their_s


def ratio_line(name: str, ours_s: list[float], their_s: list[float], note: str) -> str:
    """The median ratio of the pairs with its quartiles, as a line of text."""
    ratios = [theirs / ours for ours, theirs in zip(ours_s, their_s, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return (
        f"{name:12} {middle:5.2f} x  (quartiles {low:.2f} to {high:.2f}, {len(ratios)} pairs; "
        f"ours {1e3 * statistics.median(ours_s):.1f} ms; {note})"
    )
