import dataclasses

import pytest

from co3d_bench.devices.detect import read_hardware
from co3d_bench.devices.doctor import MachineFacts, TorchFacts, Write
from co3d_bench.devices.doctor.checks import examine, runs_on
from co3d_bench.devices.nvpmodel import Mode, read_mode
from co3d_bench.devices.profile import list_profiles
from co3d_bench.devices.root import Snapshot
from co3d_bench.devices.sensors import Reading
from co3d_bench.devices.sensors.find import find_sensors

from ..boards import files, snapshot

PROFILES = {profile.name: profile for profile in list_profiles()}
JETSON_TORCH = TorchFacts("1.10.0", "10.2", True, ("sm_53", "sm_62", "sm_72"), "8201", False, True, True)


def machine(name, root=None, **changes):
    root = root or snapshot(name)
    profile = PROFILES[name]
    readings = {}
    for sensor in find_sensors(profile, root):
        readings |= sensor.read()
    return MachineFacts(
        root, profile, read_hardware(root), readings, read_mode(root, None), **{"torch": JETSON_TORCH, **changes}
    )


def found(machine):
    return {finding.check: finding for finding in examine(machine) if finding.check != "sensors"}


def test_a_tx2_as_it_comes():
    findings = found(machine("tx2"))
    states = {check: finding.state for check, finding in findings.items()}
    assert findings["board"].what == "L4T 32.7.6"
    assert states == {
        "board": "good",
        "power-mode": "bad",
        "clocks-locked": "bad",
        "governor": "bad",
        "temperature": "good",
        "load": "good",
        "memory": "good",
        "affinity": "advice",
        "torch": "good",
        "cudnn": "good",
    }
    assert findings["power-mode"].what == "MAXP_CORE_ARM (id 3); MAXN (id 0) is the usual mode"
    assert findings["power-mode"].fix.startswith("sudo nvpmodel -m 0 ")
    assert [command.words for command in findings["power-mode"].commands] == [("nvpmodel", "-m", "0")]
    assert findings["power-mode"].commands[0].undo == ("nvpmodel", "-m", "3")
    assert findings["affinity"].what == (
        "4 of 6 processors (1 and 2 off by the power mode, 1 and 2 kept apart by isolcpus)"
    )
    assert "benchmark off, TF32 on in convolutions" in findings["cudnn"].what


def test_a_board_that_is_ready():
    tree, unread = files("xavier")
    for path in tree:
        if path.endswith("scaling_min_freq"):
            tree[path] = tree[path.replace("min", "max")]
    tree["/sys/class/devfreq/17000000.gv11b/min_freq"] = tree["/sys/class/devfreq/17000000.gv11b/max_freq"]
    ready = dataclasses.replace(machine("xavier", Snapshot(tree, unread)), mode=Mode(0, "MAXN"))
    assert {finding.check for finding in examine(ready) if finding.state == "bad"} == set()


def test_the_mode_that_is_meant_is_that_of_the_profile():
    findings = found(dataclasses.replace(machine("xavier-nx"), mode=Mode(2, "MODE_15W_6CORE")))
    assert [command.words for command in findings["power-mode"].commands] == [("nvpmodel", "-m", "8")]
    unknown = found(dataclasses.replace(machine("xavier-nx"), mode=Mode(None, "ODD")))
    assert not unknown["power-mode"].can_be_fixed  # nobody could take it back


CPU = "/sys/devices/system/cpu"


def test_a_board_is_reported_with_what_jetson_stats_knows():
    facts = {"Module": "P3310", "L4T": "32.7.6", "CUDA": "10.2"}
    assert found(machine("tx2", board=facts))["board"].what == "L4T 32.7.6, Module P3310, CUDA 10.2"
    empty = Snapshot({})
    assert found(machine("tx2", empty, board="not installed"))["board"].state == "unknown"
    assert found(machine("tx2", empty, board=facts))["board"].what == "Module P3310, L4T 32.7.6, CUDA 10.2"


