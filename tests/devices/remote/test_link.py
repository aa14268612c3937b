"""One connection for many commands, with a real sshd."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from co3d_bench.devices.remote.link import Link, linked
from co3d_bench.devices.remote.ssh import Unreachable

from ...sshd import serving

ENDS_WITHIN_S = 10.0


@pytest.fixture
def folder():
    """A short path, as a socket needs; pytest's are too long."""
    with tempfile.TemporaryDirectory(prefix="link-") as name:
        yield Path(name)


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path, {"board": {}}) as found:
        yield found


def logins(server) -> int:
    return (server.folder / "sshd.log").read_text().count("Accepted publickey")


def test_all_commands_go_over_one_connection(server, folder):
    (folder / "file").write_text("x")
    with linked("board") as ssh:
        assert ssh.run(["sh", "-c", "cat; exit 3"], "in").returncode == 3
        assert list(ssh.lines(["printf", "one\\ntwo\\n"])) == [b"one\n", b"two\n"]
        ssh.copy([folder / "file"], ".")
        with pytest.raises(OSError, match="exit code 4"):
            list(ssh.lines(["sh", "-c", "exit 4"]))
        with pytest.raises(Unreachable, match="nowhere"):
            ssh.copy([folder / "file"], "nowhere")
    assert (server.home / "file").read_text() == "x"
    assert logins(server) == 1
    wait_for(lambda: not server.sessions())
    assert ssh.run(["true"]).returncode == 0  # without it, too
    assert logins(server) == 2


def test_a_connection_that_breaks_takes_its_commands_along_and_is_made_again(server, folder):
    link = Link("board", folder)
    link.open()
    link.open()
    lines = link.ssh().lines(["sh", "-c", "echo begin; sleep 60"])
    assert next(lines) == b"begin\n"
    assert logins(server) == 1
    server.cut()
    with pytest.raises(Unreachable, match=r"."):
        next(lines)
    assert link.ssh().run(["echo", "alone"]).stdout == "alone\n"
    link.open()
    assert link.ssh().run(["echo", "again"]).stdout == "again\n"
    assert logins(server) == 3
    link.close()
    assert not list(folder.iterdir())
    server.stop()
    with pytest.raises(Unreachable, match="refused"):
        link.open()


def test_it_ends_with_a_process_that_is_killed(server, folder):
    script = (
        "import sys, time, pathlib; from co3d_bench.devices.remote.link import Link; "
        "link = Link('board', pathlib.Path(sys.argv[1])); link.open(); print('open', flush=True); time.sleep(971)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "open\n"
    (client,) = [each for each in psutil.Process(process.pid).children() if each.name() == "ssh"]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not client.is_running() or client.status() == psutil.STATUS_ZOMBIE)
    wait_for(lambda: not server.sessions())


def test_a_connection_that_the_user_shares_is_the_one_used_while_it_is_open(server, folder):
    config = server.folder / "ssh_config"
    config.write_text(f"ControlMaster auto\nControlPersist 60\nControlPath {folder}/own\n{config.read_text()}")
    link = Link("board", folder)
    subprocess.run([server.bin / "ssh", "-fN", "board"], check=True, stderr=subprocess.DEVNULL)
    link.open()
    assert not link.socket.exists()
    assert link.ssh().run(["echo", "here"]).stdout == "here\n"
    assert logins(server) == 1
    subprocess.run([server.bin / "ssh", "-O", "exit", "board"], check=True, stderr=subprocess.DEVNULL)
    link.open()
    assert link.ssh().run(["echo", "there"]).stdout == "there\n"
    assert link.socket.exists()
    assert logins(server) == 2
    link.close()


def test_a_server_that_takes_one_session_a_connection_gets_more_connections(server, folder):
    server.stop()
    config = server.folder / "sshd_config"
    config.write_text(f"MaxSessions 1\n{config.read_text()}")
    server.start()
    with linked("board") as ssh:
        assert ssh.run(["sh", "-c", "cat; exit 3"], "in").stdout == "in"
        assert list(ssh.lines(["echo", "one"])) == [b"one\n"]
        with pytest.raises(Unreachable, match="nowhere"):
            ssh.copy([server.folder / "sshd_config"], "nowhere")
    assert logins(server) == 4


def test_a_shell_that_ends_at_once_is_named(server, folder):
    (server.folder / "session").write_text("#!/bin/sh\nexit 1\n")
    link = Link("board", folder)
    assert link.ssh().run(["true"]).returncode == 1  # and its key is known
    with pytest.raises(Unreachable, match="its shell ends at once"):
        link.open()


def test_no_ssh_at_all_is_left_to_the_first_command(monkeypatch, folder):
    monkeypatch.setenv("PATH", str(folder))
    Link("board", folder).open()


def test_a_path_that_ssh_would_change_is_not_used(server, tmp_path):
    for name in ("with space", "%C", "long" * 25):
        folder = tmp_path / name
        folder.mkdir()
        link = Link("board", folder)
        link.open()
        assert not link.socket.exists()
    assert link.ssh().run(["true"]).returncode == 0
    assert logins(server) == 1


def wait_for(happens) -> None:
    until = time.monotonic() + ENDS_WITHIN_S
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.02)
