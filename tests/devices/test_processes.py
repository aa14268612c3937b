"""Commands whose code misbehaves: their results are received, they cost seconds, and nothing of them lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from co3d_bench.devices import processes
from co3d_bench.devices.processes import Guarded, run_guarded

# Longer than any test takes: who waits for it has failed.
LONG_S = 971
PATIENCE_S = 30.0


def sh(text, **more):
    return Guarded(["sh", "-c", text], **more)


def python(text, **more):
    return Guarded([sys.executable, "-I", "-S", "-c", f"import os, signal, sys, time\n{text}"], **more)


def ran(asked, **more):
    """(how it ended, its output, seconds), once nothing of it is left."""
    output, mark = bytearray(), f"{os.getpid()}-{time.monotonic_ns()}"
    begin = time.monotonic()
    ended = run_guarded(
        Guarded(asked.command, asked.stdin, {"MARK": mark}, asked.pass_fds, asked.timeout_s), output.extend, **more
    )
    marked = [each for each in psutil.process_iter() if mark in environment(each)]
    # Of what is killed with its parent, the kernel may not be done yet, nor whoever collects it.
    deadline = time.monotonic() + PATIENCE_S
    while any(mark in environment(each) for each in marked):  # a zombie has none
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return ended, bytes(output), time.monotonic() - begin


def environment(process):
    try:
        return process.environ().get("MARK", "")
    except psutil.Error:
        return ""


def has_ended(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # nobody has collected it yet
    except psutil.NoSuchProcess:
        return True


def test_what_it_reads_prints_and_ends_with():
    ended, output, _ = ran(sh("cat; echo why >&2; exit 7", stdin=b"job" * 100_000))
    assert output == b"job" * 100_000
    assert (ended.returncode, ended.errors, ended.timed_out, ended.stopped) == (7, b"why\n", False, False)


@pytest.mark.parametrize(
    "code",
    [
        f"sleep {LONG_S} & sleep {LONG_S} & echo done",
        f"(setsid sleep {LONG_S} &) ; echo done",  # its parent has ended, its session is its own
        f"trap '' TERM INT HUP; sleep {LONG_S} & echo done",
        f"sleep {LONG_S} >/dev/null 2>&1 </dev/null & echo done",
    ],
)
def test_nothing_that_it_started_lives_on_or_is_waited_for(code):
    ended, output, seconds = ran(sh(code))
    assert (ended.returncode, output) == (0, b"done\n")
    assert seconds < PATIENCE_S


def test_its_seconds_are_its_own():
    """Neither the start of the guard nor the end of what is left are among them."""
    ended, _, seconds = ran(sh(f"sleep {LONG_S} & sleep 0.2"))
    assert 0.2 <= ended.seconds < seconds


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
def test_a_signal_is_a_negative_exit_code(number):
    assert ran(python(f"os.kill(os.getpid(), {int(number)})"))[0].returncode == -number


def test_code_that_signals_its_group_and_its_parent():
    assert ran(python("os.killpg(0, signal.SIGTERM)"))[0].returncode == -signal.SIGTERM
    assert ran(python("os.kill(os.getppid(), signal.SIGKILL); time.sleep(971)"))[0].returncode == -signal.SIGKILL


def test_a_limit_ends_all_of_it():
    ended, _, seconds = ran(sh(f"trap '' TERM; sleep {LONG_S} & sleep {LONG_S}; true", timeout_s=0.2))
    assert ended.timed_out
    assert seconds < PATIENCE_S


def test_a_stop_ends_all_of_it():
    read, write = os.pipe()
    os.write(write, b"!")
    stop = SimpleNamespace(signal=None, fileno=lambda: read)
    output = bytearray()

    def hear(data):
        output.extend(data)
        stop.signal = signal.SIGTERM

    ended = run_guarded(sh(f"echo on; sleep {LONG_S} & sleep {LONG_S}"), hear, stop=stop)
    assert (ended.stopped, ended.timed_out, bytes(output)) == (True, False, b"on\n")
    for end in (read, write):
        os.close(end)


class Stop:
    """A stop signal that tests give."""

    def __init__(self):
        self.signal, (self.read, self.write) = None, os.pipe()

    def fileno(self):
        return self.read

    def give(self):
        self.signal = signal.SIGINT
        os.write(self.write, b"!")


def finished(code, finishes):
    """(how it ended, its output) where a stop comes with its first line of output, and one more with each other."""
    stop, output = Stop(), bytearray()

    def hear(data):
        output.extend(data)
        for _ in range(data.count(b"\n")):
            stop.give()

    ended = run_guarded(python(code, stdin=b"job\n", timeout_s=PATIENCE_S), hear, stop=stop, finishes=finishes)
    for end in (stop.read, stop.write):
        os.close(end)
    return ended, output.decode().split()


READS = "read = sys.stdin.buffer.readline; job = read().decode().strip(); print(job, flush=True)\n"


def test_a_command_that_ends_by_itself_is_asked_to_by_a_line():
    ended, output = finished(READS + "os.read(0, 1); sys.stdout.write('all that there is'); sys.exit(3)", lambda: True)
    assert (ended.returncode, ended.stopped, output) == (3, True, ["job", *["all", "that", "there", "is"]])


@pytest.mark.parametrize("finishes", [lambda: False, lambda: True])
def test_it_is_ended_at_once_where_it_cannot_and_by_a_second_stop(finishes):
    ended, output = finished(READS + f"os.read(0, 1); print('again', flush=True); time.sleep({LONG_S})", finishes)
    assert (ended.returncode, ended.stopped, ended.timed_out) == (-signal.SIGKILL, True, False)
    assert output == (["job", "again"] if finishes() else ["job"])


def test_after_its_answer_it_may_end_by_itself_for_a_while(monkeypatch):
    monkeypatch.setattr(processes, "EXIT_GRACE_S", 0.2)
    received = bytearray()
    ended = run_guarded(sh(f"echo done; sleep {LONG_S}"), received.extend, answered=lambda: b"\n" in received)
    assert not ended.timed_out
    ended = run_guarded(sh("echo done; exit 3"), received.extend, answered=lambda: True)
    assert ended.returncode == 3


def test_what_does_not_exist_is_an_os_error():
    with pytest.raises(FileNotFoundError):
        run_guarded(Guarded(["no-such-command"]), lambda data: None)


def test_where_nobody_takes_its_output_all_pipes_are_closed():
    def refuse(data):
        raise ValueError("too much")

    before = psutil.Process().num_fds()
    for _ in range(2):
        with pytest.raises(ValueError, match="too much"):
            run_guarded(sh(f"yes; sleep {LONG_S}"), refuse)
    assert psutil.Process().num_fds() <= before


def test_megabytes_of_errors_are_cut_to_their_end():
    ended, _, _ = ran(python("sys.stderr.write('x' * 5_000_000 + 'end')"))
    assert len(ended.errors) == processes.STDERR_TAIL_BYTES
    assert ended.errors.endswith(b"end")


ANSWERS = """
from co3d_bench.devices.processes import Channel
channel = Channel()
os.write(1, b"chatter")
{deed}
channel.send(b"answer")
"""


@pytest.mark.parametrize(
    "deed",
    [
        "",
        "os.closerange(0, 64)",
        "os.closerange(3, 64); others = [open(os.devnull) for _ in range(9)]",  # one has the number of the channel
        "os.close(1); os.close(2)",
    ],
)
def test_an_answer_arrives_whatever_is_closed_and_printed(deed):
    words = [sys.executable, "-c", "import os\n" + ANSWERS.format(deed=deed)]
    ended, output, _ = ran(Guarded(words))
    assert (output, ended.returncode) == (b"answer", 0), ended.errors


def test_it_ends_with_the_process_that_asked_for_it():
    """Killed outright: neither `finally` nor a handler of its own."""
    code = (
        "from co3d_bench.devices.processes import Guarded, run_guarded\n"
        f"run_guarded(Guarded(['sh', '-c', 'echo $$; sleep {LONG_S} & sleep {LONG_S}']), "
        "lambda data: print(data.decode(), flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as asks:
        shell = psutil.Process(int(asks.stdout.readline()))
        everything = [shell, *shell.children(recursive=True), shell.parent()]
        asks.kill()
    deadline = time.monotonic() + PATIENCE_S
    while not all(map(has_ended, everything)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
