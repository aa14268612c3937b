"""The verb doctor on invented machines, in processes of its own, signals included."""

import json
import os
import signal
import subprocess
import sys

import pytest

from co3d_bench.bench.plan.torch_facts import read_torch
from co3d_bench.cli import fixes
from co3d_bench.devices.doctor.fix import STATE
from co3d_bench.devices.root import Local

from ..devices.boards import board, write

GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
LAPTOP = {
    "/proc/self/status": "Cpus_allowed_list:\t0\n",
    "/proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU\n\n",
    "/proc/loadavg": "0.01 0 0 1/2 3\n",
    "/proc/meminfo": "MemTotal: 16000000 kB\nMemAvailable: 9000000 kB\n",
    "/proc/sys/kernel/random/boot_id": "boot-1\n",
    "/sys/devices/system/cpu/present": "0\n",
    GOVERNOR: "powersave\n",
}
WAITS = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"


def start(root, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "co3d_bench", "doctor", "--sysroot", str(root), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def call(root, *arguments):
    process = start(root, *arguments)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, out, err


def test_findings_have_their_effect_and_fix(tmp_path):
    write(tmp_path, LAPTOP)
    code, out, err = call(tmp_path)
    assert code == 1
    assert "BAD   governor     powersave\n" in out
    assert "echo performance | sudo tee" in out
    assert "doctor --fix -- COMMAND" in err
    assert "device auto: cpu" in err


def test_a_board_is_recognised_and_another_one_refused(tmp_path):
    board(tmp_path, "tx2")
    code, out, err = call(tmp_path)
    assert "device auto: tx2 (NVIDIA Jetson TX2), because its device tree has nvidia,p2597-0000+p3310-1000" in err
    assert "BAD   power-mode     MAXP_CORE_ARM (id 3); MAXN (id 0) is the usual mode" in out
    code, out, err = call(tmp_path, "--device", "xavier")
    assert code == 7
    assert "is not this machine" in err


def test_it_holds_while_a_command_runs(tmp_path):
    root = write(tmp_path, LAPTOP)
    reads = f"import sys; print(open({str(tmp_path / GOVERNOR[1:])!r}).read()); sys.exit(5)"
    code, out, err = call(tmp_path, "--fix", "--", sys.executable, "-c", reads)
    assert (code, out) == (5, "performance\n")
    assert root.read(GOVERNOR) == "powersave"
    assert "governor: powersave -> performance" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_and_puts_everything_back(tmp_path, number):
    root = write(tmp_path, LAPTOP)
    process = start(tmp_path, "--fix", "--", sys.executable, "-c", WAITS)
    assert process.stdout.readline()
    assert root.read(GOVERNOR) == "performance"
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode in (128 + number, 1)
    assert root.read(GOVERNOR) == "powersave"
    assert not (tmp_path / STATE).exists()


def test_after_a_kill_the_next_start_puts_everything_back(tmp_path):
    root = write(tmp_path, LAPTOP)
    process = start(tmp_path, "--fix", "--", sys.executable, "-c", WAITS)
    left = int(process.stdout.readline())
    process.kill()
    process.wait()
    os.kill(left, signal.SIGKILL)
    process.communicate()
    assert root.read(GOVERNOR) == "performance"
    _, out, err = call(tmp_path)
    assert "was killed; restoring the settings it changed" in err
    assert root.read(GOVERNOR) == "powersave"
    assert "BAD   governor     powersave" in out


def test_a_run_does_the_same_and_without_root_says_how(tmp_path, monkeypatch, capsys):
    root = write(tmp_path, LAPTOP)
    call(tmp_path, "--fix")
    state = tmp_path / STATE
    state.write_text(json.dumps(json.loads(state.read_text()) | {"pid": 2**22 + 1}))  # beyond any process
    fixer = fixes.fixer_of(tmp_path)
    monkeypatch.setattr(fixes, "fixer_of", lambda sysroot: fixer)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    fixes.report_leftover()
    assert "`sudo co3d-bench doctor --restore` restores the old ones" in capsys.readouterr().err
    assert root.read(GOVERNOR) == "performance"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fixes.report_leftover()
    assert f"{GOVERNOR}: performance -> powersave" in capsys.readouterr().err
    assert root.read(GOVERNOR) == "powersave"
    state.write_text("not json")
    fixes.report_leftover()
    assert "cannot be read" in capsys.readouterr().err


def test_without_a_command_it_stays_until_it_is_restored(tmp_path):
    root = write(tmp_path, LAPTOP)
    assert "until: co3d-bench doctor --restore" in call(tmp_path, "--fix")[2]
    assert call(tmp_path)[0] == 0
    assert root.read(GOVERNOR) == "performance"
    code, _, err = call(tmp_path, "--fix")
    assert (code, "settings of an earlier --fix are still active" in err) == (4, True)
    assert f"{GOVERNOR}: performance -> powersave" in call(tmp_path, "--restore")[2]
    assert root.read(GOVERNOR) == "powersave"
    assert "nothing to restore" in call(tmp_path, "--restore")[2]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--", "true"), 2, "a command goes with --fix"),
        (("--fix", "--restore"), 2, "are opposites"),
        (("--device", "xaviers"), 2, "--device: xaviers: did you mean xavier?"),
        (("--fix", "--", "/no/such/command"), 4, "/no/such/command: cannot be started: No such file or directory"),
    ],
)
def test_mistakes_are_one_message(tmp_path, arguments, code, message):
    root = write(tmp_path, LAPTOP)
    done = call(tmp_path, *arguments)
    assert done[0] == code
    assert message in done[2]
    assert Local(tmp_path).read(GOVERNOR) == root.read(GOVERNOR) == "powersave"


def test_torch_of_this_process():
    facts = read_torch()
    assert facts.version
    assert facts.reason is None
