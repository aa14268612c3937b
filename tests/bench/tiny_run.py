"""Runs of the tiny networks, with the real worker."""

import sys
from pathlib import Path

import tiny_zoo

from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.resolve import make_config

TINY = Catalog(find_model=tiny_zoo.find_model)
WORKER = (sys.executable, str(Path(__file__).with_name("tiny_worker.py")))


def config(folder, models, runs=5, timeout_s=60.0, processes=1, catalog=TINY, **plan):
    limits = {"runs": runs, "timeout_s": timeout_s, "processes": processes, "min_s": 0.0}
    table = {"plan": {"models": models, **plan}, "run": {"out": str(folder), **limits}}
    return make_config(table, catalog)
