"""Runs of the tiny networks, with the real worker."""

import sys
from pathlib import Path

import tiny_zoo

from co3d_bench.bench.plan.catalog import Names
from co3d_bench.bench.plan.config import make_config

WORKER = (sys.executable, str(Path(__file__).with_name("tiny_worker.py")))


def config(folder, models, runs=5, timeout_s=60.0, processes=1, names=None, **plan):
    limits = {"runs": runs, "timeout_s": timeout_s, "processes": processes, "min_s": 0.0}
    table = {"plan": {"models": models, **plan}, "run": {"out": str(folder), **limits}}
    names = names or Names(find_model=tiny_zoo.find_model)
    return make_config(table, names), names
