"""The agent alone, as a board runs it: without ssh, in a home of the test's, by the oldest Python there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co3d_bench.devices.remote.board import AGENT, FOLDER, AgentError, Board, case_name
from co3d_bench.devices.remote.ssh import Done, Unreachable

from ..boards import old_python

PATIENCE_S = 20.0


# Of the versions that a board may have, the oldest one that is here, and ours.
PYTHONS = tuple(filter(None, (old_python("3.6", "3.7", "3.8", "3.9"), sys.executable)))


class Here:
    """A board that is a folder: what ssh does over there, done here."""

    host = "nowhere"

    def __init__(self, home, **environment):
        self.home = home
        self.environment = {**os.environ, **environment}

    def run(self, words, stdin="", timeout_s=60.0):
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, cwd=self.home, env=self.environment, timeout=timeout_s
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def copy(self, files, folder, timeout_s=60.0):
        for file in files:
            shutil.copy(file, self.home / folder)

    def lines(self, words):
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.home, env=self.environment
        )
        yield from process.stdout
        if process.wait():
            raise OSError(process.stderr.read().decode())


SCRIPT = """
import json, sys, time
job = json.load(open("job.json"))
for line in job["lines"]:
    print(json.dumps({"event": "line", "is": line}), flush=True)
sys.stdout.write(job.get("torn", ""))
sys.stdout.flush()
time.sleep(job.get("then_s", 0))
sys.exit(job.get("exit", 0))
"""


def job(lines=(), **changes):
    basis = {"script": "script.py", "watch": {"paths": [], "period_s": 0.05}, "environment": {}, "timeout_s": 30}
    return {**basis, "lines": list(lines), **changes}


@contextmanager
def opened(folder, python):
    """A board with the script, opened; it is left clean."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    board = Board(Here(folder), "run-1", python)
    board.open([script])
    yield board
    if (folder / board.folder).exists():
        board.clean()


@pytest.fixture(params=PYTHONS, ids=lambda path: Path(path).resolve().name)
def board(request, tmp_path):
    with opened(tmp_path, request.param) as board:
        yield board


@pytest.fixture
def ours(tmp_path):
    with opened(tmp_path, sys.executable) as board:
        yield board


def folder_of(board, asked):
    return board.transport.home / board.folder / "cases" / case_name(asked)


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_says_who_is_there(board, tmp_path):
    (tmp_path / "sys/class/thermal/thermal_zone0").mkdir(parents=True)
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").write_text("41500\n")
    board.transport.environment["CO3D_BENCH_SYSROOT"] = str(tmp_path)
    said = board.hello(["/sys/class/thermal/*/temp", "/etc/nv_tegra_release", "/sys"], torch=True)
    assert said.snapshot.files == {"/sys/class/thermal/thermal_zone0/temp": "41500"}
    assert said.machine == os.uname().machine
    assert board._there == {"agent.py", "guard.py", "script.py"}
    if board.python == sys.executable:
        assert said.torch["version"]
        assert said.torch_missing is None
    else:
        assert said.torch.get("version", "1.10").startswith("1.10") or "torch" in said.torch_missing


def test_a_case_is_followed_to_its_end(board):
    received = []
    ended = board.run(job("abc"), received.append)
    assert [event["is"] for event in received] == ["a", "b", "c"]
    assert (ended["returncode"], ended["timed_out"], ended["stopped"]) == (0, False, False)


def test_the_same_job_is_not_begun_twice(ours):
    first, again = [], []
    asked = job("ab", exit=3)
    ours.run(asked, first.append)
    began = (folder_of(ours, asked) / "supervisor").stat().st_mtime_ns
    assert ours.run(asked, again.append)["returncode"] == 3
    assert again == first
    assert (folder_of(ours, asked) / "supervisor").stat().st_mtime_ns == began
    ours.remove_cases()
    assert not folder_of(ours, asked).exists()


