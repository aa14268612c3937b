"""Processes forked from a server: they have their own streams and environment, end as asked, and with who asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from co3d_bench.bench.fleet.warm import JOIN, READY

SERVER = Path(__file__).with_name("warm_server.py")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = tmp_path_factory.mktemp("warm") / "socket"
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().encode() == READY
    yield path
    process.stdin.close()
    assert process.wait(10) == 0
    assert not path.parent.exists()


def join(path, word, *otherwise, **options):
    command = [sys.executable, "-I", "-S", str(JOIN), str(path), *otherwise]
    environment = {**os.environ, "WORD": word}
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


@pytest.mark.parametrize(("what", "code"), [("ends", 7), ("dies", -signal.SIGABRT), ("raises", 1)])
def test_it_ends_as_its_process_does_with_streams_and_environment_of_its_own(server, tmp_path, what, code):
    process = join(server, what, cwd=tmp_path)
    output, errors = process.communicate(f"{what}\n", timeout=20)
    assert process.returncode == code
    assert output == f"{what} {tmp_path}\n"
    assert errors.startswith("to stderr")
    assert ("ValueError: of its own" in errors) == (what == "raises")


def test_a_process_ends_with_who_asked_for_it(server):
    asked = join(server, "stays")
    asked.stdin.write("stays\n")
    asked.stdin.flush()
    asked.stdout.readline()
    process = psutil.Process(int(asked.stdout.readline()))
    asked.kill()
    deadline = time.monotonic() + 10
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    asked.communicate()


def test_without_a_server_it_is_a_process_of_its_own(tmp_path):
    process = join(tmp_path / "none", "x", sys.executable, "-c", "print('loaded anew')")
    assert process.communicate(timeout=20)[0] == "loaded anew\n"
