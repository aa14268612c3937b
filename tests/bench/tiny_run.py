"""`python tiny_run.py FOLDER MODELS RUNS [--resume] [--retry-failed]`: a run of the tiny networks, for the tests
that kill, interrupt and race whole runs. Ends as the command line would."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
WORKER = (sys.executable, str(HERE / "tiny_worker.py"))


def config(folder, models, runs=5, timeout_s=60.0, processes=1):
    import tiny_zoo

    from co3d_bench.bench.config import make_config
    from co3d_bench.bench.names import Names

    limits = {"runs": runs, "timeout_s": timeout_s, "processes": processes, "min_s": 0.0, "budget_s": 0.0}
    table = {"plan": {"models": models}, "run": {"out": str(folder), **limits}}
    names = Names(find_model=tiny_zoo.find_model)
    return make_config(table, names), names


def main(folder, models, runs, *flags):
    from co3d_bench.bench.errors import UserError
    from co3d_bench.bench.progress import Lines
    from co3d_bench.bench.run import run

    made, names = config(folder, models.split(","), int(runs))
    try:
        run(
            made,
            names=names,
            worker=WORKER,
            progress=Lines(),
            resume="--resume" in flags,
            retry_failed="--retry-failed" in flags,
        )
    except UserError as error:
        print(f"co3d-bench: {error.message}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main(*sys.argv[1:]))
