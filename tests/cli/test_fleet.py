"""`co3d-bench fleet` and `evaluate --fleet` as a user meets them: what is refused, and what it says to do."""

from __future__ import annotations

import socket

import pytest

pytestmark = pytest.mark.usefixtures("no_loop")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["fleet", "scheduler", "lab-1.invalid"],
            2,
            "fleet scheduler tls://lab-1.invalid:8786 --tls FOLDER` makes the",
        ),
        (["fleet", "scheduler", "tls://lab-1"], 2, "TLS needs its certificates; give --tls FOLDER"),
        (["fleet", "scheduler", "http://lab-1"], 2, "'http://lab-1': not the address of a scheduler"),
        (["fleet", "worker", "10.0.0.1"], 2, "without TLS anybody on the way may run code on all hosts"),
        (["fleet", "worker", "tls://lab-1", "--tls", "keys"], 4, "keys: ca.pem, cert.pem, key.pem missing"),
        (["fleet", "worker", "--films", "gone"], 2, "--films gone: not a folder"),
        (["fleet", "worker", "--boards", "gone.toml"], 2, "'gone.toml' does not exist"),
        (["fleet", "scheduler", "tls://127.0.0.1", "--tls", __file__], 2, "is a file"),
        (["fleet", "workers"], 2, "worker"),
        (["fleet"], 2, "a verb is missing: scheduler, worker; `co3d-bench fleet --help` says what each does"),
        (["run", "--fleet", "10.0.0.1"], 2, "without TLS anybody on the way may run code on all hosts"),
        # What costs nothing to look at comes first: here there are neither boards nor films.
        (["run", "--fleet", "tls://lab-1", "--tls", "keys"], 4, "keys: ca.pem, cert.pem, key.pem missing"),
        (
            ["evaluate", "--data", ".", "--fleet", "lab-1", "--tls", "keys"],
            4,
            "keys: ca.pem, cert.pem, key.pem missing",
        ),
        (["evaluate", "--data", ".", "--tls", "keys"], 2, "--tls FOLDER: belongs to --fleet ADDRESS, which is missing"),
        (
            ["evaluate", "--data", ".", "--fleet", "10.0.0.1"],
            2,
            "without TLS anybody on the way may run code on all hosts",
        ),
        (["run", "--tls", "keys"], 2, "--tls FOLDER: belongs to --fleet ADDRESS, which is missing"),
        (["run", "--fleet", "127.0.0.1", "--dashboard"], 2, "serves no page; leave the address out"),
    ],
)
def test_what_is_refused_says_what_to_do(call, tmp_path, arguments, code, message):
    done = call(*arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_port_that_is_taken_is_named(call):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = call("fleet", "scheduler", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 4
    assert "cannot listen there: " in done.stderr
    assert "in use" in done.stderr
