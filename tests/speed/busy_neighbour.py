"""What waiting threads cost: a few engines beside one process that burns a core, and whether they are as fast idle.

    python tests/speed/busy_neighbour.py idle       # our kernels as they were and as they are, ratio new / old
    python tests/speed/busy_neighbour.py neighbour  # CoX3D-M (64): our kernels, as they were too, and OpenVINO
    python tests/speed/busy_neighbour.py order      # the six default networks, eager: the same order of latency?
    python tests/speed/busy_neighbour.py spin       # eager CoX3D-S (13) by how long OpenMP's threads spin

Every engine is a process of its own, since OpenMP reads its settings when it is loaded. They take turns, a few calls
each, and all but one sleep; so the machine's mood is in all of them. `--old` is a file or a revision of kernels.cpp.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

ROOT = Path(__file__).parents[2]
KERNELS = "bench/backends/native/kernels.cpp"
OLD = "003097e"  # the last one whose threads were OpenMP's, and spun for as long as they waited
SIX = ("x3d-xs", "x3d-s", "x3d-m", "cox3d-s-13", "cox3d-m-16", "cox3d-m-64")
SPIN = "GOMP_SPINCOUNT"
# Calls: before all turns, and at the beginning of each, where threads that slept may wake on one core and are moved
# apart within some milliseconds.
WARM_UP, UNCOUNTED = 20, 6


@dataclass(frozen=True)
class Engine:
    """What a process runs."""

    name: str
    model: str
    backend: str = "eager"
    source: str | None = None  # of the kernels, where they are not those of this checkout
    environment: Mapping[str, str | None] = field(default_factory=dict)  # None: without it


class Player:
    """An engine in its process; it sleeps until it is asked to call."""

    def __init__(self, engine: Engine, threads: int) -> None:
        from co3d_bench.bench.run.child import child_environment

        wanted = {**os.environ, **child_environment(threads), **engine.environment}
        words = [sys.executable, __file__, "play", engine.model, engine.backend, engine.source or "", str(threads)]
        self.name, self.latency_s = engine.name, list[list[float]]()
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # as measuring processes do: the kernel shares cores among sessions
            env={name: value for name, value in wanted.items() if value is not None},
        )
        self._in, self._out = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        self.play(WARM_UP)
        self.latency_s.clear()

    def play(self, calls: int) -> None:
        self._in.write(f"{calls}\n")
        self._in.flush()
        line = self._out.readline()
        if not line:
            raise SystemExit(f"{self.name}: its process ended")
        self.latency_s.append(json.loads(line))

    def close(self) -> None:
        self._in.close()
        self._process.wait()


def serve(model: str, backend: str, source: str, threads: int) -> None:
    """The process of a player: each line is how many calls to time, the answer their seconds."""
    import torch

    from co3d_bench.bench.measure.allocator import keep_freed_memory
    from co3d_bench.models.zoo import find_model

    channel = os.dup(1)
    os.dup2(2, 1)
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    spec = find_model(model)
    net = spec.build().eval()
    inputs = [torch.randn(1, *spec.input_shape) for _ in range(4)]
    with torch.inference_mode():
        runnable = prepared(net, inputs[0], backend, source, threads)
        endless = itertools.cycle(inputs)
        for line in sys.stdin:
            found = []
            for index in range(UNCOUNTED + int(line)):
                x = next(endless)
                start = time.perf_counter()
                runnable.step(x)
                if index >= UNCOUNTED:
                    found.append(time.perf_counter() - start)
            os.write(channel, (json.dumps(found) + "\n").encode())


def prepared(net: Any, example: Any, backend: str, source: str, threads: int) -> Any:
    """A network made ready, `native` with the kernels of `source` if that is given."""
    from co3d_bench.bench.backends import Ask, get_backend
    from co3d_bench.bench.backends.native import NativeRunnable
    from co3d_bench.bench.backends.native.compiled import build
    from co3d_bench.bench.backends.native.lower import lower
    from co3d_bench.bench.backends.native.memory import allocate, lay_out

    if not source:
        return get_backend(backend).prepare(net, example, Ask(threads=threads))
    lowered = lower(net, example)
    layout = lay_out(lowered)
    return NativeRunnable(lowered, layout, allocate(layout.floats), build(Path(source)), threads)


@contextlib.contextmanager
def playing(engines: Sequence[Engine], threads: int) -> Iterator[list[Player]]:
    players: list[Player] = []
    try:
        players.extend(Player(engine, threads) for engine in engines)
        yield players
    finally:
        for player in players:
            player.close()


@contextlib.contextmanager
def burner(wanted: bool = True) -> Iterator[None]:
    """One process that burns a core, wherever the kernel puts it."""
    words = [sys.executable, "-c", "while True: pass"]
    process = subprocess.Popen(words, start_new_session=True) if wanted else None
    try:
        yield
    finally:
        if process:
            process.kill()
            process.wait()


def interleaved(players: Sequence[Player], seconds: float, calls: int) -> None:
    """Turns of so many calls for about that time; who goes first changes, so that none gains from its place."""
    for player in players:
        player.latency_s.clear()
    end = time.monotonic() + seconds
    for turn in itertools.count():
        if time.monotonic() >= end:
            return
        for place in range(len(players)):
            players[(place + turn) % len(players)].play(calls)


def median(values: Sequence[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def p90(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.9 * len(values)) - 1]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the median, by ranks."""
    ordered, count = sorted(values), len(values)
    away = math.ceil(1.96 * math.sqrt(count) / 2)
    return ordered[max(0, count // 2 - away)], ordered[min(count - 1, (count - 1) // 2 + away)]


def line(player: Player) -> str:
    values = [value for turn in player.latency_s for value in turn]
    return (
        f"  {player.name:28} median {1e3 * median(values):7.2f} ms  p90 {1e3 * p90(values):7.2f} ms  "
        f"longest {1e3 * max(values):7.1f} ms  ({len(values)} calls)"
    )


def print_lines(players: Sequence[Player], what: str) -> None:
    print(f"{what}:", flush=True)
    for player in players:
        print(line(player), flush=True)


def of_old(source: str) -> dict[str, Any]:
    return {"backend": "native", "source": source, "environment": {SPIN: None, "CO3D_BENCH_CXXFLAGS": "-fopenmp"}}


def idle(options: argparse.Namespace, old: str) -> None:
    """Turn by turn the ratio of both medians."""
    for model in options.models or ("cox3d-m-64", "x3d-s", "x3d-m"):
        engines = [Engine("new", model, "native"), Engine("old", model, **of_old(old))]
        with playing(engines, options.threads) as players:
            interleaved(players, options.seconds, options.calls)
        new, before = players
        ratios = [median(a) / median(b) for a, b in zip(new.latency_s, before.latency_s, strict=True)]
        low, high = interval(ratios)
        print_lines(players, model)
        figures = f"{median(ratios):.3f}, 95 % interval {low:.3f} to {high:.3f}"
        print(f"  new / old {figures}, {len(ratios)} turns", flush=True)


def neighbour(options: argparse.Namespace, old: str) -> None:
    for model in options.models or ("cox3d-m-64",):
        engines = [
            Engine("native", model, "native"),
            Engine("openvino", model, "openvino"),
            Engine("native, old", model, **of_old(old)),
        ]
        with playing(engines, options.threads) as players:
            for burning in (False, True):
                with burner(burning):
                    interleaved(players, options.seconds, options.calls)
                print_lines(players, f"{model}, {'beside a burning process' if burning else 'idle'}")


def order(options: argparse.Namespace, old: str) -> None:
    models = options.models or SIX
    orders = []
    with playing([Engine(model, model) for model in models], options.threads) as players:
        for burning in (False, True):
            with burner(burning):
                interleaved(players, options.seconds, options.calls)
            print_lines(players, "beside a burning process" if burning else "idle")
            medians = {player.name: median([s for turn in player.latency_s for s in turn]) for player in players}
            orders.append(sorted(medians, key=medians.__getitem__))
    print("the same order" if orders[0] == orders[1] else f"another order: {orders[0]}, {orders[1]}")


def spin(options: argparse.Namespace, old: str) -> None:
    for model in options.models or ("cox3d-s-13",):
        engines = [
            Engine(f"{SPIN} {value}", model, environment={SPIN: None if value == "unset" else value})
            for value in options.spins
        ]
        with playing(engines, options.threads) as players:
            for burning in (False, True):
                with burner(burning):
                    interleaved(players, options.seconds, options.calls)
                print_lines(players, f"{model}, eager, {'beside a burning process' if burning else 'idle'}")


PARTS = {"idle": idle, "neighbour": neighbour, "order": order, "spin": spin}


def main() -> None:
    if sys.argv[1:2] == ["play"]:
        serve(*sys.argv[2:5], int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--models", nargs="+", help="other networks")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=40, help="of turns, for each line of figures")
    parser.add_argument("--calls", type=int, default=5, help="that count, of each turn")
    parser.add_argument("--spins", nargs="+", default=["unset", "1000", "3000"])
    parser.add_argument("--old", default=OLD, help="kernels.cpp as it was: a file, or a revision")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="co3d-bench-") as folder:
        file = Path(options.old)
        if not file.is_file():
            file = Path(folder) / "old.cpp"
            words = ["git", "-C", str(ROOT), "show", f"{options.old}:{KERNELS}"]
            file.write_bytes(subprocess.run(words, capture_output=True, check=True).stdout)
        PARTS[options.part](options, str(file))


if __name__ == "__main__":
    main()
