"""Networks before a film of 30 frames/s, engine by engine: misses, latency, age, reaction, cameras, as a table.

    python tests/speed/camera_table.py [--out results/camera-table] [--seconds 20] [--cameras]
        [--models x3d-s cox3d-s-13 ...] [--engines eager openvino native] [--table]

The film is made here (320 x 240, H.264, always the same) and lies beside the records. Each network is watched by the
installed `co3d-bench camera` at every frame and at the rate of its weights, about 20 s each; the figures are read by
`co3d_bench.load`. What the store has already is not watched again, so an interrupted table goes on where it stopped.
`--cameras` also searches how many cameras each keeps up with (`--streams auto`). `--table` only prints.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from co3d_bench import load
from co3d_bench.models.zoo import find_model

EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
MODELS = ("x3d-s", "x3d-m", "cox3d-s-13", "cox3d-m-64", "cox3d-l-64")
ENGINES = ("eager", "openvino", "native")
FPS, FILM_S = 30, 20
# head of the table: (column of `load`, factor to what is shown, digits)
FIGURES = {
    "missed, %": ("missed_share", 100, 2),
    "p50, ms": ("due_latency_p50_s", 1e3, 1),
    "p99, ms": ("due_latency_p99_s", 1e3, 1),
    "mean age, ms": ("mean_age_s", 1e3, 1),
    "reacts, s": ("reaction_half_s", 1, 2),
}


def make_film(file: Path) -> None:
    """A coloured pattern that moves on by two pixels each frame, with a new pattern every five seconds."""
    import av

    patterns = np.random.default_rng(0).integers(0, 256, (FILM_S // 5, 60, 80, 3), dtype=np.uint8)
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream("libx264", rate=FPS, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(FILM_S * FPS):
            pattern = patterns[number // (5 * FPS)].repeat(4, 0).repeat(4, 1)
            frame = av.VideoFrame.from_ndarray(np.roll(pattern, 2 * number, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def rows_of(store: Path) -> pandas.DataFrame:
    """The measured records of the film, the newest of each case last; empty where there is no store."""
    if not (store / "records.jsonl").exists():
        return pandas.DataFrame()
    rows = load(store)
    return rows[(rows["camera_source"] == "film.mp4") & (rows["status"] == "measured")]


def found(rows: pandas.DataFrame, model: str, engine: str, every: int, searched: bool) -> pandas.Series | None:
    """The newest record of one case, or of its search for cameras."""
    if rows.empty:
        return None
    by_search = rows.get("cameras_searched", pandas.Series(False, index=rows.index)).fillna(False).astype(bool)
    same = (rows["model"] == model) & (rows["backend"] == engine) & (rows["camera_every"] == every)
    chosen = rows[same & (by_search == searched)]
    return None if chosen.empty else chosen.iloc[-1]


def intervals(model: str) -> tuple[int, int]:
    """Every frame, and every n-th as the weights were trained."""
    preprocessing = find_model(model).preprocessing
    if preprocessing is None:
        sys.exit(f"{model} cannot read a film")
    return 1, preprocessing.frame_interval


def watch(options: argparse.Namespace, model: str, engine: str) -> None:
    """Watch what the store lacks of one network by one engine; what fails is reported, and the rest goes on."""
    for searched in (False, True) if options.cameras else (False,):
        rows = rows_of(options.out)
        lacking = [each for each in intervals(model) if found(rows, model, engine, each, searched) is None]
        if not lacking:
            continue
        command = [str(EXECUTABLE), "camera", "--model", model, "--backend", engine, "--source", "film.mp4"]
        command += ["--out", ".", "--duration", f"{options.seconds:g}s"]
        command += [word for every in lacking for word in ("--every", str(every))]
        command += ["--streams", "auto"] if searched else []
        print(" ".join(["co3d-bench", *command[1:]]), file=sys.stderr, flush=True)
        subprocess.run(command, cwd=options.out, stdout=subprocess.DEVNULL, check=False)


def lines(options: argparse.Namespace) -> Iterator[str]:
    """The table, as Markdown; a case that was not measured is empty."""
    heads = ["network", "engine", "answers due", *FIGURES, "cameras"]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    rows = rows_of(options.out)
    for model in options.models:
        for engine in options.engines:
            for every in intervals(model):
                row = found(rows, model, engine, every, searched=False)
                search = found(rows, model, engine, every, searched=True)
                which = f"{FPS}/s" if every == 1 else f"{FPS / every:g}/s (1 in {every})"
                texts = [_text(row, *figure) for figure in FIGURES.values()] + [_text(search, "cameras", 1, 0)]
                yield f"| {' | '.join([find_model(model).title, engine, which, *texts])} |"


def _text(row: pandas.Series | None, column: str, factor: float, digits: int) -> str:
    value = None if row is None else row[column]
    return "" if value is None or pandas.isna(value) else f"{float(value) * factor:.{digits}f}"


def main() -> None:
    """Watch what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/camera-table"), help="folder of film and records")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each case is watched")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--engines", nargs="+", default=ENGINES)
    parser.add_argument("--cameras", action="store_true", help="search how many cameras each keeps up with as well")
    parser.add_argument("--table", action="store_true", help="only print what the store has")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.table:
        if not (options.out / "film.mp4").exists():
            make_film(options.out / "film.mp4")
        for model in options.models:
            for engine in options.engines:
                watch(options, model, engine)
    print("\n".join(lines(options)))


if __name__ == "__main__":
    main()
