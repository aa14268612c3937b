"""What the import of an engine does besides."""

import subprocess
import sys

import pytest

# Every socket and every file that is written to, as Python's own audit sees them.
WATCHED = """
import os, sys
seen = []
def watch(event, arguments):
    if event.startswith("socket.") or event == "os.mkdir":
        seen.append((event, *map(str, arguments[:2])))
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        seen.append((event, str(arguments[0])))
sys.dont_write_bytecode = True
sys.addaudithook(watch)
from co3d_bench.bench.export.telemetry import import_engine
import_engine(sys.argv[1])
print(seen)
"""


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_importing_an_engine_reports_to_nobody_and_writes_nothing(engine, tmp_path):
    pytest.importorskip(engine)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}  # no CI=true, which alone switches telemetry off
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, engine],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr[-2000:]
    assert list(tmp_path.iterdir()) == []
