"""The checks, one function each: a machine in, findings out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from ..host import meminfo_bytes, parse_cpu_list
from ..profile import DeviceProfile
from ..root import number
from ..sensors.jetson import gpu_folder
from . import Command, Finding, MachineFacts, TorchFacts, Write

_CPU = "/sys/devices/system/cpu"
_HOT_C = 75.0
_BUSY_SHARE = 0.2
_LITTLE_MEMORY_BYTES = 1 << 30
_MUCH_SWAP_BYTES = 64 << 20


def board(machine: MachineFacts) -> list[Finding]:
    """What a Jetson is and runs: from its release file, and from jetson-stats where that is installed."""
    if not machine.profile.unified_memory:
        return []
    release = re.match(r"# R(\d+) \(release\), REVISION: ([\d.]+)", machine.root.read("/etc/nv_tegra_release") or "")
    parts = [f"L4T {release[1]}.{release[2]}"] if release else []
    if isinstance(machine.board, Mapping):
        parts += [f"{name} {text}" for name, text in machine.board.items() if name != "L4T" or not release]
    if not parts:
        return [Finding("board", "unknown", "no /etc/nv_tegra_release; a container mostly hides it")]
    return [Finding("board", "good", ", ".join(parts))]


def governor(machine: MachineFacts) -> list[Finding]:
    """The governor of the processors we may use."""
    files = _cpufreq(machine, "scaling_governor")
    if not files:
        return [Finding("governor", "unknown", "no cpufreq here; a virtual machine mostly hides it")]
    found = {file: machine.root.read(file) or "unknown" for file in files}
    if set(found.values()) == {"performance"}:
        return [Finding("governor", "good", "performance")]
    if _cpu_locked(machine):
        return [Finding("governor", "good", f"{_list(found.values())}, with clocks that are locked")]
    wrong = tuple(Write(file, "performance") for file, word in found.items() if word != "performance")
    return [
        Finding(
            "governor",
            "bad",
            _list(found.values()),
            "the clock follows the load with a delay: short steps run below the highest clock, and vary",
            f"echo performance | sudo tee {_CPU}/cpu*/cpufreq/scaling_governor",
            wrong,
        )
    ]


def turbo(machine: MachineFacts) -> list[Finding]:
    """Whether the clock may go beyond the rated one for as long as it stays cool."""
    switches = ((f"{_CPU}/intel_pstate/no_turbo", "0", "1"), (f"{_CPU}/cpufreq/boost", "1", "0"))
    for file, on, off in switches:
        value = machine.root.read(file)
        if value == on:
            return [
                Finding(
                    "turbo",
                    "advice",
                    "on",
                    "the clock depends on heat and on the other cores; without it runs repeat better, and are slower",
                    f"echo {off} | sudo tee {file}",
                )
            ]
        if value is not None:
            return [Finding("turbo", "good", "off")]
    return []


def power_mode(machine: MachineFacts) -> list[Finding]:
    """The mode of nvpmodel against the one that figures are usually given in."""
    meant = machine.profile.meant_mode
    if meant is None:
        return []
    mode = machine.mode
    if mode is None:
        return [Finding("power-mode", "unknown", "nvpmodel does not report it", "", "nvpmodel -q")]
    name = mode.name if mode.id is None else f"{mode.name} (id {mode.id})"
    if mode.name == meant.name:
        return [Finding("power-mode", "good", name)]
    words = ("nvpmodel", "-m", str(meant.id))
    return [
        Finding(
            "power-mode",
            "bad",
            f"{name}; {meant.name} (id {meant.id}) is the usual mode",
            "cores are off and clocks are capped",
            f"sudo {' '.join(words)}    # it may ask for a reboot, which --fix never confirms",
            commands=() if mode.id is None else (Command(words, ("nvpmodel", "-m", str(mode.id)), over_reboot=True),),
        )
    ]


def clocks_locked(machine: MachineFacts) -> list[Finding]:
    """Whether the clocks of a board stand still (jetson_clocks)."""
    if "jetson" not in machine.profile.sensors:
        if machine.profile.torch_device == "cuda":
            return [
                Finding(
                    "clocks-locked",
                    "unknown",
                    "the driver does not report it",
                    "a card boosts while it is cool and slows down when it is warm",
                    "sudo nvidia-smi -pm 1 && sudo nvidia-smi -lgc MIN,MAX    # undo: -rgc",
                )
            ]
        return []
    folder = gpu_folder(machine.root)
    if folder is None:
        return [Finding("clocks-locked", "unknown", "no devfreq folder of the GPU")]
    low, high = (number(machine.root, f"{folder}/{name}_freq") for name in ("min", "max"))
    if low is None or high is None:
        return [Finding("clocks-locked", "unknown", "the clocks of the GPU cannot be read")]
    if low == high and _cpu_locked(machine):
        return [Finding("clocks-locked", "good", f"GPU at {high / 1e6:.0f} MHz, CPU likewise")]
    return [
        Finding(
            "clocks-locked",
            "bad",
            f"the GPU may go from {low / 1e6:.0f} to {high / 1e6:.0f} MHz",
            "short steps run at a clock that depends on the earlier load",
            "sudo jetson_clocks --store before.conf && sudo jetson_clocks    # undo: --restore before.conf",
            commands=(
                Command(
                    ("jetson_clocks",),
                    ("jetson_clocks", "--restore", "{store}"),
                    before=(("jetson_clocks", "--store", "{store}"),),
                ),
            ),
        )
    ]


def temperature(machine: MachineFacts) -> list[Finding]:
    """The hottest zone now."""
    hot = [
        (reading.value, name.partition("/")[2])
        for name, reading in machine.readings.items()
        if name.startswith("temperature_c") and reading.value is not None
    ]
    if not hot:
        return [Finding("temperature", "unknown", "no sensor can be read here")]
    degrees, zone = max(hot)
    if degrees < _HOT_C:
        return [Finding("temperature", "good", f"{degrees:.0f} °C at most ({zone})")]
    effect = "the device is warm before the run and will throttle soon"
    return [Finding("temperature", "bad", f"{degrees:.0f} °C ({zone})", effect, "let it cool down; check the fan")]


def load(machine: MachineFacts) -> list[Finding]:
    """Other work on the machine."""
    average, cores = machine.hardware.host.load_average_1min, machine.hardware.host.usable_cores
    if average is None:
        return [Finding("load", "unknown", "no /proc/loadavg")]
    what = f"load average {average:.2f} on {cores} cores"
    if average <= _BUSY_SHARE * cores:
        return [Finding("load", "good", what)]
    effect = "threads wait for each other, so one busy neighbour can multiply the time of a step"
    return [Finding("load", "bad", what, effect, "end other programs: top -o %CPU")]


def gpu_processes(machine: MachineFacts) -> list[Finding]:
    """Other processes on the card."""
    reading = machine.readings.get("gpu_other_processes")
    if reading is None:
        return []
    if reading.value is None:
        return [Finding("gpu-processes", "unknown", reading.reason or "")]
    if not reading.value:
        return [Finding("gpu-processes", "good", "no others")]
    effect = "they take memory and time of the card"
    return [
        Finding(
            "gpu-processes", "bad", f"{reading.value:.0f} others on the GPU", effect, "nvidia-smi    # and end them"
        )
    ]


def swap(machine: MachineFacts) -> list[Finding]:
    """Memory that was swapped out."""
    total, free = (meminfo_bytes(machine.root, name) for name in ("SwapTotal", "SwapFree"))
    if total is None or free is None:
        return []
    used = total - free
    if used <= _MUCH_SWAP_BYTES:
        return [Finding("swap", "good", f"{used / 1e6:.0f} of {total / 1e6:.0f} MB in use")]
    effect = "pages may be read from the disk during a measurement"
    return [Finding("swap", "advice", f"{used / 1e6:.0f} MB in use", effect, "sudo swapoff -a && sudo swapon -a")]


def memory(machine: MachineFacts) -> list[Finding]:
    """Memory that is free."""
    available = meminfo_bytes(machine.root, "MemAvailable")
    if available is None:
        return [Finding("memory", "unknown", "no MemAvailable in /proc/meminfo")]
    what = f"{available / 1e9:.1f} GB available"
    if available >= _LITTLE_MEMORY_BYTES:
        return [Finding("memory", "good", what)]
    fix = "end what else runs"
    if machine.profile.unified_memory:
        fix = "sudo systemctl isolate multi-user.target    # the desktop shares the memory of the GPU"
    return [Finding("memory", "bad", what, "large networks do not fit, or are swapped", fix)]


def affinity(machine: MachineFacts) -> list[Finding]:
    """How many of the processors we may use."""
    may = machine.hardware.host.affinity
    present = parse_cpu_list(machine.root.read(f"{_CPU}/present") or "")
    isolated = [cpu for cpu in parse_cpu_list(machine.root.read(f"{_CPU}/isolated") or "") if cpu in present]
    if not present or set(may) >= set(present):
        return [Finding("affinity", "good", f"all {len(may)} processors")]
    notes = []
    online = parse_cpu_list(machine.root.read(f"{_CPU}/online") or "") or present
    if off := sorted(set(present) - set(online)):
        notes.append(f"{_numbers(off)} off by the power mode")
    if isolated:
        notes.append(f"{_numbers(isolated)} kept apart by isolcpus")
    why = f" ({', '.join(notes)})" if notes else ""
    what = f"{len(may)} of {len(present)} processors{why}"
    return [
        Finding(
            "affinity", "advice", what, "`threads = auto` counts those it may use", "taskset -c LIST co3d-bench ..."
        )
    ]


def torch(machine: MachineFacts) -> list[Finding]:
    """Whether the torch that is installed can compute on this device."""
    return [] if machine.torch is None else [torch_on(machine.torch, machine.profile)]


def torch_on(facts: TorchFacts, profile: DeviceProfile) -> Finding:
    """Whether a torch can compute on a device."""
    if facts.version is None:
        return Finding("torch", "bad", facts.reason or "not installed", "nothing can be measured", "pip install torch")
    if profile.torch_device == "cpu":
        return Finding("torch", "good", f"torch {facts.version}")
    get = "a build of torch for CUDA: docs/boards.md"
    if facts.cuda is None:
        what = f"torch {facts.version} is a build for the CPU"
        return Finding("torch", "bad", what, "the GPU cannot be used", get)
    if not facts.cuda_available:
        what = f"torch {facts.version} (CUDA {facts.cuda}) sees no GPU"
        return Finding("torch", "bad", what, "the driver is missing or older than that CUDA", get)
    wanted = f"sm_{(profile.cuda_capability or '').replace('.', '')}"
    if profile.cuda_capability and not runs_on(wanted, facts.architectures):
        what = f"torch {facts.version} has no code for {wanted}, only for {', '.join(facts.architectures)}"
        return Finding("torch", "bad", what, "the first call fails: no kernel image", get)
    return Finding("torch", "good", f"torch {facts.version}, CUDA {facts.cuda}")


def runs_on(wanted: str, architectures: Iterable[str]) -> bool:
    """Whether code for some of these runs on that one: same generation and not newer, or compute_ (compiled later)."""
    number = int(wanted.removeprefix("sm_") or 0)
    for name in architectures:
        kind, _, text = name.partition("_")
        version = int("".join(filter(str.isdigit, text)) or 0)
        if version <= number and (kind == "compute" or version // 10 == number // 10):
            return True
    return False


def cudnn(machine: MachineFacts) -> list[Finding]:
    """Torch's default switches, before a run sets them."""
    facts = machine.torch
    if facts is None or machine.profile.torch_device != "cuda" or not facts.cuda_available:
        return []
    what = (
        f"cuDNN {facts.cudnn}; torch's defaults: benchmark {_on(facts.cudnn_benchmark)}, "
        f"TF32 {_on(facts.cudnn_tf32)} in convolutions, {_on(facts.matmul_tf32)} in matrix products"
    )
    return [Finding("cudnn", "good", what, "a run sets them itself and records how")]


