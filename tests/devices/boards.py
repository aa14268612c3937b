"""Invented boards: trees of files at the paths where real ones have them, with the values that real ones printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from co3d_bench.devices.root import Local, Reason, Snapshot

FIXTURES = Path(__file__).with_name("fixtures")
TREES = json.loads((FIXTURES / "device_tree.json").read_text())
RELEASES = (FIXTURES / "nv_tegra_release.txt").read_text().splitlines()


def old_python(*versions: str) -> str | None:
    """The first of these versions of Python that is here: one that is named for it, on the PATH, or of pyenv's."""
    named = os.environ.get("CO3D_BENCH_OLD_PYTHON")
    for version in versions:
        of_pyenv = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
        for path in filter(None, (named, shutil.which(f"python{version}"), *map(str, of_pyenv))):
            check = [path, "-c", f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"]
            if subprocess.run(check, capture_output=True, check=False).returncode == 0:
                return path
    return None


# name -> device tree, line of the release file, tegrastats, and where things lie
_BOARDS = {
    "tx2": ("tx2_real", 1, "tegrastats-tx2.txt"),
    "xavier": ("agx_xavier", 0, "tegrastats-xavier.txt"),
    "xavier-nx": ("xavier_nx", 2, "tegrastats-xavier-nx.txt"),
    "orin": ("agx_orin", 2, "tegrastats-orin.txt"),
}
_IIO = {
    "tx2": {
        "0-0040/iio:device0": ("VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_4V0_WIFI"),
        "0-0041/iio:device1": ("VDD_IN", "VDD_SYS_CPU", "VDD_SYS_DDR"),
    },
    "xavier": {"1-0040/iio:device0": ("GPU", "CPU", "SOC"), "1-0041/iio:device1": ("CV", "VDDRQ", "SYS5V")},
}
_HWMON = {
    "xavier-nx": {"7-0040/hwmon/hwmon3": ("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")},
    "orin": {
        "1-0040/hwmon/hwmon1": ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
        "1-0041/hwmon/hwmon2": ("NC", "VDDQ_VDD2_1V8AO", "NC"),
    },
}
_GPU = {"tx2": "17000000.gp10b", "xavier": "17000000.gv11b", "xavier-nx": "17000000.gv11b", "orin": "17000000.ga10b"}
# online processors, processors, lowest and highest clock of CPU (kHz) and GPU (Hz) in the board's present mode
_CLOCKS = {
    "tx2": ("0,3-5", 6, 345600, 2035200, 114750000, 1134750000),
    "xavier": ("0-3", 8, 1190400, 1200000, 318750000, 670000000),
    "xavier-nx": ("0-5", 6, 1190400, 1420800, 114750000, 1109250000),
    "orin": ("0-11", 12, 729600, 2201600, 306000000, 1300500000),
}  # fmt: skip
_NVPMODEL = {
    "tx2": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=3 NAME=MAXP_CORE_ARM >\n",
    "xavier": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=2 NAME=MODE_15W >\n",
}
_STATUS = {"tx2": "pmode:0003 fmode:quiet", "xavier": "pmode:0002 fmode:quiet"}


def rails(name: str) -> dict[str, int]:
    """Milliwatts by rail, as tegrastats printed them."""
    line = (FIXTURES / _BOARDS[name][2]).read_text()
    named = re.findall(r"(\S+) (\d+)(?:mW)?/\d+(?:mW)?(?= |$)", line.split("thermal@")[-1].split("CV2@")[-1])
    return {rail: int(power) for rail, power in named}


def temperatures(name: str) -> dict[str, float]:
    """Degrees by zone, as tegrastats printed them; -256 where it is gated."""
    line = (FIXTURES / _BOARDS[name][2]).read_text()
    return {zone: float(value) for zone, value in re.findall(r"(\w+)@(-?[\d.]+)C\b", line)}


def files(name: str) -> tuple[dict[str, str], dict[str, Reason]]:
    """Every file of a board, and those that are there and give nothing."""
    tree, release, _ = _BOARDS[name]
    online, processors, cpu_min, cpu_max, gpu_min, gpu_max = _CLOCKS[name]
    found = {
        "/proc/device-tree/model": TREES[tree]["model"],
        "/proc/device-tree/compatible": TREES[tree]["compatible"],
        "/etc/nv_tegra_release": RELEASES[release] + "\n",
        "/proc/sys/kernel/arch": "aarch64\n",
        "/proc/sys/kernel/osrelease": "4.9.337-tegra\n",
        "/proc/meminfo": "MemTotal: 8040448 kB\nMemAvailable: 5500000 kB\nSwapTotal: 4020224 kB\n",
        "/proc/loadavg": "0.12 0.20 0.15 1/300 4000\n",
        "/proc/self/status": f"Name:\tpython3\nCpus_allowed_list:\t{online}\n",
        "/sys/devices/system/cpu/online": f"{online}\n",
        "/sys/devices/system/cpu/present": f"0-{processors - 1}\n",
        "/sys/devices/system/cpu/isolated": "1-2\n" if name == "tx2" else "\n",
        "/sys/devices/gpu.0/load": "0\n",
    }
    unread: dict[str, Reason] = {}
    numbers = _cpus(online)
    found["/proc/cpuinfo"] = "".join(
        f"processor\t: {cpu}\nBogoMIPS\t: 62.50\nCPU implementer\t: 0x4e\n\n" for cpu in numbers
    )
    for cpu in numbers:
        folder = f"/sys/devices/system/cpu/cpu{cpu}/cpufreq"
        found |= {
            f"{folder}/scaling_governor": "schedutil\n",
            f"{folder}/scaling_available_governors": "ondemand userspace performance schedutil\n",
            f"{folder}/scaling_min_freq": f"{cpu_min}\n",
            f"{folder}/scaling_max_freq": f"{cpu_max}\n",
            f"{folder}/scaling_cur_freq": f"{cpu_max}\n",
        }
    folder = f"/sys/class/devfreq/{_GPU[name]}"
    found |= {
        f"{folder}/min_freq": f"{gpu_min}\n",
        f"{folder}/max_freq": f"{gpu_max}\n",
        f"{folder}/cur_freq": f"{gpu_min}\n",
        f"{folder}/governor": "nvhost_podgov\n",
    }
    for place, names in _IIO.get(name, {}).items():
        folder = f"/sys/bus/i2c/drivers/ina3221x/{place}"
        for channel, rail in enumerate(names):
            found[f"{folder}/in_power{channel}_input"] = f"{rails(name)[rail]}\n"
            unread[f"{folder}/rail_name_{channel}"] = Reason.FORBIDDEN  # root's alone
    for place, names in _HWMON.get(name, {}).items():
        folder = f"/sys/bus/i2c/devices/{place}"
        found[f"{folder}/name"] = "ina3221\n"
        found[f"{folder}/in7_label"] = "sum of shunt voltages\n"
        for channel, rail in enumerate(names, start=1):
            found |= {
                f"{folder}/in{channel}_label": f"{rail}\n",
                f"{folder}/in{channel}_input": "5000\n",
                f"{folder}/curr{channel}_input": f"{rails(name).get(rail, 0) / 5:.0f}\n",
                f"{folder}/in{channel + 3}_input": "40\n",  # of the shunt, in microvolts
            }
    for index, (zone, value) in enumerate(temperatures(name).items()):
        folder = f"/sys/class/thermal/thermal_zone{index}"
        found[f"{folder}/type"] = f"{'PMIC-Die' if zone == 'PMIC' else f'{zone}-therm'}\n"
        if value == -256:
            unread[f"{folder}/temp"] = Reason.GATED
        else:
            found[f"{folder}/temp"] = f"{value * 1000:.0f}\n"
    if name in _NVPMODEL:
        found["/etc/nvpmodel.conf"] = _NVPMODEL[name]
        found["/var/lib/nvpmodel/status"] = _STATUS[name]
    if name == "orin":
        found["/sys/class/hwmon/hwmon3/name"] = "soctherm_oc\n"
        found["/sys/class/hwmon/hwmon3/oc1_event_cnt"] = "1\n"
    return found, unread


def snapshot(name: str) -> Snapshot:
    """A board as it would send itself over."""
    return Snapshot(*files(name))


def write(root: Path, found: dict[str, str]) -> Local:
    """The same as real files below a folder."""
    for name, text in found.items():
        file = root / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Local(root)


def board(root: Path, name: str) -> Local:
    """A whole board below a folder; what would give a reason is left out."""
    return write(root, files(name)[0])


def _cpus(text: str) -> list[int]:
    numbers = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
