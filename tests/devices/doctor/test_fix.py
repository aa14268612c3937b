import json
import os
from pathlib import Path

import pytest

from co3d_bench.devices.doctor import Command, Finding, Write
from co3d_bench.devices.doctor.fix import STATE, Fixer, FixError
from co3d_bench.devices.root import Local, Reason

from ..boards import FIXTURES, write

BOOT = "/proc/sys/kernel/random/boot_id"
A, B = (f"/sys/devices/system/cpu/cpu{number}/cpufreq/scaling_governor" for number in (0, 1))
GOVERNOR = Finding("governor", "bad", "x", writes=(Write(A, "performance"), Write(B, "performance")))
MODE = Finding(
    "power-mode", "bad", "x", commands=(Command(("nvpmodel", "-m", "0"), ("nvpmodel", "-m", "3"), over_reboot=True),)
)
CLOCKS = Finding(
    "clocks-locked",
    "bad",
    "x",
    commands=(
        Command(
            ("jetson_clocks",), ("jetson_clocks", "--restore", "{store}"), (("jetson_clocks", "--store", "{store}"),)
        ),
    ),
)


class Board:
    """A stand-in for the board's tools: it keeps the mode, and what it was asked to run."""

    def __init__(self, reboots=False):
        self.mode, self.asked, self.reboots = 3, [], reboots

    def __call__(self, words):
        self.asked.append(" ".join(word.rsplit("/", 1)[-1] for word in words))
        if words == ("nvpmodel", "-q"):
            return 0, f"NV Power Mode: M{self.mode}\n{self.mode}\n"
        if words[0] == "nvpmodel":
            if self.reboots:
                return 234, (FIXTURES / "nvpmodel-reboot-declined.txt").read_text()
            self.mode = int(words[-1])
        return 0, ""


@pytest.fixture
def machine(tmp_path):
    return write(tmp_path, {A: "powersave\n", B: "schedutil\n", BOOT: "boot-1\n"})


def fixer(machine, run=None):
    return Fixer(machine, machine.sysroot / STATE, run)


def test_what_was_changed_is_put_back(machine):
    assert fixer(machine).apply([GOVERNOR]) == [
        "governor: powersave -> performance",
        "governor: schedutil -> performance",
    ]
    assert (machine.read(A), machine.read(B)) == ("performance", "performance")
    assert len(fixer(machine).restore()) == 2  # another process: all that is known is on the disk
    assert (machine.read(A), machine.read(B)) == ("powersave", "schedutil")
    assert fixer(machine).leftover() is None
    assert fixer(machine).restore() == []


def test_what_was_before_is_on_the_disk_before_the_change(machine):
    class Dies(Local):
        def write(self, path, text):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Fixer(Dies(machine.sysroot), machine.sysroot / STATE, None).apply([GOVERNOR])
    (change,) = fixer(machine).leftover().done
    assert (change.path, change.before) == (A, "powersave")


def test_what_somebody_else_changed_since_is_left(machine):
    fixer(machine).apply([GOVERNOR])
    machine.write(A, "userspace")
    lines = fixer(machine).restore()
    assert f"{A}: left at userspace, which another program or person set" in lines
    assert (machine.read(A), machine.read(B)) == ("userspace", "schedutil")


def test_what_may_not_be_written_is_reported_and_not_put_back(machine):
    class Refuses(Local):
        def write(self, path, text):
            return Reason.FORBIDDEN if path == A else super().write(path, text)

    lines = Fixer(Refuses(machine.sysroot), machine.sysroot / STATE, None).apply([GOVERNOR])
    assert lines == [f"governor: {A}: not permitted", "governor: schedutil -> performance"]
    assert [change.path for change in fixer(machine).leftover().done] == [B]


def test_nothing_to_do_leaves_nothing(machine):
    fine = Finding("governor", "good", "performance")
    advice = Finding("turbo", "advice", "on", writes=(Write(A, "1"),))
    assert fixer(machine).apply([fine, advice]) == []
    assert machine.read(A) == "powersave"
    assert not (machine.sysroot / "var").exists()


