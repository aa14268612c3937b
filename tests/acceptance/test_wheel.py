"""What `make dist` writes is all that a user needs: the wheel alone, in an empty environment, for every Python.

Pythons are `python3.10` to `python3.13` of PATH, and those that $CO3D_PYTHONS names, separated by colons; one that is
not there is skipped. torch is gigabytes, so each Python has one in a folder of its own (`3.12`) in $CO3D_TORCH, by
default in `build/torch`: pip installs it there once, with $PIP_ARGS, and the new environments see it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from co3d_bench import __version__
from co3d_bench.cli.verbs import app

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
TORCH = Path(os.environ.get("CO3D_TORCH", ROOT / "build/torch"))
NO_SOURCE = shutil.ignore_patterns(".venv", ".git", "results", "*.egg-info", "__pycache__", "build", "dist", ".*_cache")
NETWORK = "cox3d-s-13"  # a small one that the paper has an accuracy of
pytestmark = pytest.mark.acceptance


def run(*command, cwd, timeout=600, codes=(0,)):
    """The standard output of a command that is run as a user would who has set nothing for Python."""
    words = [str(word) for word in command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(words, cwd=cwd, env=environment, timeout=timeout, capture_output=True, text=True, check=False)
    assert done.returncode in codes, f"{shlex.join(words)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def members(wheel):
    """The files in a wheel, and what each holds."""
    with zipfile.ZipFile(wheel) as file:
        return {name: hashlib.sha256(file.read(name)).hexdigest() for name in file.namelist()}


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder that `make dist` wrote, in a copy of the tree where an earlier build left a module that is gone."""
    source = tmp_path_factory.mktemp("dist") / "source"
    shutil.copytree(ROOT, source, ignore=NO_SOURCE)
    (source / "build/lib/co3d_bench").mkdir(parents=True)
    (source / "build/lib/co3d_bench/gone.py").write_text("raise SystemExit('left over from an earlier build')\n")
    run("make", "-s", "-o", ".venv/.installed-test", "dist", f"BIN={Path(sys.executable).parent}", cwd=source)
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(dist):
    (found,) = dist.glob("*.whl")
    assert found.name == f"co3d_bench-{__version__}-py3-none-any.whl"
    return found


def test_the_wheel_that_comes_from_the_sdist_is_that_of_the_tree(wheel, tmp_path):
    shutil.copytree(ROOT, tmp_path / "source", ignore=NO_SOURCE)
    run(sys.executable, "-m", "build", "--quiet", "--wheel", "--outdir", tmp_path, ".", cwd=tmp_path / "source")
    (of_tree,) = tmp_path.glob("*.whl")
    assert members(wheel) == members(of_tree)
    assert "co3d_bench/gone.py" not in members(wheel)


@pytest.fixture(scope="module", params=PYTHONS)
def bare(request, wheel, tmp_path_factory):
    """The Python of a new environment that has torch, and co3d-bench without anything that it depends on."""
    python, folder = interpreter(request.param), tmp_path_factory.mktemp("environment")
    run(python, "-m", "venv", folder / "venv", cwd=folder)
    python = folder / "venv/bin/python"
    torch = TORCH / request.param
    if not torch.is_dir():
        with_constraints = ("--constraint", ROOT / "constraints.txt", *shlex.split(os.environ.get("PIP_ARGS", "")))
        half = torch.with_name(f".{torch.name}.part")
        shutil.rmtree(half, ignore_errors=True)
        run(python, *PIP, "--target", half, *with_constraints, "torch", cwd=folder, timeout=3600)
        half.rename(torch)
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    (packages / "torch.pth").write_text(f"{torch.resolve()}\n")
    run(python, *PIP, "--no-deps", wheel, cwd=folder)
    return python


PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")


def interpreter(version):
    """The Python of that version; the test is skipped where there is none."""
    named = filter(None, os.environ.get("CO3D_PYTHONS", "").split(os.pathsep))
    for name in (*named, f"python{version}"):
        if path := shutil.which(name):
            code = "import sys; print('%d.%d' % sys.version_info[:2])"
            asked = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
            if asked.stdout.strip() == version:  # a shim of a version manager may be there and fail
                return path
    pytest.skip(f"no Python {version} on PATH or in $CO3D_PYTHONS")


def test_the_networks_need_torch_alone(bare, tmp_path):
    assert "proven" in run(bare, ROOT / "tests/models/torch_alone.py", cwd=tmp_path)


@pytest.fixture(scope="module")
def installed(bare, wheel):
    """The executable of the same environment, with all that it depends on."""
    run(bare, *PIP, "--constraint", ROOT / "constraints.txt", wheel, cwd=bare.parent)
    run(bare, "-m", "pip", "check", cwd=bare.parent)
    return bare.with_name("co3d-bench")


def test_every_verb_is_there_and_knows_its_help(installed, tmp_path):
    assert run(installed, "--version", cwd=tmp_path) == f"co3d-bench {__version__}\n"
    assert run(installed.with_name("python"), "-m", "co3d_bench", "--version", cwd=tmp_path).split()[1] == __version__
    for verb in app.commands:
        assert "Usage: co3d-bench" in run(installed, verb, "--help", cwd=tmp_path)


def test_what_the_package_holds_is_found(installed, tmp_path):
    assert "cox3d-m-64" in run(installed, "list", "models", cwd=tmp_path)
    assert "xavier" in run(installed, "list", "devices", cwd=tmp_path)  # profiles
    assert "native" in run(installed, "list", "backends", cwd=tmp_path)
    assert "x3d-m/cpu/eager" in run(installed, "plan", cwd=tmp_path)  # the built-in bench.toml
    assert "coslow-r50-8/cpu/eager" in run(installed, "plan", "--suite", "board", "--device", "auto", cwd=tmp_path)
    assert "71.03" in run(installed, "paper", "--format", "csv", cwd=tmp_path)  # the paper's tables
    assert "properties" in json.loads(run(installed, "schema", cwd=tmp_path))
    assert "torch" in run(installed, "doctor", cwd=tmp_path, codes=(0, 1))  # 1: this machine is busy
    assert "receptive field" in run(installed, "show", "cox3d-m-64", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_network_is_measured_shown_and_written(installed, tmp_path):
    short = ("--processes", "1", "--runs", "15", "--out", "results")
    engines = ("--backend", "eager", "--backend", "native")
    run(installed, "run", "--model", NETWORK, *engines, *short, "--bundle", "board.zip", cwd=tmp_path)
    lines = (tmp_path / "results/records.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert sorted(record["case"]["backend"] for record in records) == ["eager", "native"]
    assert [record["error"] for record in records] == [None, None]
    assert {record["environment"]["versions"]["co3d_bench"] for record in records} == {__version__}
    assert "CoX3D-S" in (tmp_path / "results/report.html").read_text()
    for form in ("md", "csv", "latex", "png", "svg", "pdf", "pyperf"):
        run(installed, "report", "--format", form, "-o", f"table.{form}", cwd=tmp_path)
        assert (tmp_path / f"table.{form}").stat().st_size
    assert "native" in run(installed, "show", NETWORK, "results", cwd=tmp_path)
    assert "2 records of 2 cases" in run(installed, "bundle", "--check", "board.zip", cwd=tmp_path)
    run(installed, "export", "demo-cox3d-16", "--weights", "auto", "--format", "c", "-o", "net", cwd=tmp_path)
    run("make", "-s", "-C", "net", "check", cwd=tmp_path)