def test_it_is_reported_from_any_byte_on(ours):
    asked = job("abcdefgh")
    ours.run(asked, lambda event: None)
    whole = (folder_of(ours, asked) / "events").read_bytes()
    command = [ours.python, str(ours.transport.home / ours.folder / "agent.py"), "follow", case_name(asked)]
    for offset in (0, 1, len(whole) // 2, len(whole) - 1):
        begin, rest = subprocess.run([*command, str(offset)], capture_output=True).stdout.split(b"\n", 1)
        assert json.loads(begin) == {"event": "from", "offset": offset}
        assert rest == whole[offset:]
    # Whoever has all of it, and does not know, learns how it ended.
    at_the_end = subprocess.run([*command, str(len(whole))], capture_output=True).stdout
    assert json.loads(at_the_end.splitlines()[-1])["event"] == "ended"


def test_a_line_that_was_torn_swallows_no_other(ours):
    received = []
    ended = ours.run(job("a", torn='{"event": "li', exit=1), received.append)
    assert [event["is"] for event in received] == ["a"]
    assert ended["returncode"] == 1


def process_of(board, asked, script):
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(word.endswith(script) for word in words) and any(case_name(asked) in word for word in words):
            return process
    return None


def test_a_killed_case_is_reported(ours):
    asked = job("a", then_s=60)

    def kill(event):
        process_of(ours, asked, "script.py").kill()

    assert ours.run(asked, kill)["returncode"] == -signal.SIGKILL


def test_a_killed_agent_takes_the_case_along_and_is_reported(ours):
    asked = job("a", then_s=60, script="script.py")
    die = "import ctypes; ctypes.CDLL(None).prctl(1, 9)\n"  # as onboard.py asks for it
    (ours.transport.home / ours.folder / "script.py").write_text(die + SCRIPT)

    def kill(event):
        process_of(ours, asked, "agent.py").kill()

    ended = ours.run(asked, kill)
    assert (ended["returncode"], ended["lost"]) == (None, True)
    wait_until(lambda: process_of(ours, asked, "script.py") is None)
    assert ours.run(job("b"), lambda event: None)["returncode"] == 0  # and the next one goes on


def test_a_case_that_takes_too_long_is_ended(ours):
    ended = ours.run(job("a", then_s=60, timeout_s=0.5), lambda event: None)
    assert (ended["timed_out"], ended["returncode"]) == (True, -signal.SIGKILL)


def test_what_runs_is_ended_when_the_folder_is_removed(ours):
    asked = job("a", then_s=60)
    seen = []

    class Gone(Exception):
        pass

    def leave(event):
        seen.append(process_of(ours, asked, "script.py"))
        raise Gone

    with pytest.raises(Gone):
        ours.run(asked, leave)
    ours.clean()
    assert not seen[0].is_running()
    assert [path.name for path in (ours.transport.home / FOLDER).iterdir()] == ["lock"]


def test_two_runs_do_not_measure_at_once(ours, monkeypatch):
    asked, refused = job("a", then_s=60), []
    other = Board(ours.transport, "run-2", sys.executable)
    other.open()
    text = (ours.transport.home / other.folder / "agent.py").read_text()
    (ours.transport.home / other.folder / "agent.py").write_text(
        text.replace("LOCK_PATIENCE_S = 5.0", "LOCK_PATIENCE_S = 0")
    )

    def try_too(event):
        with pytest.raises(AgentError, match=r"run run-1 measures there since .*agent\.py clean"):
            other.run(job("b"), lambda event: None)
        refused.append(True)
        ours.remove_cases()

    ours.run(asked, try_too)
    assert refused
    other.clean()


def test_who_measures_is_known_while_it_does(board):
    assert board.holder() is None
    seen = []

    def look(event):
        seen.append(board.holder())
        board.remove_cases()

    board.run(job("a", then_s=60), look)
    ((run, since),) = seen
    assert (run, len(since)) == ("run-1", len("12:00:00"))
    assert board.holder() is None


def test_a_host_takes_its_run_over_from_one_that_was_killed(ours):
    """What the killed host had begun is ended where it is another case, and followed where it is the same."""
    asked, other = job("a", then_s=60), job("b")

    class Killed(Exception):
        pass

    def die(event):
        raise Killed

    with pytest.raises(Killed):
        ours.run(asked, die)
    agent = ours.transport.home / ours.folder / "agent.py"
    agent.write_text(agent.read_text().replace("LOCK_PATIENCE_S = 5.0", "LOCK_PATIENCE_S = 0.5"))
    again = Board(ours.transport, "run-1", sys.executable, takes_over=True)
    orphan = process_of(ours, asked, "script.py")
    lines = []
    ended = again.run(other, lines.append)
    assert (ended["returncode"], [line["is"] for line in lines]) == (0, ["b"])
    assert not orphan.is_running()


def patched(board, **constants):
    """The agent there, with other constants."""
    agent = board.transport.home / board.folder / "agent.py"
    text = agent.read_text()
    for name, value in constants.items():
        text = re.sub(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
    agent.write_text(text)


@pytest.mark.parametrize(
    ("number", "torn"),
    [(signal.SIGKILL, '{"event": "ended", "ret'), (signal.SIGKILL, "7"), (signal.SIGTERM, "")],
    ids=["power cut", "power cut in a number", "shut down"],
)
def test_a_case_that_ended_with_the_machine_begins_anew(ours, number, torn):
    asked = job("a", then_s=60)

    class HostKilled(Exception):
        pass

    def die(event):
        raise HostKilled

    with pytest.raises(HostKilled):
        ours.run(asked, die)
    case = process_of(ours, asked, "script.py")
    pid, _ = json.loads((folder_of(ours, asked) / "supervisor").read_text())
    os.kill(pid, number)
    with suppress(psutil.NoSuchProcess):
        case.kill()  # as onboard.py ends with its parent
    wait_until(lambda: not psutil.pid_exists(pid))
    with (folder_of(ours, asked) / "events").open("a") as events:
        events.write(torn)
    assert_begins_anew(ours, asked)


def test_a_case_that_ended_because_nobody_came_begins_anew(ours):
    asked = job("a", then_s=60)
    patched(ours, UNFOLLOWED_S="-1", CHECK_EVERY_S="0.1")
    assert "nobody followed it" in ours.run(asked, lambda event: None)["why"]
    patched(ours, CHECK_EVERY_S="100")
    assert_begins_anew(ours, asked)


def assert_begins_anew(board, asked):
    lines = []
    (board.transport.home / board.folder / "script.py").write_text(SCRIPT.replace("then_s", "not now"))
    ended = board.run(asked, lines.append)
    assert (ended["returncode"], [line["is"] for line in lines]) == (0, ["a"])


def test_a_request_is_answered_while_the_one_whose_answer_was_lost_is_still_at_it(ours):
    asked, received = job("a", then_s=1), []
    agent = ours.transport.home / ours.folder / "agent.py"
    whole = agent.read_text()
    agent.write_text(whole.replace("        os.fsync(opened.fileno())", "        time.sleep(0.3)"))
    command = [ours.python, str(agent), "start", case_name(asked)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ours.transport.home) as first:
        assert first.stdin
        first.stdin.write(json.dumps(asked).encode())
        first.stdin.close()
        wait_until(folder_of(ours, asked).with_suffix(".new_case").exists)
        agent.write_text(whole)
        ended = ours.run(asked, received.append)
    assert (ended["returncode"], [event["is"] for event in received]) == (0, ["a"])


def test_sensors_are_read_beside_a_case_and_cost_what_is_reported(ours, tmp_path):
    (tmp_path / "power").write_text("152\n")
    ours.transport.environment["CO3D_BENCH_SYSROOT"] = str(tmp_path)
    received = []
    ours.run(job("a", then_s=0.6, watch={"paths": ["/power", "/gone"], "period_s": 0.05}), received.append)
    watched = [event for event in received if event["event"] == "watch"]
    assert len(watched) > 2
    assert watched[0]["files"] == {"/power": "152"}
    assert watched[0]["unread"] == {"/gone": "missing"}
    (cost,) = [event for event in received if event["event"] == "watched"]
    assert 0 < cost["cpu_s"] < cost["wall_s"]


def test_files_arrive_whole_or_are_sent_again(ours, tmp_path):
    file = tmp_path / "net.zip"
    file.write_bytes(os.urandom(5000))
    copies = []
    copy = ours.transport.copy

    def tear(files, folder, timeout_s=60.0):
        copies.append(files)
        copy(files, folder)
        if len(copies) == 1:
            (tmp_path / folder / files[0].name).write_bytes(b"torn")

    ours.transport.copy = tear
    name = ours.put(file)
    assert (tmp_path / ours.folder / name).read_bytes() == file.read_bytes()
    ours.put(file)
    assert len(copies) == 2  # it is there already
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("damaged", [False, True])
def test_a_connection_that_breaks_before_the_answer_loses_no_upload(ours, tmp_path, damaged):
    file = tmp_path / "net.zip"
    file.write_bytes(b"a network")
    run, broken = ours.transport.run, []

    def breaks(words, stdin="", timeout_s=60.0):
        first = "finish_upload" in words and not broken
        if first and damaged:
            (tmp_path / ours.folder / f"{words[-1]}.part").write_bytes(b"a net")
        done = run(words, stdin, timeout_s)
        if first:
            broken.append(words)
            raise Unreachable("connection reset")
        return done

    ours.transport.run = breaks
    name = ours.put(file)
    assert broken
    assert (tmp_path / ours.folder / name).read_bytes() == b"a network"


def test_it_removes_nothing_that_is_not_its_own(tmp_path):
    copy = tmp_path / "agent.py"
    for file in AGENT:
        shutil.copy(file, tmp_path)
    said = subprocess.run([sys.executable, copy, "clean"], capture_output=True, text=True).stdout
    assert "nothing is removed" in json.loads(said)["message"]
    assert copy.exists()


def test_what_a_host_left_behind_is_removed_after_a_week(ours, tmp_path):
    old, fresh = tmp_path / FOLDER / "run-0", tmp_path / FOLDER / "run-9"
    for folder, days in ((old, 8), (fresh, 6)):
        folder.mkdir()
        os.utime(folder, (time.time() - days * 86400,) * 2)
    ours.hello()
    assert not old.exists()
    assert fresh.exists()


def test_a_python_that_is_none_is_reported_in_a_line(tmp_path):
    made = Board(Here(tmp_path), "run-1", "false")
    made.open()
    with pytest.raises(AgentError, match="false there does not run the agent"):
        made.hello()


# --- the host's side, with a board that is only described


class Clock:
    def __init__(self):
        self.now, self.waits = 0.0, []

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds

    def patience(self):
        from co3d_bench.devices.remote.board import Patience

        return Patience(sleep=self.sleep, clock=lambda: self.now)


class Cut(Here):
    """Follows one file of lines, and breaks the connection where a test says: after so many bytes each time."""

    def __init__(self, whole, cuts):
        self.whole, self.cuts = whole, list(cuts)

    def run(self, words, stdin="", timeout_s=60.0):
        return Done(0, '{"event": "started", "again": false}\n', "")

    def lines(self, words):
        data = self.whole[int(words[-1]) :]
        yield from (b"Welcome!\n", b'{"event": "from"}\n')  # a shell that greets
        if self.cuts:
            for line in data[: self.cuts.pop(0)].splitlines(keepends=True):
                if line.endswith(b"\n"):
                    yield line
            raise Unreachable("cut")
        yield from data.splitlines(keepends=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=8), max_size=8), st.lists(st.integers(0, 200), max_size=6))
