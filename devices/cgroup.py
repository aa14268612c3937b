"""What the kernel's control groups allow this process: memory, CPU time, and who was killed for memory.

Both layouts are read: version 2 (one tree) and version 1 (one tree per controller).
"""

from __future__ import annotations

import glob

from .root import THIS_MACHINE, Root, whole

# Version 1 writes "no limit" as a page-aligned number near 2^63.
_NO_LIMIT = 1 << 60


def memory_limit_bytes(root: Root = THIS_MACHINE) -> int | None:
    """The tightest memory limit over this process, or None if there is none."""
    limits = [_number(root, f"{folder}/memory.max") for folder in _unified(root)]
    limits += [_number(root, f"{folder}/memory.limit_in_bytes") for folder in _legacy(root, "memory")]
    return min((limit for limit in limits if limit is not None and limit < _NO_LIMIT), default=None)


def memory_free_bytes(root: Root = THIS_MACHINE) -> int | None:
    """What the tightest memory limit over this process leaves, its page cache counted as free; None without limits."""
    kinds = (
        (_unified(root), "memory.max", "memory.current", "inactive_file"),
        (_legacy(root, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    free = []
    for folders, limit_file, usage_file, cache in kinds:
        for folder in folders:
            limit, usage = _number(root, f"{folder}/{limit_file}"), _number(root, f"{folder}/{usage_file}")
            if limit is not None and usage is not None and limit < _NO_LIMIT:
                free.append(max(0, limit - usage + _field(root, f"{folder}/memory.stat", cache)))
    return min(free, default=None)


def cpu_limit(root: Root = THIS_MACHINE) -> float | None:
    """How many CPUs' worth of time this process may use, or None if it is not limited."""
    limits = []
    for folder in _unified(root):
        quota, _, period = _text(root, f"{folder}/cpu.max").partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            limits.append(int(quota) / int(period))
    for folder in _legacy(root, "cpu"):
        quota_us, period_us = _number(root, f"{folder}/cpu.cfs_quota_us"), _number(root, f"{folder}/cpu.cfs_period_us")
        if quota_us and period_us and quota_us > 0:
            limits.append(quota_us / period_us)
    return min(limits, default=None)


def oom_kills(root: Root = THIS_MACHINE) -> int:
    """Processes killed for memory so far, as far as this process can see; compare before and after."""
    counters = [("/proc/vmstat", "oom_kill")]
    counters += [(f"{folder}/memory.events", "oom_kill") for folder in _unified(root)[:1]]
    counters += [(f"{folder}/memory.oom_control", "oom_kill") for folder in _legacy(root, "memory")[:1]]
    return sum(_field(root, file, name) for file, name in counters)


def _unified(root: Root) -> list[str]:
    """The folders of this process in the version 2 tree, innermost first."""
    path = _paths(root).get("")
    if path is None:
        return []
    tree = "/sys/fs/cgroup"
    if not root.glob(f"{tree}/cgroup.controllers"):
        tree = f"{tree}/unified"
    return _upwards(root, tree, path)


def _legacy(root: Root, controller: str) -> list[str]:
    path = _paths(root).get(controller)
    return [] if path is None else _upwards(root, f"/sys/fs/cgroup/{controller}", path)


def _upwards(root: Root, tree: str, path: str) -> list[str]:
    # Inside a container the path may be the host's and not exist here; the tree's own root is then ours.
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    folders = ["/".join((tree, *parts[:depth])) for depth in range(len(parts), -1, -1)]
    return [folder for folder in folders if root.glob(glob.escape(folder))]


def _paths(root: Root) -> dict[str, str]:
    """controller -> path; the controller of version 2 is the empty name."""
    found = {}
    for line in _text(root, "/proc/self/cgroup").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                found[controller] = parts[2]
    return found


def _text(root: Root, path: str) -> str:
    return root.read(path) or ""


def _number(root: Root, path: str) -> int | None:
    return whole(root.read(path))


def _field(root: Root, path: str, name: str) -> int:
    for line in _text(root, path).splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return 0
