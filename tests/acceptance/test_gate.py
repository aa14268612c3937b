"""The gate as its users have it: the installed executable, fresh repositories, the default store.

Every head here is equal to its base or twice as slow, by a clock that both wait for: so a verdict says whose code was
measured, whatever else this machine is doing. `make acceptance` runs them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from co3d_bench.bench.errors import FAILED, OK, WRONG_CODE

ROOT = Path(__file__).parents[2]
EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
TIMEOUT_S = 180
pytestmark = pytest.mark.acceptance

NETWORK = """
import time

import torch


class Net(torch.nn.Module):
    input_shape = (3, 2, 4, 4)
    seconds = 0.002

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(96, 2)

    def forward(self, clip):
        until = time.perf_counter() + self.seconds
        scores = self.line(clip.flatten(1))
        while time.perf_counter() < until:
            pass
        return scores
"""
SLOWER = NETWORK.replace("0.002", "0.004")
PACKAGED = "from package import Net\n"


def git(folder, *arguments):
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout


def commit(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "a change")


def gate(folder, *arguments, **variables):
    """A check of the newest commit there against the one before."""
    command = [EXECUTABLE, "check", "--pair", "HEAD~1", "HEAD", "--threads", "1", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


def nothing_stays_behind(folder):
    return git(folder, "status", "--porcelain") == "" and len(git(folder, "worktree", "list").splitlines()) == 1


@pytest.fixture
def clone(tmp_path):
    """co3d-bench itself, with a small network in a file of its own."""
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    commit(folder, {"net.py": NETWORK})
    return folder


@pytest.fixture
def repository(tmp_path):
    """One of a user's own."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


PLACES = pytest.mark.parametrize("place", [".", "docs"], ids=["top", "subfolder"])


@PLACES
def test_a_head_that_cannot_start_does_not_pass(clone, place):
    worker = next(file for file in clone.rglob("worker.py") if "def measure_case" in file.read_text())
    commit(clone, {str(worker.relative_to(clone)): 'raise SystemExit("the head is broken")\n'})
    done = gate(clone / place, "--model", os.path.relpath(clone / "net.py", clone / place) + ":Net")
    assert done.returncode == FAILED, done.stderr
    assert "the head is broken" in " ".join(done.stdout.split())
    assert nothing_stays_behind(clone)


@PLACES
def test_a_head_that_does_twice_the_work_fails(clone, place):
    commit(clone, {"net.py": SLOWER})
    done = gate(clone / place, "--model", os.path.relpath(clone / "net.py", clone / place) + ":Net")
    assert done.returncode == FAILED, done.stderr
    assert "Regressed: net.py:Net" in done.stdout
    assert "pair 3: head 2.0" in done.stderr or "pair 3: head 1.9" in done.stderr
    assert nothing_stays_behind(clone)


@pytest.mark.parametrize(("head", "code"), [(NETWORK, OK), (SLOWER, FAILED)], ids=["equal", "slower"])
def test_a_network_of_ones_own(repository, head, code):
    commit(repository, {"net.py": NETWORK})
    commit(repository, {"net.py": head})
    done = gate(repository, "--model", "net.py:Net")
    assert done.returncode == code, done.stderr
    assert ("No regression: 1 equivalent" in done.stdout) is (code == OK)
    assert nothing_stays_behind(repository)


@pytest.mark.parametrize("how", ["path", "editable"])
def test_a_package_that_is_installed_from_the_repository_does_not_win(repository, tmp_path, how):
    commit(repository, {"net.py": PACKAGED, "src/package/__init__.py": NETWORK})
    commit(repository, {"src/package/__init__.py": SLOWER})
    done = gate(repository, "--model", "net.py:Net", PYTHONPATH=installed(repository / "src", tmp_path, how))
    assert done.returncode == FAILED, done.stderr


def test_a_side_that_loads_the_installed_package_after_all_is_refused(repository, tmp_path):
    """It lies where no checkout puts it on the path."""
    commit(repository, {"net.py": PACKAGED, "lib/package/__init__.py": NETWORK})
    commit(repository, {"lib/package/__init__.py": SLOWER})
    done = gate(repository, "--model", "net.py:Net", PYTHONPATH=installed(repository / "lib", tmp_path, "editable"))
    assert done.returncode == WRONG_CODE, done.stderr
    assert "base or head did not load its own code" in done.stderr
    assert str(repository / "lib" / "package" / "__init__.py") in done.stderr
    assert str(repository / "results" / "gate" / "code") in done.stderr
    assert nothing_stays_behind(repository)


def installed(folder, tmp_path, how):
    """What PYTHONPATH has to be for a package of that folder to be there: the folder itself, or one whose code puts it
    at the end of Python's path, as the .pth of an editable install does."""
    if how == "path":
        return str(folder)
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(f"import sys\nsys.path.append({str(folder)!r})\n")
    return str(site)


def test_the_action_says_the_same(repository, tmp_path):
    commit(repository, {"net.py": NETWORK})
    commit(repository, {"net.py": SLOWER})
    variables = {
        "CO3D_BENCH_PYTHON": sys.executable,
        "CO3D_BENCH_PAIR_BASE": "HEAD~1",
        "CO3D_BENCH_ARGUMENTS": "--model\nnet.py:Net\n--threads\n1",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    done = subprocess.run(
        [ROOT / ".ci" / "check"],
        cwd=repository,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == FAILED, done.stderr
    assert (tmp_path / "output").read_text() == f"exit-code={FAILED}\n"


def test_a_check_that_was_killed_goes_on_with_its_pairs(repository):
    commit(repository, {"net.py": NETWORK})
    commit(repository, {"net.py": NETWORK + "\n"})
    command = [EXECUTABLE, "check", "--pair", "HEAD~1", "HEAD", "--threads", "1", "--model", "net.py:Net"]
    with subprocess.Popen(command, cwd=repository, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as one:
        for line in one.stderr:
            if "pair 1:" in line:
                break
        time.sleep(2)  # amid the next pair
        one.send_signal(signal.SIGKILL)
    done = gate(repository, "--model", "net.py:Net", "--resume")
    assert done.returncode == OK, done.stderr
    assert "pairs were measured before" in done.stderr
    assert "pair 1:" not in done.stderr
    assert nothing_stays_behind(repository)
