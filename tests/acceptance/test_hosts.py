"""`co3d-bench evaluate --fleet` as a lab has it: a scheduler and two workers over TLS, and kill -9 of each."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress

import pytest

from .test_evaluate import EXECUTABLE, command, evaluate, films, films_noted, folder, records_of

__all__ = ["films", "folder"]  # fixtures
pytestmark = pytest.mark.acceptance
MODEL = ("--model", "slow.py:clip")


class Lab:
    """A scheduler and its workers on this machine, over TLS."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"tls://127.0.0.1:{free.getsockname()[1]}"
        self.folder, self.processes = folder, []
        self.tls = ("--tls", str(folder / "keys"))
        self.options = ("--fleet", self.url, *self.tls)
        self.scheduler = self.start("scheduler", says="scheduler at")

    def start(self, what, *arguments, says="scores films for"):
        process = subprocess.Popen(
            [EXECUTABLE, "fleet", what, self.url, *self.tls, *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        assert says in process.stdout.readline()
        return process

    def close(self):
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture
def lab(folder):
    lab = Lab(folder)
    yield lab
    lab.close()


def begun(folder, films, lab, number, *arguments):
    """An `evaluate` over the hosts that has so many films."""
    process = subprocess.Popen(
        command(films, *MODEL, *lab.options, *arguments), cwd=folder, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 200
    while films_noted(folder) < number and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    return process


def test_whatever_is_killed_the_predictions_are_those_of_one_host(folder, films, lab):
    workers = [lab.start("worker"), lab.start("worker")]
    process = begun(folder, films, lab, 10)
    workers[0].kill()  # a host
    assert process.wait(300) == 0, process.stderr.read()
    process.stderr.close()
    (record,) = records_of(folder)
    assert any("was lost; what it had not scored, others did" in note for note in record["notes"])

    lab.start("worker")
    process = begun(folder, films, lab, 10)
    os.kill(process.pid, signal.SIGKILL)  # the one that keeps what they score
    process.communicate()
    process = begun(folder, films, lab, films_noted(folder) + 10, "--resume")
    lab.scheduler.kill()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 7, errors
    assert "the same command with --resume does the rest" in errors
    done = films_noted(folder)
    assert f"{done} of 60 films are scored and kept" in errors
    assert 20 <= done < 60
    again = evaluate(folder, films, *MODEL, "--resume")  # by this host alone
    assert again.returncode == 0, again.stderr

    alone = evaluate(folder, films, *MODEL)
    assert alone.returncode == 0, alone.stderr
    records = records_of(folder)
    assert len({record["evaluation"]["predictions"] for record in records}) == 1
    hosts = [{host["host"]: host["films"] for host in record["evaluation"].get("hosts", ())} for record in records]
    assert [sum(each.values()) for each in hosts] == [60, 60, 0]
    assert not (folder / "results/scoring").exists()


def test_a_host_that_lacks_films_is_named_before_anything_runs(folder, films, lab):
    (folder / "empty").mkdir()
    lab.start("worker", "--films", "empty")
    done = evaluate(folder, films, *MODEL, *lab.options)
    assert done.returncode == 7
    assert "0.mp4: No such file or directory" in done.stderr
    assert "and 55 more of 60 films" in done.stderr
    assert not (folder / "results").exists()
