"""Facts of a machine, from files that a board sends over as well, so they are read below a `Root`; what only this
machine is asked comes from psutil. A fact that cannot be read is None, never a guess."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from .cgroup import cpu_limit, memory_free_bytes, memory_limit_bytes
from .root import THIS_MACHINE, Root

# How a virtual machine names itself in its firmware tables.
_HYPERVISORS = {
    "kvm": "kvm",
    "qemu": "kvm",
    "amazon": "amazon ec2",
    "google": "google compute",
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "innotek": "virtualbox",
    "microsoft": "hyper-v",
    "xen": "xen",
}
_LSCPU_S = 10.0
_CONTAINER_FILES = {"/.dockerenv": "docker", "/run/.containerenv": "podman"}
_CONTAINER_GROUPS = {"kubepods": "kubernetes", "docker": "docker", "libpod": "podman", "lxc": "lxc"}


@dataclass(frozen=True)
class HostFacts:
    """One machine, as this process may use it. Bytes, hertz; cores by number."""

    cpu_model: str
    architecture: str
    physical_cores: int | None
    logical_cores: int
    affinity: tuple[int, ...]
    governor: str | None
    frequency_hz: float | None
    memory_bytes: int
    memory_limit_bytes: int | None
    cpu_limit: float | None
    load_average_1min: float | None
    os: str
    kernel: str
    container: str | None
    hypervisor: str | None
    device_tree: tuple[str, ...] = ()
    allowed_cores: int | None = None  # physical ones with a processor in `affinity`: two threads of a core are one

    @property
    def usable_cores(self) -> int:
        """Physical cores this process may keep busy: within its affinity and its share of CPU time; at least 1."""
        cores = self.allowed_cores or len(self.affinity)
        if self.cpu_limit is not None:
            cores = min(cores, int(self.cpu_limit))
        return max(cores, 1)


def read_host(root: Root = THIS_MACHINE) -> HostFacts:
    """Every fact of the machine that `root` shows; where it is not this one, nothing is asked of this one."""
    cpus = processors(root)
    online = [int(cpu["processor"]) for cpu in cpus if cpu.get("processor", "").isdigit()]
    may_use = affinity(root) or tuple(online) or (0,)
    if root == THIS_MACHINE and not affinity(root):  # where /proc is hidden, the kernel still answers
        may_use = tuple(sorted(os.sched_getaffinity(0)))
    device_tree = tuple(_text(root, "/proc/device-tree/compatible").strip("\0").split("\0"))
    return HostFacts(
        cpu_model=_cpu_model(root, cpus),
        architecture=_text(root, "/proc/sys/kernel/arch")
        or (os.uname().machine if root == THIS_MACHINE else "unknown"),
        physical_cores=_physical_cores(root, online),
        logical_cores=len(online) or (root == THIS_MACHINE and os.cpu_count()) or 1,
        affinity=may_use,
        governor=_text(root, f"{_cpufreq(may_use[0])}/scaling_governor") or None,
        frequency_hz=_frequency_hz(root, may_use[0], cpus),
        memory_bytes=meminfo_bytes(root, "MemTotal") or 0,
        memory_limit_bytes=memory_limit_bytes(root),
        cpu_limit=cpu_limit(root),
        load_average_1min=_float(_text(root, "/proc/loadavg").split(" ")[0]),
        os=_os_name(root),
        kernel=_text(root, "/proc/sys/kernel/osrelease") or (os.uname().release if root == THIS_MACHINE else "unknown"),
        container=_container(root),
        hypervisor=_hypervisor(root, cpus),
        device_tree=tuple(entry for entry in device_tree if entry),
        allowed_cores=_physical_cores(root, may_use),
    )


def free_memory_bytes() -> int:
    """What this process may still take: of the machine's memory, and of that of the groups it is in."""
    available, allowed = psutil.virtual_memory().available, memory_free_bytes()
    return available if allowed is None else min(available, allowed)


def _text(root: Root, path: str) -> str:
    return root.read(path) or ""


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def processors(root: Root) -> list[dict[str, str]]:
    """/proc/cpuinfo as one dict a block."""
    blocks = _text(root, "/proc/cpuinfo").split("\n\n")
    pairs = [[line.partition(":") for line in block.splitlines()] for block in blocks if block.strip()]
    return [{key.strip(): value.strip() for key, _, value in block} for block in pairs]


def _cpu_model(root: Root, cpus: list[dict[str, str]]) -> str:
    for processor in cpus:
        # x86 says "model name", PowerPC "cpu"; a 64-bit Arm says neither, its board's device tree does.
        for key in ("model name", "cpu model", "cpu"):
            if name := processor.get(key):
                return name
    if board := _text(root, "/proc/device-tree/model").strip("\0"):
        return board
    return (_lscpu_model() if root == THIS_MACHINE else None) or "unknown"


def _lscpu_model() -> str | None:
    """The processor's name by the numbers of its maker, which lscpu knows: of a 64-bit Arm without a device tree."""
    try:
        done = subprocess.run(
            ["lscpu"],  # noqa: S607 - the user's own
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=_LSCPU_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    pairs = (line.partition(":") for line in done.stdout.splitlines())
    return next((value.strip() for key, _, value in pairs if key == "Model name"), None)


def _physical_cores(root: Root, numbers: Iterable[int]) -> int | None:
    cores = set()
    for cpu in numbers:
        topology = f"/sys/devices/system/cpu/cpu{cpu}/topology"
        siblings = _text(root, f"{topology}/core_cpus_list") or _text(root, f"{topology}/thread_siblings_list")
        if not siblings:
            return None
        cores.add(siblings)
    return len(cores) or None


def affinity(root: Root) -> tuple[int, ...]:
    """The processors that the process reading these files may use, by number."""
    for line in _text(root, "/proc/self/status").splitlines():
        if line.startswith("Cpus_allowed_list:"):
            return parse_cpu_list(line.partition(":")[2])
    return ()


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """The kernel's list form, `0-3,8`, as numbers."""
    found: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.strip().isdigit():
            found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)


def _cpufreq(cpu: int) -> str:
    return f"/sys/devices/system/cpu/cpu{cpu}/cpufreq"


def _frequency_hz(root: Root, cpu: int, cpus: list[dict[str, str]]) -> float | None:
    khz = _float(_text(root, f"{_cpufreq(cpu)}/scaling_cur_freq"))
    if khz is not None:
        return khz * 1e3
    mhz = _float(cpus[0].get("cpu MHz", "")) if cpus else None
    return None if mhz is None else mhz * 1e6


def meminfo_bytes(root: Root, name: str) -> int | None:
    """A line of /proc/meminfo."""
    for line in _text(root, "/proc/meminfo").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _os_name(root: Root) -> str:
    for line in _text(root, "/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip('"')
    return "Linux"


def _container(root: Root) -> str | None:
    for file, name in _CONTAINER_FILES.items():
        if root.glob(file):
            return name
    if name := _text(root, "/run/systemd/container"):
        return name
    groups = _text(root, "/proc/1/cgroup")
    return next((name for mark, name in _CONTAINER_GROUPS.items() if mark in groups), None)


def _hypervisor(root: Root, cpus: list[dict[str, str]]) -> str | None:
    if kind := _text(root, "/sys/hypervisor/type"):
        return kind
    firmware = " ".join(
        _text(root, f"/sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name", "bios_vendor")
    ).lower()
    for mark, name in _HYPERVISORS.items():
        if mark in firmware:
            return name
    flags = cpus[0].get("flags", "") if cpus else ""
    return "yes, unnamed" if "hypervisor" in flags.split() else None
