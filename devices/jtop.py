"""Facts of a Jetson that no file has, asked once of jetson-stats (extra `jetson`; AGPL: imported only here).

Power, clocks and heat are read from files instead: its service reads once a second at best, smooths, and starts
processes meanwhile. Untested on hardware.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, cast

# Of `jtop.board["hardware"]` and `["libraries"]`; its serial number is nobody's business.
_WANTED = {"hardware": ("Module", "P-Number", "Jetpack", "L4T"), "libraries": ("CUDA", "cuDNN", "TensorRT")}


def read_jtop(start: Callable[[], Any] | None = None) -> Mapping[str, str] | str:
    """What the service knows of the board; or why it says nothing."""
    if start is None:
        try:
            start = importlib.import_module("jtop").jtop
        except ImportError:
            return "jetson-stats is not installed: pip install jetson-stats, and its service (sudo jtop)"
    try:
        with cast("Callable[[], Any]", start)() as board:
            known = board.board
            clocks = board.jetson_clocks
            found = {
                name: str(known[group][name])
                for group, names in _WANTED.items()
                for name in names
                if known.get(group, {}).get(name)
            }
            if clocks is not None:
                found["jetson_clocks"] = str(clocks.get_status())
            return found
    except Exception as error:  # noqa: BLE001 - its service is not running, we are not in its group, versions differ
        return " ".join(str(getattr(error, "message", error)).split())
