"""A board's hardware and versions, from its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....devices.detect import Gpu, Hardware, card_name
from ....devices.host import read_host
from ....devices.remote.board import Hello
from ....devices.root import Snapshot


def hardware_of(hello: Hello) -> Hardware:
    """A board's hardware: from its files, and its cards as torch there reports them."""
    files = {"/proc/sys/kernel/arch": hello.machine, **hello.snapshot.files}  # kernels before 6.1 have no such file
    gpus = tuple(_gpu(index, *card) for index, card in enumerate(hello.torch.get("gpus", ())))
    return Hardware(
        read_host(Snapshot(files, hello.snapshot.unread)), gpus, hello.torch_missing or "torch there sees none"
    )


def _gpu(index: int, name: str, capability: list[int]) -> Gpu:
    return Gpu(card_name(name), ".".join(map(str, capability)), index=index)


def versions(reported: Mapping[str, Any], snapshot: Snapshot) -> dict[str, str]:
    """Versions there, for a record, without the unknown ones."""
    release = (snapshot.read("/etc/nv_tegra_release") or "").splitlines()[:1]
    known = {**reported, "l4t": _l4t(release[0]) if release else None}
    return {name: str(version) for name, version in known.items() if version is not None}


def _l4t(line: str) -> str | None:
    """`# R32 (release), REVISION: 7.1, ...` is 32.7.1."""
    major, _, rest = line.removeprefix("# R").partition(" ")
    revision = rest.partition("REVISION: ")[2].partition(",")[0]
    return f"{major}.{revision}" if major.isdigit() and revision else None