def sensors(machine: MachineFacts) -> list[Finding]:
    """Which figures cannot be read."""
    silent: dict[str, list[str]] = {}
    for name, reading in machine.readings.items():
        if reading.reason:
            silent.setdefault(reading.reason, []).append(name)
    read = sum(reading.reason is None for reading in machine.readings.values())
    findings = [Finding("sensors", "good", f"{read} figures can be read")] if read else []
    for reason, names in silent.items():
        why, split, fix = reason.partition("; sudo ")
        fix = f"sudo {fix}" if split else ""
        wanted = any(name.startswith(("energy_j", "power_w")) for name in names)
        findings.append(
            Finding(
                "sensors",
                "advice" if fix else "unknown",
                f"{', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''}: {why}",
                "no energy per prediction" if wanted else "",
                fix,
            )
        )
    return findings


# In the order in which they are shown, and fixed: the power mode comes before the clocks, whose caps it sets.
CHECKS: tuple[Callable[[MachineFacts], list[Finding]], ...] = (
    board,
    power_mode,
    clocks_locked,
    governor,
    turbo,
    temperature,
    load,
    gpu_processes,
    swap,
    memory,
    affinity,
    torch,
    cudnn,
    sensors,
)


def examine(machine: MachineFacts) -> tuple[Finding, ...]:
    """Every finding, in the order in which fixes are applied."""
    return tuple(finding for check in CHECKS for finding in check(machine))


def _cpufreq(machine: MachineFacts, name: str) -> list[str]:
    return [
        file for cpu in machine.hardware.host.affinity for file in machine.root.glob(f"{_CPU}/cpu{cpu}/cpufreq/{name}")
    ]


def _cpu_locked(machine: MachineFacts) -> bool:
    low, high = (
        [number(machine.root, file) for file in _cpufreq(machine, f"scaling_{end}_freq")] for end in ("min", "max")
    )
    return bool(low) and low == high


def _list(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _numbers(numbers: Iterable[int]) -> str:
    return " and ".join(map(str, numbers))


def _on(value: bool | None) -> str:
    return "unknown" if value is None else "on" if value else "off"