def test_no_line_is_lost_or_twice_wherever_the_connection_breaks(texts, cuts):
    lines = [json.dumps({"event": "line", "is": text}) for text in texts] + ['{"event": "ended"}']
    received, clock = [], Clock()
    made = Board(Cut("".join(f"{line}\n" for line in lines).encode(), cuts), "r", patience=clock.patience())
    assert made.run({}, received.append) == {"event": "ended"}
    assert [event["is"] for event in received] == texts


def test_a_lost_board_is_tried_again_less_and_less_often_and_given_up(tmp_path):
    clock = Clock()
    made = Board(Cut(b"", [0] * 1000), "r", patience=clock.patience())
    with pytest.raises(Unreachable, match=r"nowhere was not reachable for \d+ s: cut"):
        made.run({}, lambda event: None)
    assert clock.waits[:7] == [1, 2, 4, 8, 16, 30, 30]
    assert 540 < clock.now <= 600


def test_a_board_that_was_silent_for_long_is_not_away_for_as_long():
    clock = Clock()

    class Silent(Cut):
        def lines(self, words):
            clock.now += 3000 if self.cuts else 0  # e.g. an engine that compiles
            yield from super().lines(words)

    made = Board(Silent(b'{"event": "ended"}\n', [0]), "r", patience=clock.patience())
    assert made.run({}, lambda event: None) == {"event": "ended"}
    assert clock.waits == [1]


