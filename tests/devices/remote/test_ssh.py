"""Words that reach a board as they are, hosts that are none, and a real sshd."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.devices.remote import ssh
from co3d_bench.devices.remote.ssh import Ssh, TooMuch, Unreachable

from ...sshd import serving

WORDS = st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))), min_size=1)


@given(WORDS)
def test_the_shell_over_there_sees_the_words_as_they_are(words):
    command = Ssh("me@board.local").command(words)
    assert shlex.split(command[-1]) == words
    assert command[-3:-1] == ["--", "me@board.local"]


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "board;x", "", "me@-board", "$(x)", "a\nb", "me@", "a:1"])
def test_a_host_that_is_none_never_reaches_ssh(host):
    with pytest.raises(ValueError, match="must be host or user@host"):
        Ssh(host)


def test_there_and_back(tmp_path):
    with serving(tmp_path, {"board": {"GREETING": "hello"}}) as server:
        ssh = Ssh("board")
        odd = "a 'b' \"c\" $HOME `x` \\ ; * \n é"
        assert ssh.run(["printf", "%s", odd]).stdout == odd
        assert ssh.run(["sh", "-c", "cat; exit 3"], "in").returncode == 3
        assert ssh.run(["sh", "-c", 'echo "$GREETING"; pwd']).stdout == f"hello\n{server.home}\n"
        (tmp_path / "file with space").write_text("x")
        (server.home / "there").mkdir()
        ssh.copy([tmp_path / "file with space"], "there")
        assert (server.home / "there/file with space").read_text() == "x"
        assert list(ssh.lines(["printf", "one\\ntwo\\nthr"])) == [b"one\n", b"two\n"]
        with pytest.raises(OSError, match="exit code 4"):
            list(ssh.lines(["sh", "-c", "exit 4"]))
        with pytest.raises(Unreachable, match="nowhere"):
            ssh.copy([tmp_path / "file with space"], "nowhere")
        lines = ssh.lines(["sh", "-c", "echo begin; sleep 60"])
        assert next(lines) == b"begin\n"
        server.cut()
        with pytest.raises(Unreachable):
            next(lines)
        server.stop()
        with pytest.raises(Unreachable, match="refused"):
            ssh.run(["true"])


class Local(Ssh):
    """The command itself, on this machine."""

    def command(self, words):
        return list(words)


def test_what_a_command_prints_has_limits(monkeypatch):
    monkeypatch.setattr(ssh, "LINE_BYTES", 1000)
    monkeypatch.setattr(ssh, "OUTPUT_BYTES", 5000)
    here = Local("board")
    assert len(list(here.lines(["sh", "-c", "yes 123456789 | head -n 400; yes err | head -c 1000000 >&2"]))) == 400
    with pytest.raises(TooMuch, match="a line of what a command there prints"):
        list(here.lines(["sh", "-c", "head -c 100000 /dev/zero; sleep 971"]))
    with pytest.raises(TooMuch, match="what a command there prints"):
        list(here.lines(["yes"]))
    with pytest.raises(Unreachable, match="what a command there prints"):
        here.run(["yes"])


def test_silence_is_a_lost_connection():
    with pytest.raises(Unreachable, match=r"nothing was received for 0\.1 s"):
        list(Local("board", 0.1).lines(["sleep", "971"]))


def test_a_command_that_takes_too_long_is_ended(tmp_path):
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
        Local("board").run(["sh", "-c", "sleep 971 & sleep 971"], timeout_s=0.2)


def test_a_shell_that_is_not_silent_is_named():
    assert "make its .bashrc print nothing" in ssh.last_line("scp: Received message too long 1214606444\n")


def test_no_ssh_at_all_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unreachable, match="ssh is not installed here"):
        Ssh("board").run(["true"])
