"""`co3d-bench run --fleet ADDRESS`: boards behind a real sshd, measured through the worker of another process."""

from __future__ import annotations

import subprocess

import pytest

from ..devices.boards import board as write_board
from ..sshd import serving
from .test_hosts import EXECUTABLE, Lab, records_of

pytestmark = pytest.mark.acceptance
BOARDS = ("lab-1", "lab-2")
PLAN = """
[plan]
models = ["demo-x3d", "demo-cox3d-16"]
backends = ["eager"]
devices = ["shelf"]
threads = [1]
[run]
runs = 15
processes = 1
energy = false
[devices.shelf]
extends = "xavier"
torch_device = "cpu"
"""


@pytest.fixture
def lab(tmp_path):
    """Two boards, a scheduler over TLS, and one worker process that reaches both boards."""
    write_board(tmp_path / "xavier", "xavier")
    environments = {}
    plan = PLAN
    for name in BOARDS:
        (tmp_path / f"home-{name}").mkdir()
        environments[f"{name}.local"] = {
            "CO3D_BENCH_SYSROOT": str(tmp_path / "xavier"),
            "OWN_HOME": str(tmp_path / f"home-{name}"),
        }
        plan += f'[devices.{name}]\nextends = "shelf"\nhost = "{name}.local"\n'
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "bench.toml").write_text(plan)
    (tmp_path / "sshd").mkdir()
    with serving(tmp_path / "sshd", environments):
        lab = Lab(folder)
        yield lab
        lab.close()


def run(lab, *arguments):
    return subprocess.run(
        [EXECUTABLE, "run", *lab.options, *arguments],
        cwd=lab.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def test_cases_are_measured_on_boards_that_another_host_reaches(lab):
    without = run(lab)
    assert without.returncode == 7, without.stderr
    assert "lab-1: no worker offers it" in without.stderr
    worker = lab.start("worker", "--boards", "bench.toml", says="lab-1: measures on this board")
    assert "lab-2: measures on this board" in worker.stdout.readline()
    done = run(lab)
    assert done.returncode == 0, done.stderr
    records = records_of(lab.folder)
    assert [record.get("error") for record in records] == [None, None]
    assert {record["fleet"]["board"] for record in records} <= set(BOARDS)
