"""`--batch auto` with real processes."""

import io
import subprocess
import sys
from dataclasses import replace

import pytest
from tiny_run import WORKER, config

from co3d_bench.bench.record.store import read_records
from co3d_bench.bench.run.progress import Lines
from co3d_bench.bench.run.run import run
from co3d_bench.bench.stats import batch

MODELS = ["up-to-4", "dies-above-1"]


def measure(folder, models, **options):
    made = config(folder, models)
    table = made.plan.model_copy(update={"batch": ("auto",), "threads": (1,)})
    return run(replace(made, plan=table), worker=WORKER, **options)


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """A network that cannot allocate beyond batch 4, and one that ends its process beyond 1; what was said of them."""
    folder, said = tmp_path_factory.mktemp("auto"), io.StringIO()
    return folder, measure(folder, MODELS, progress=Lines(said, live=False)), said.getvalue()


def of(records, model):
    return [record for record in records if record.case.model == model]


def test_a_failed_allocation_ends_the_search_and_what_fits_is_measured(limited):
    records = of(limited[1], "up-to-4")
    found = records[0].batch_search
    assert [trial.batch for trial in found.trials] == [1, 2, 4]
    assert all(len(trial.latency_s) >= 2 and trial.peak_rss_bytes > 50 << 20 for trial in found.trials)
    assert found.stopped.startswith("8 failed (out-of-memory): RuntimeError: ")
    assert [record.case.batch for record in records] == list(batch.batches(found))
    assert records[-1].case.batch == 4
    assert "/b4/" in records[-1].key
    assert all(record.ok and record.batch_search == found for record in records)


def test_a_process_that_ends_is_a_search_that_ends_and_1_is_measured(limited):
    (record,) = of(limited[1], "dies-above-1")
    assert [trial.batch for trial in record.batch_search.trials] == [1]
    assert "2 failed (crash): the process ended with exit code 7" in record.batch_search.stopped
    assert record.case.batch == 1
    assert record.ok


def test_resume_neither_searches_nor_measures_again(limited):
    folder, records, _ = limited
    assert measure(folder, MODELS, resume=True) == records
    assert read_records(folder) == records


def test_the_terminal_shows_it(limited):
    said = limited[2]
    assert "up-to-4/cpu/eager/fp32/bauto/t1/random-0  batch auto: " in said
    assert "4 is the largest that ran" in said
    assert "8 failed (out-of-memory)" in said
    assert "tried 1: " in said
    assert "dies-above-1/cpu/eager/fp32/bauto/t1/random-0  batch auto: only 1 ran" in said


def test_beyond_the_limit_an_allocation_fails_and_nobody_is_killed():
    code = (
        "import torch\n"
        "from co3d_bench.bench.record.failure import failure_of\n"
        "from co3d_bench.bench.measure.accelerator import HostMemory\n"
        "HostMemory().limit_to(200 << 20)\n"
        "torch.ones(20 << 20, dtype=torch.uint8)\n"
        "try:\n    torch.ones(400 << 20, dtype=torch.uint8)\n"
        "except Exception as error:\n    print(failure_of(error).kind)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "out-of-memory\n"), done.stderr
