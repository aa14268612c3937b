"""What the kernel's control groups allow this process: memory, CPU time, and who was killed for memory.

Both layouts are read: version 2 (one tree) and version 1 (one tree per controller).
"""

from __future__ import annotations

from pathlib import Path

# Version 1 writes "no limit" as a page-aligned number near 2^63.
_NO_LIMIT = 1 << 60


def memory_limit_bytes(sysroot: Path = Path("/")) -> int | None:
    """The tightest memory limit over this process, or None if there is none."""
    limits = [_number(folder / "memory.max") for folder in _unified(sysroot)]
    limits += [_number(folder / "memory.limit_in_bytes") for folder in _legacy(sysroot, "memory")]
    return min((limit for limit in limits if limit is not None and limit < _NO_LIMIT), default=None)


def memory_free_bytes(sysroot: Path = Path("/")) -> int | None:
    """What the tightest memory limit over this process leaves, its page cache counted as free; None without limits."""
    kinds = (
        (_unified(sysroot), "memory.max", "memory.current", "inactive_file"),
        (_legacy(sysroot, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    free = []
    for folders, limit_file, usage_file, cache in kinds:
        for folder in folders:
            limit, usage = _number(folder / limit_file), _number(folder / usage_file)
            if limit is not None and usage is not None and limit < _NO_LIMIT:
                free.append(max(0, limit - usage + _field(folder / "memory.stat", cache)))
    return min(free, default=None)


def cpu_limit(sysroot: Path = Path("/")) -> float | None:
    """How many CPUs' worth of time this process may use, or None if it is not limited."""
    limits = []
    for folder in _unified(sysroot):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            limits.append(int(quota) / int(period))
    for folder in _legacy(sysroot, "cpu"):
        quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota_us and period_us and quota_us > 0:
            limits.append(quota_us / period_us)
    return min(limits, default=None)


def oom_kills(sysroot: Path = Path("/")) -> int:
    """Processes killed for memory so far, as far as this process can see; compare before and after."""
    counters = [(sysroot / "proc/vmstat", "oom_kill")]
    counters += [(folder / "memory.events", "oom_kill") for folder in _unified(sysroot)[:1]]
    counters += [(folder / "memory.oom_control", "oom_kill") for folder in _legacy(sysroot, "memory")[:1]]
    return sum(_field(file, name) for file, name in counters)


def _unified(sysroot: Path) -> list[Path]:
    """The folders of this process in the version 2 tree, innermost first."""
    path = _paths(sysroot).get("")
    if path is None:
        return []
    tree = sysroot / "sys/fs/cgroup"
    if not (tree / "cgroup.controllers").exists():
        tree = tree / "unified"
    return _upwards(tree, path)


def _legacy(sysroot: Path, controller: str) -> list[Path]:
    path = _paths(sysroot).get(controller)
    return [] if path is None else _upwards(sysroot / "sys/fs/cgroup" / controller, path)


def _upwards(tree: Path, path: str) -> list[Path]:
    # Inside a container the path may be the host's and not exist here; the tree's own root is then ours.
    inner = tree / path.strip("/")
    folders = [inner, *inner.parents]
    return [folder for folder in folders if folder.is_relative_to(tree) and folder.is_dir()]


def _paths(sysroot: Path) -> dict[str, str]:
    """controller -> path; the controller of version 2 is the empty name."""
    found = {}
    for line in _text(sysroot / "proc/self/cgroup").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                found[controller] = parts[2]
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.lstrip("-").isdigit() else None


def _field(file: Path, name: str) -> int:
    for line in _text(file).splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return 0