class Says(Here):
    """Answers with that text, whatever is asked, and ends."""

    def __init__(self, text):
        self.text = text

    def run(self, words, stdin="", timeout_s=60.0):
        return Done(0, self.text, "")

    def lines(self, words):
        yield from self.text.encode().splitlines(keepends=True)


HELLO = {"event": "hello", "machine": "m", "torch": None, "trtexec": None, "files": {}, "unread": {}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Welcome!\n\x00\xff\n", "does not run the agent"),
        ("[" * 100_000, "does not run the agent"),
        ('{"event": 3}\n', "does not run the agent"),
        ('{"event": "hello"}\n', "no agent's: machine: Field required"),
        (json.dumps({**HELLO, "here": "x"}), "no agent's: here"),
        (json.dumps({**HELLO, "here": [], "unread": {"/a": "tired"}}), "no agent's: unread./a"),
        ('{"event": "error"}', "None"),
    ],
)
def test_an_answer_that_is_none_is_an_error_of_that_board(text, words):
    with pytest.raises(AgentError, match=words):
        Board(Says(text), "r").hello()


def test_a_shell_that_only_greets_is_given_up_like_a_lost_board():
    clock = Clock()
    made = Board(Says('{"event": "started"}\n'), "r", patience=clock.patience())
    with pytest.raises(Unreachable, match="was not reachable"):
        made.run({}, lambda event: None)


