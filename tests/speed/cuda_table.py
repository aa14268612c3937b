"""Six networks on a CUDA card by every engine and precision that torch alone gives: the table that docs wait for.

    python tests/speed/cuda_table.py --wheels cuda-wheels                    # here: what a bare machine lacks
    python -m pip install --no-index --no-deps cuda-wheels/*.whl             # there, beside Python 3.12 and torch 2.11
    python -m pip install --no-index --no-deps --no-build-isolation .
    python tests/speed/cuda_table.py [--out results/cuda-table] [--minutes 28] [--models cox3d-m-64 ...]
    python tests/speed/cuda_table.py --table                                 # only print what is there

Steps, in this order: each network at batch 1 by eager, fused and cudagraph in fp32, tf32, bf16 and fp16; two networks
by compile; the step of the authors' own library beside ours; energy by NVML; batches that `--batch auto` finds. Each
step has a store of its own in `--out`, and what a store has is not measured again: call it as often as there is time.
`--minutes` ends it as Ctrl-C does. It runs from Python, so neither page nor charts are needed there: copy `--out` back
and `co3d-bench report` draws them. `--device cpu` is a rehearsal where there is no card.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

MODELS = ("x3d-xs", "x3d-s", "x3d-m", "cox3d-s-13", "cox3d-m-16", "cox3d-m-64")
COMPILED = ("x3d-m", "cox3d-m-64")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
AUTHORS = "authors.txt"
# What a machine with Python and torch lacks; torch brings numpy where it can.
PACKAGES = (
    "pydantic", "pydantic-core", "annotated-types", "typing-inspection", "typing-extensions", "psutil", "nvidia-ml-py",
    "ptflops", "numpy", "continual-inference", "setuptools", "pytest", "pluggy", "iniconfig", "packaging", "pygments",
    "hypothesis", "sortedcontainers",
)  # fmt: skip
MOST_BYTES = 64 << 20
# head of the table -> (metric, factor to what is shown, digits)
FIGURES = {
    "latency, ms": ("latency_s", 1e3, 2),
    "on the device, ms": ("device_s", 1e3, 2),
    "predictions/s": ("throughput_per_s", 1, 0),
    "memory, MB": ("cuda_allocated_bytes", 1e-6, 0),
    "energy, mJ": ("energy_j", 1e3, 1),
}


class Step(NamedTuple):
    """One run of the table, in a store of its own."""

    name: str
    models: Sequence[str]
    engines: Sequence[str]
    precisions: Sequence[str]
    batch: Sequence[int | str] = (1,)
    energy: bool = False


def steps(options: argparse.Namespace) -> Iterator[Step]:
    """The runs in their order, what matters most first. The CPU has neither CUDA graphs nor tf32."""
    on_gpu = options.device == "cuda"
    engines = ("eager", "fused", "cudagraph") if on_gpu else ("eager", "fused")
    precisions = PRECISIONS if on_gpu else ("fp32",)
    compiled = tuple(name for name in COMPILED if name in options.models)
    yield Step("batch-1", options.models, engines, precisions)
    yield Step("compile", compiled, ("compile",), precisions)
    yield Step("energy", options.models, (engines[0], engines[-1]), (precisions[0], precisions[-1]), energy=True)
    for precision in precisions:
        yield Step(f"batch-auto-{precision}", options.models, engines, (precision,), batch=("auto",))


def measure(step: Step, options: argparse.Namespace) -> None:
    """What the store of a step lacks. Raises Interrupted."""
    from co3d_bench.bench.plan.resolve import make_config
    from co3d_bench.bench.run.progress import Lines
    from co3d_bench.bench.run.run import run

    if not step.models:
        return
    out = options.out / step.name
    config = make_config(
        {
            "run": {"out": str(out), "processes": 1, "energy": step.energy},
            "plan": {
                "models": list(step.models),
                "devices": ["auto" if options.device == "cuda" else "cpu"],
                "backends": list(step.engines),
                "precisions": list(step.precisions),
                "batch": list(step.batch),
            },
        }
    )
    print(f"{step.name}:", file=sys.stderr, flush=True)
    run(config, resume=(out / "records.jsonl").exists(), progress=Lines(sys.stderr))


def beside_the_authors(options: argparse.Namespace) -> None:
    """The step of the authors' library beside ours, interleaved in one process."""
    file = options.out / AUTHORS
    names = [name for name in options.models if name.startswith("co")]
    if file.exists() or not names:
        return
    script = Path(__file__).with_name("step_vs_continual_inference.py")
    command = [sys.executable, str(script), "--device", options.device, "--models", *names]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        file.write_text(done.stdout)


