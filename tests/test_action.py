"""The gate in CI, end to end: the action's own script and `make check`: exit codes, and what a server reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from co3d_bench import __version__
from co3d_bench.bench.errors import FAILED, INCOMPARABLE, NO_BASELINE, OK, USAGE
from co3d_bench.bench.record.store import append_record

from .factories import make_failed_record, make_record, make_samples

ROOT = Path(__file__).parents[1]
ACTION = (ROOT / "action.yml").read_text()


def put(folder, slowdown=1.0, **changes):
    """Seven fresh processes of one case."""
    for n in range(7):
        samples = make_samples(0.1 * slowdown * (1 + 0.001 * n), seed=f"{slowdown}-{n}", disturbed_share=0.0)
        append_record(folder, make_record("x3d-s", process=n + 1, samples=samples, **changes))
    return folder


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Equal, slower, and of another machine, each beside the same base."""
    top = tmp_path_factory.mktemp("stores")
    put(top / "base")
    put(top / "equal", 1.001)
    put(top / "slower", 1.2)
    put(top / "broken")
    append_record(top / "broken", make_failed_record("x3d-s", process=8, run_id="run-2"))
    environment = make_record("x3d-s").environment
    machine = environment.machine.model_copy(update={"cpu_model": "another"})
    put(top / "elsewhere", environment=environment.model_copy(update={"machine": machine}))
    return top


def run_action(tmp_path, **inputs):
    """As GitHub runs a composite step: the line of action.yml in bash, inputs in the environment, files to write to."""
    (line,) = re.findall(r"^      run: '(.*)'$", ACTION, flags=re.MULTILINE)
    names = dict(re.findall(r"^        (CO3D_BENCH_\w+): \$\{\{ inputs\.([\w-]+) \}\}$", ACTION, flags=re.MULTILINE))
    assert set(inputs) <= {name.replace("-", "_") for name in names.values()}
    environment = {name: inputs.get(given.replace("-", "_"), "") for name, given in names.items()}
    environment["CO3D_BENCH_PYTHON"] = inputs.get("python", sys.executable)
    files = {"GITHUB_OUTPUT": tmp_path / "output", "GITHUB_STEP_SUMMARY": tmp_path / "summary.md"}
    environment |= {name: str(file) for name, file in files.items()}
    environment |= {"GITHUB_ACTIONS": "true", "GITHUB_ACTION_PATH": str(ROOT)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", line]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    written = {name: file.read_text() if file.exists() else "" for name, file in files.items()}
    return done, written


@pytest.mark.parametrize(
    ("head", "code", "annotation", "summary"),
    [
        ("equal", OK, "", "equivalent"),
        ("slower", FAILED, "::error title=", "regressed"),
        ("broken", FAILED, "::error title=", "failed"),
        ("elsewhere", INCOMPARABLE, "::warning title=", "not comparable"),
    ],
)
def test_the_action_ends_with_the_answer(tmp_path, stores, head, code, annotation, summary):
    done, written = run_action(
        tmp_path, baseline=str(stores / "base"), arguments=str(stores / head), junit="check.xml", markdown="check.md"
    )
    assert done.returncode == code, done.stderr
    assert written["GITHUB_OUTPUT"] == f"exit-code={code}\n"
    assert annotation in done.stdout
    assert summary in written["GITHUB_STEP_SUMMARY"].lower()
    assert summary in (tmp_path / "check.md").read_text().lower()
    assert "<testsuite" in (tmp_path / "check.xml").read_text()


def test_a_missing_baseline_is_no_pass(tmp_path, stores):
    done, written = run_action(tmp_path, baseline=str(tmp_path / "none"), arguments=str(stores / "equal"))
    assert done.returncode == NO_BASELINE
    assert written["GITHUB_OUTPUT"] == f"exit-code={NO_BASELINE}\n"
    assert "no baseline at" in done.stderr


def test_wrong_inputs_are_reported_and_nothing_of_them_is_run(tmp_path, stores):
    done, _ = run_action(tmp_path, baseline=str(stores / "base"), max_slowdown="$(touch made); `touch made`")
    assert done.returncode == USAGE
    assert not (tmp_path / "made").exists()
    done, _ = run_action(tmp_path)
    assert done.returncode == USAGE
    assert "either --baseline STORE or --pair BASE HEAD" in done.stderr


def test_it_says_where_the_interpreter_has_another_version(tmp_path, stores):
    done, _ = run_action(tmp_path, baseline=str(stores / "base"), arguments=str(stores / "equal"))
    assert "the action itself" not in done.stderr
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nif [ "$3" = --version ]; then echo co3d-bench 0.9.0; else exec {sys.executable} "$@"; fi\n'
    )
    python.chmod(0o755)
    done, _ = run_action(tmp_path, baseline=str(stores / "base"), arguments=str(stores / "equal"), python=str(python))
    assert done.returncode == OK, done.stderr
    assert f"{python} has co3d-bench 0.9.0, which checks; the action itself is co3d-bench {__version__}" in done.stderr


def test_what_the_user_allows_passes(tmp_path, stores):
    done, _ = run_action(tmp_path, baseline=str(stores / "base"), arguments=str(stores / "slower"), max_slowdown="50%")
    assert done.returncode == OK


@pytest.mark.parametrize(("head", "passes"), [("equal", True), ("slower", False)])
def test_make_does_not_swallow_the_answer(stores, head, passes):
    command = ["make", "-s", "-o", ".venv/.installed", "check", f"BIN={Path(sys.executable).parent}"]
    arguments = f"ARGS=--baseline {stores / 'base'} {stores / head}"
    done = subprocess.run([*command, arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is passes, done.stderr
    assert ("Error 1" in done.stderr) is not passes