def test_what_a_case_leaves_running_ends_with_it(ours):
    (ours.transport.home / ours.folder / "script.py").write_text(
        "import os, subprocess\nsubprocess.Popen(['sleep', '971'], start_new_session=True, cwd=os.environ['HOME'])\n"
        + SCRIPT
    )
    mark = str(ours.transport.home)
    ours.transport.environment["HOME"] = mark
    for asked in (job("a"), job("b", then_s=60, timeout_s=0.5)):
        ours.run(asked, lambda event: None)
        assert not [each for each in psutil.process_iter(["cmdline", "cwd"]) if sleeps_in(each, mark)]


def sleeps_in(process, folder):
    return process.info["cmdline"] == ["sleep", "971"] and process.info["cwd"] == folder


@pytest.mark.parametrize(
    ("constants", "lines", "why"),
    [
        ({"OUTPUT_BYTES": "50", "CHECK_EVERY_S": "0.1"}, ["x" * 100], "it wrote more than 0 MiB"),
        ({"UNFOLLOWED_S": "-1", "CHECK_EVERY_S": "0.1"}, ["x"], "nobody followed it for -1 s"),
    ],
)
def test_a_case_that_writes_too_much_or_that_nobody_follows_is_ended(ours, constants, lines, why):
    patched(ours, **constants)
    ended = ours.run(job(lines, then_s=60), lambda event: None)
    assert (ended["why"], ended["timed_out"], ended["returncode"]) == (why, False, -signal.SIGKILL)


def test_a_run_that_is_no_name_for_a_folder_is_refused(tmp_path):
    for name in ("../x", "", "-rf", "a b", "a/b"):
        with pytest.raises(ValueError, match="no name for a folder"):
            Board(Here(tmp_path), name)