def test_a_laptop_that_saves_power():
    root = Snapshot(
        {
            "/proc/self/status": "Cpus_allowed_list:\t0-1\n",
            "/proc/loadavg": "3.10 1 1 1/2 3",
            "/proc/meminfo": "MemTotal: 16000000 kB\nMemAvailable: 400000 kB\nSwapTotal: 2000000 kB\nSwapFree: 0 kB\n",
            f"{CPU}/present": "0-1",
            f"{CPU}/intel_pstate/no_turbo": "0",
            f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave",
            f"{CPU}/cpu1/cpufreq/scaling_governor": "performance",
            "/sys/class/thermal/thermal_zone0/type": "x86_pkg_temp",
            "/sys/class/thermal/thermal_zone0/temp": "91000",
        }
    )
    findings = found(machine("cpu", root, torch=TorchFacts("2.13.0")))
    states = {check: finding.state for check, finding in findings.items()}
    assert states == {
        "governor": "bad",
        "turbo": "advice",
        "temperature": "bad",
        "load": "bad",
        "swap": "advice",
        "memory": "bad",
        "affinity": "good",
        "torch": "good",
    }
    assert findings["governor"].writes == (Write(f"{CPU}/cpu0/cpufreq/scaling_governor", "performance"),)
    assert "91 °C (x86_pkg_temp)" in findings["temperature"].what
    for finding in findings.values():
        assert finding.state == "good" or (finding.effect and finding.fix) or finding.state == "unknown"


@pytest.mark.parametrize(
    ("facts", "state", "what"),
    [
        (TorchFacts(reason="torch cannot be imported: x"), "bad", "cannot be imported"),
        (TorchFacts("2.13.0"), "bad", "a build for the CPU"),
        (TorchFacts("2.13.0", "12.6"), "bad", "sees no GPU"),
        (TorchFacts("2.13.0", "12.6", True, ("sm_75", "sm_90")), "good", "CUDA 12.6"),
        (TorchFacts("2.13.0", "12.6", True, ("sm_80", "sm_90")), "bad", "no code for sm_75, only for sm_80, sm_90"),
    ],
)
def test_whether_torch_can_use_the_card(facts, state, what):
    finding = found(machine("rtx2080ti", Snapshot({}), torch=facts))["torch"]
    assert finding.state == state
    assert what in finding.what


@pytest.mark.parametrize(
    ("wanted", "architectures", "answer"),
    [
        ("sm_62", ("sm_53", "sm_62"), True),
        ("sm_62", ("sm_60",), True),
        ("sm_86", ("sm_80",), True),
        ("sm_75", ("sm_80",), False),
        ("sm_80", ("sm_75",), False),
        ("sm_90", ("sm_75", "compute_75"), True),
        ("sm_90", ("sm_90a",), True),
        ("sm_62", (), False),
    ],
)
def test_code_for_one_card_runs_on_another(wanted, architectures, answer):
    assert runs_on(wanted, architectures) is answer


def test_others_on_the_card_are_reported():
    base = machine("rtx2080ti", Snapshot({}), torch=None)
    for value, state in ((0.0, "good"), (2.0, "bad")):
        one = dataclasses.replace(base, readings={"gpu_other_processes": Reading(value)})
        assert found(one)["gpu-processes"].state == state


def test_figures_that_cannot_be_read_are_reported_once_a_reason_with_their_fix():
    silent = {
        "energy_j/cpu packages": Reading(reason="not permitted; sudo chmod a+r x"),
        "temperature_c/a": Reading(reason="off"),
        "temperature_c/b": Reading(reason="off"),
        "cpu_hz": Reading(1e9),
    }
    findings = [
        f for f in examine(dataclasses.replace(machine("cpu", Snapshot({})), readings=silent)) if f.check == "sensors"
    ]
    assert [(finding.state, finding.what) for finding in findings] == [
        ("good", "1 figures can be read"),
        ("advice", "energy_j/cpu packages: not permitted"),
        ("unknown", "temperature_c/a, temperature_c/b: off"),
    ]
    assert findings[1].fix == "sudo chmod a+r x"
    assert findings[1].effect == "no energy per prediction"


@pytest.mark.parametrize("name", ["tx2", "xavier", "xavier-nx", "orin"])
def test_a_machine_that_reports_nothing_is_no_error(name):
    empty = Snapshot({})
    for finding in examine(MachineFacts(empty, PROFILES[name], read_hardware(empty))):
        assert finding.what
