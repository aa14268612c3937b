"""Networks that are never built, and a worker that measures nothing: for tests of the parent alone, of processes,
signals and files. Without torch, so that each process is there at once.

`python quick.py` is the worker; `python quick.py FOLDER MODELS RUNS [--resume] [--retry-failed] [--processes N]` a run
of these networks, for the tests that kill, interrupt and race whole runs. That ends as the command line would.
"""

import os
import sys
import time
from pathlib import Path

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.job import Event
from co3d_bench.bench.measure.worker import serve
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.bench.run.progress import Lines
from co3d_bench.bench.run.run import run
from co3d_bench.models.spec import ModelSpec, Preprocessing

WORKER = (sys.executable, str(Path(__file__)))


def _raise():
    raise RuntimeError("the network fell over")


DEEDS = {
    "works": lambda: None,
    "works-too": lambda: None,
    "raises": _raise,
    "exits": lambda: os._exit(7),
    "pauses": lambda: time.sleep(1),
    "pauses-later": lambda: None,
    "hangs": lambda: time.sleep(600),
}


def find_model(name):
    return ModelSpec(
        name=name,
        title=name.title(),
        family="quick",
        form="clip",
        input_shape=(3, 4, 8, 8),
        classes=5,
        build=DEEDS[name],
        preprocessing=Preprocessing((0.45,) * 3, (0.225,) * 3, short_side=10, frame_interval=2),
    )


CATALOG = Catalog(find_model=find_model)


def configured(folder, models, runs=5, timeout_s=60.0, processes=1):
    limits = {"runs": runs, "timeout_s": timeout_s, "processes": processes, "energy": False}
    return make_config({"plan": {"models": models}, "run": {"out": str(folder), **limits}}, CATALOG)


def measure(folder, models, runs=5, timeout_s=60.0, processes=1, **options):
    made = configured(folder, models, runs, timeout_s, processes)
    return run(made, **{"worker": WORKER, **options})


def _work(job, emit):
    DEEDS[job.case.model]()
    if job.case.model == "pauses-later" and job.process > 1:
        time.sleep(600)
    return Event(event="done")


def main(folder, models, runs, *flags):
    options = {"resume": "--resume" in flags, "retry_failed": "--retry-failed" in flags}
    if "--processes" in flags:
        options["processes"] = int(flags[flags.index("--processes") + 1])
    try:
        measure(folder, models.split(","), int(runs), progress=Lines(), **options)
    except UserError as error:
        print(f"co3d-bench: {error.message}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if sys.argv[1:] else serve(_work))