def test_tools_are_run_in_order_and_undone_backwards(machine):
    board = Board()
    one = fixer(machine, board)
    one.apply([MODE, CLOCKS])
    store = "jetson_clocks.conf"
    assert board.asked == ["nvpmodel -m 0", "nvpmodel -q", f"jetson_clocks --store {store}", "jetson_clocks"]
    board.asked.clear()
    one.restore()
    assert board.asked == [f"jetson_clocks --restore {store}", "nvpmodel -m 3"]
    assert board.mode == 3


def test_a_mode_that_wants_a_reboot_is_not_taken(machine):
    board = Board(reboots=True)
    (line,) = fixer(machine, board).apply([MODE])
    assert "exit code 234" in line
    assert board.mode == 3
    assert fixer(machine, board).leftover() is None


def test_after_a_reboot_only_what_outlives_it_is_put_back(machine):
    board = Board()
    fixer(machine, board).apply([MODE, CLOCKS, GOVERNOR])
    write(machine.sysroot, {BOOT: "boot-2\n", A: "powersave\n", B: "performance\n"})
    board.asked.clear()
    lines = fixer(machine, board).restore()
    assert board.asked == ["nvpmodel -m 3"]
    assert (machine.read(A), machine.read(B)) == ("powersave", "performance")
    assert sum("was restarted" in line for line in lines) == 3


def test_what_could_not_be_put_back_is_kept(machine):
    board = Board()
    fixer(machine, board).apply([MODE, GOVERNOR])
    lines = fixer(machine, lambda words: (1, "busy")).restore()
    assert "nvpmodel -m 3: exit code 1: busy" in lines
    assert machine.read(A) == "powersave"
    assert [change.undo for change in fixer(machine).leftover().done] == [("nvpmodel", "-m", "3")]


def test_two_doctors_do_not_work_at_once(machine):
    fixer(machine).apply([GOVERNOR])
    fixer(machine).hold(os.getppid())
    with pytest.raises(FixError, match=f"process {os.getppid()}"):
        fixer(machine).apply([GOVERNOR])
    fixer(machine).hold(0)
    with pytest.raises(FixError, match="first: doctor --restore"):
        fixer(machine).apply([GOVERNOR])
    assert machine.read(A) == "performance"


