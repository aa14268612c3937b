"""A written project built by its own Makefile, in a folder that goes away, and run: checked, timed, called."""

from __future__ import annotations

import ctypes
import json
import math
import os
import shutil
import subprocess
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .....devices.host import read_host
from ....errors import FAILED, UserError
from ... import toolchain
from ..compiled import compiler

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 200


def missing() -> str | None:
    """None if a project can be built here, else why not and what installs it."""
    if os.name != "posix":
        return "it is written for Linux"
    if shutil.which("make") is None:
        return "no make: apt install make"
    return toolchain.missing(headers=False)


@dataclass(frozen=True)
class Build:
    """The folder of what was built, which goes with it."""

    folder: TemporaryDirectory[str]

    @property
    def path(self) -> Path:
        return Path(self.folder.name)


def built(folder: Path, *words: str) -> Build:
    """The project, built; `words` are more for make. Raises UserError with what the compiler said."""
    build = Build(TemporaryDirectory(prefix="co3d-bench-", ignore_cleanup_errors=True))
    given = (f"BUILD={build.path}", f"CXX={compiler()}", *words)
    _run(["make", "-s", "-C", str(folder), *given], folder, "cannot be compiled")
    return build


def checked(folder: Path, build: Path) -> None:
    """Raises UserError where it does not answer its test as PyTorch did."""
    _run(["make", "-s", "-C", str(folder), f"BUILD={build}", f"CXX={compiler()}", "check"], folder, "fails its check")


def measured(folder: Path, build: Path) -> str:
    """The time of a step here, in words, by the example that was built."""
    command = [str(build / "example"), str(folder / "weights.bin"), "--time", str(STEPS)]
    host = read_host()
    lines = [
        f"- {_run([*command, '--threads', str(threads)], folder, 'cannot be timed').strip()}"
        for threads in dict.fromkeys((1, host.usable_cores))
    ]
    day = datetime.now(timezone.utc).date().isoformat()
    where = f"{host.cpu_model}, {host.usable_cores} cores, by {compiler()}"
    return "\n".join((f"By that command, {day}, on {where}, beside whatever else ran there:", "", *lines))


def _run(command: Sequence[str], folder: Path, what: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    except OSError as error:
        raise UserError(f"{folder.name}: {what}: {command[0]}: {error.strerror}", FAILED) from error
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        reason = next((line for line in said if "error" in line), said[0] if said else f"exit code {done.returncode}")
        raise UserError(f"{folder.name}: {what}: {reason}", FAILED)
    return done.stdout


class Program:
    """The library by ctypes: one stream."""

    def __init__(self, folder: Path, build: Build, threads: int = 1) -> None:
        facts = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        self._build, self._name, self._shapes = build, facts["name"], facts["answers"]
        self._library = ctypes.CDLL(str(build.path / f"lib{self._name}.so"))
        self.function("error_text").restype = ctypes.c_char_p
        for name in ("destroy", "destroy_state"):
            self.function(name).restype = None
        network, self._state = ctypes.c_void_p(), ctypes.c_void_p()
        path = os.fsencode(folder / "weights.bin")
        self._must(self.function("create_from_file")(path, threads, ctypes.byref(network)))
        self._must(self.function("initial_state")(network, ctypes.byref(self._state)))
        self.function("destroy")(network)  # the state keeps what it needs
        weakref.finalize(self, self.function("destroy_state"), self._state)

    def function(self, name: str) -> Any:
        """A function of the library, by its name without the network's."""
        return getattr(self._library, f"{self._name}_{name}")

    def _must(self, error: int) -> None:
        if error:
            raise UserError(f"{self._name}: {self.function('error_text')(error).decode()}", FAILED)

    def step(self, x: Tensor) -> list[Tensor]:
        """The answers to one input, each with its shape."""
        import torch

        x = x.float().contiguous()
        scores = torch.empty(sum(map(math.prod, self._shapes)))
        self._must(self.function("step")(self._state, *(ctypes.c_void_p(each.data_ptr()) for each in (x, scores))))
        parts = scores.split([math.prod(shape) for shape in self._shapes])
        return [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]
