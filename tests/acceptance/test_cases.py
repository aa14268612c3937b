"""The experiments in `cases/`, made from public reports: the installed executable, each in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parent / "cases"
EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
TIMEOUT_S = 300
SCRIPTS = sorted([*CASES.glob("B*/run.sh"), *CASES.glob("audit/A*.sh")])
pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(CASES)))
def test_the_case_passes(script):
    done = subprocess.run(
        ["bash", str(script), str(EXECUTABLE)], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