def table(options: argparse.Namespace) -> Iterator[str]:
    """What the stores have, as Markdown: a row for each case, then what the authors' script printed."""
    from co3d_bench.bench.record.store import read_records
    from co3d_bench.bench.stats.metrics import get_metric

    heads = ["network", "engine", "precision", "batch", *FIGURES, "error against fp32"]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for step in steps(options):
        if not (options.out / step.name / "records.jsonl").exists():
            continue
        newest = {record.case: record for record in read_records(options.out / step.name)}
        for case, record in newest.items():
            found = record.verification
            values = [(get_metric(name).value(record), factor, digits) for name, factor, digits in FIGURES.values()]
            figures = ["" if value is None else f"{value * factor:.{digits}f}" for value, factor, digits in values]
            error = f"{found.relative_error:.0e}" if found else ""
            if record.error:
                error = f"failed: {record.error.kind}"
            words = [case.model, case.backend, case.precision, str(case.batch), *figures, error]
            yield f"| {' | '.join(words)} |"
    if (file := options.out / AUTHORS).exists():
        yield f"\n{file.read_text().strip()}"


def missing(device: str) -> str | None:
    """Why nothing can be measured here, in a line."""
    try:
        import torch

        from co3d_bench import __version__
    except ImportError as error:
        return f"{error.name} is missing: unpack the wheels (--wheels) beside torch, then install this checkout"
    if device == "cuda" and not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        return (
            f"torch {torch.__version__} ({built}) sees no CUDA device, so co3d-bench {__version__} has "
            "nothing to measure; --device cpu is a rehearsal"
        )
    return None


def collect(folder: Path, python: str) -> str:
    """Download the wheels for a bare x86-64 machine; says how large they are. Exits where pip fails."""
    platforms = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
    words = [word for name in platforms for word in ("--platform", name)]
    constraints = Path(__file__).parents[2] / "constraints.txt"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", *words]
    command += ["--python-version", python, "--constraint", str(constraints), "--dest", str(folder), *PACKAGES]
    if subprocess.run(command, check=False).returncode:
        sys.exit("pip could not download the wheels")
    size = sum(file.stat().st_size for file in folder.glob("*.whl"))
    fits = "fits" if size <= MOST_BYTES else "does NOT fit"
    return f"{folder}: {len(list(folder.glob('*.whl')))} wheels, {size / 2**20:.1f} MiB, which {fits} into 64 MiB"


def go(options: argparse.Namespace) -> bool:
    """Measure step by step; returns whether the time ended it before all was there."""
    from co3d_bench.bench.errors import UserError
    from co3d_bench.bench.run.stop import Interrupted

    end = threading.Timer(60 * options.minutes, os.kill, (os.getpid(), signal.SIGINT))
    end.daemon = True
    end.start()
    try:
        for step in steps(options):
            measure(step, options)
            if step.name == "compile":
                beside_the_authors(options)
    except (Interrupted, KeyboardInterrupt):
        return True
    except UserError as error:
        sys.exit(error.message)
    finally:
        end.cancel()
    return False


def main() -> None:
    """Measure what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/cuda-table"), help="folder of the stores")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--minutes", type=float, default=28.0, help="stop after so long, and keep what there is")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--table", action="store_true", help="only print what the stores have")
    parser.add_argument("--wheels", type=Path, help="only download the wheels that a bare machine lacks into a folder")
    parser.add_argument("--python", default="3.12", help="of that machine, for --wheels")
    options = parser.parse_args()
    if options.wheels:
        print(collect(options.wheels, options.python))
        return
    if not options.table and (why := missing(options.device)):
        sys.exit(why)
    options.out.mkdir(parents=True, exist_ok=True)
    ended = not options.table and go(options)
    print("\n".join(table(options)))
    if ended:
        sys.exit("the time is over; the same command goes on where it stopped")


if __name__ == "__main__":
    main()