def test_without_root_nothing_is_changed(machine, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(FixError, match="changing settings needs root"):
        fixer(machine).apply([GOVERNOR])
    assert machine.read(A) == "powersave"


@pytest.mark.parametrize("text", ["", "{}", '{"boot_id": 1, "what": 2}', "[]"])
def test_a_broken_file_is_reported(machine, text):
    write(machine.sysroot, {f"/{STATE}": text})
    with pytest.raises(FixError, match="cannot be read"):
        fixer(machine).restore()


def test_the_file_is_plain_json(machine):
    fixer(machine).apply([GOVERNOR])
    assert json.loads((machine.sysroot / STATE).read_text())["boot_id"] == "boot-1"


@pytest.mark.parametrize("pid", [7, "7", True, -1, 10**20, None])
@pytest.mark.parametrize("done", ["[]", "null", "[{}]", "[[]]", '[{"path": 1}]', '[{"words": ["a"], "what": 1}]'])
def test_a_file_of_another_form_is_one_sentence(machine, pid, done):
    write(machine.sysroot, {f"/{STATE}": f'{{"boot_id": "boot-1", "pid": {json.dumps(pid)}, "done": {done}}}'})
    one = fixer(machine, Board())
    if (pid, done) == (7, "[]"):
        assert one.restore() == []
        return
    with pytest.raises(FixError) as raised:
        one.restore()
    assert "\n" not in str(raised.value)


def test_nesting_without_end_is_one_sentence(machine):
    write(machine.sysroot, {f"/{STATE}": "[" * 100_000})
    with pytest.raises(FixError, match="cannot be read"):
        fixer(machine).apply([GOVERNOR])


def stored(machine, *changes, boot="boot-1", pid=0):
    text = json.dumps({"boot_id": boot, "pid": pid, "done": list(changes)})
    write(machine.sysroot, {f"/{STATE}": text})


@pytest.mark.parametrize(
    "change",
    [
        {"words": ["x"], "undo": ["/bin/sh", "-c", "id"], "over_reboot": True},
        {"words": ["nvpmodel", "-m", "0"], "undo": ["nvpmodel", "-m", "3", "-f", "/conf"]},
        {"words": ["jetson_clocks"], "undo": ["jetson_clocks", "--restore", "/mine"]},
        {"words": ["jetson_clocks"], "undo": ["./jetson_clocks"]},
        {"words": ["nvpmodel", "-m", "0"], "undo": []},
        {"path": "/etc/shadow", "before": "root::0", "value": "x"},
        {"path": A.replace("cpu0", "cpu0/../../../../../etc"), "before": "powersave", "value": "performance"},
        {"path": A, "before": "root::0\n", "value": "performance"},
        {"path": A + "\n", "before": "powersave", "value": "performance"},
        {},
    ],
)
def test_only_what_doctor_does_is_undone(machine, change):
    board = Board()
    stored(machine, {"path": A, "before": "ondemand", "value": "powersave"}, change)
    with pytest.raises(FixError):
        fixer(machine, board).restore()
    assert board.asked == []
    assert machine.read(A) == "powersave"


@pytest.mark.parametrize("folder", ["", "var/lib/co3d-bench", "var/lib", "var"])
def test_a_file_that_others_can_write_is_not_obeyed(machine, folder):
    stored(machine, {"path": A, "before": "ondemand", "value": "powersave"})
    (machine.sysroot / (folder or STATE)).chmod(0o777 if folder else 0o666)
    with pytest.raises(FixError, match="others than root can write it"):
        fixer(machine).restore()
    assert machine.read(A) == "powersave"


def test_a_link_is_not_obeyed(machine, tmp_path_factory):
    stored(machine, {"path": A, "before": "ondemand", "value": "powersave"})
    state = machine.sysroot / STATE
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "doctor.json"
    state.rename(elsewhere)
    state.symlink_to(elsewhere)
    with pytest.raises(FixError, match=r"doctor\.json"):
        fixer(machine).restore()
    state.unlink()
    os.mkfifo(state)
    with pytest.raises(FixError, match=r"doctor\.json"):
        fixer(machine).restore()


def test_the_undo_of_a_command_that_failed_half_way_is_kept(machine):
    board = Board()

    def slow(words):
        code, text = board(words)
        return (124, "did not end within 20 s") if words == ("jetson_clocks",) else (code, text)

    (line,) = fixer(machine, slow).apply([CLOCKS])
    assert "exit code 124" in line
    assert "is undone" in line
    fixer(machine, board).restore()
    assert board.asked[-1] == "jetson_clocks --restore jetson_clocks.conf"
    assert fixer(machine).leftover() is None


def test_a_process_number_of_another_boot_or_of_a_later_process_is_nobody(machine):
    stored(machine, {"path": A, "before": "ondemand", "value": "powersave"}, boot="boot-0", pid=1)
    assert fixer(machine).left_by_killed_process().pid == 1
    assert len(fixer(machine).apply([GOVERNOR])) == 2  # the reboot has restored the rest
    fixer(machine).restore()
    state = machine.sysroot / STATE
    fixer(machine).apply([GOVERNOR])
    assert fixer(machine).left_by_killed_process() is None
    state.write_text(json.dumps(json.loads(state.read_text()) | {"started": 1}))
    assert fixer(machine).left_by_killed_process().pid == os.getpid()


def test_after_a_signal_no_further_change_is_begun(machine):
    asked = iter([False, True])
    fixer(machine).apply([GOVERNOR], lambda: next(asked))
    assert (machine.read(A), machine.read(B)) == ("performance", "schedutil")
    assert [change.path for change in fixer(machine).leftover().done] == [A]


def test_what_doctor_does_not_know_is_not_done(machine):
    odd = Finding("odd", "bad", "x", writes=(Write("/etc/motd", "x"),), commands=(Command(("reboot",), ("true",)),))
    write(machine.sysroot, {"/etc/motd": "hello"})
    board = Board()
    assert all("not " in line for line in fixer(machine, board).apply([odd]))
    assert (machine.read("/etc/motd"), board.asked) == ("hello", [])
