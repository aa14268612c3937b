"""A written project built by its own Makefile, in a folder that goes away, and run: checked and timed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from .....devices.host import read_host
from ....errors import FAILED, UserError
from ... import toolchain
from ..compiled import compiler
from .c_program import run

STEPS, LEAST_STEPS, BUDGET_S = 200, 5, 10.0


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
    command = [str(build / "example"), str(folder / "weights.bin")]
    host = read_host()

    def said(steps: int, threads: int) -> str:
        return _run([*command, "--time", str(steps), "--threads", str(threads)], folder, "cannot be timed").strip()

    lines = [f"- {said(steps_within(said(1, threads)), threads)}" for threads in dict.fromkeys((1, host.usable_cores))]
    day = datetime.now(timezone.utc).date().isoformat()
    where = f"{host.cpu_model}, {host.usable_cores} cores, by {compiler()}"
    what = f"By that command, over as many steps as are named, {day}, on {where}, beside whatever else ran there:"
    return "\n".join((what, "", *lines))


def steps_within(line: str) -> int:
    """How many steps to time, by what the example said of one: clips of large networks take a second each."""
    step_s = float(re.findall(r"median (\S+) ms", line)[0]) / 1e3
    return max(LEAST_STEPS, min(STEPS, int(BUDGET_S / max(step_s, 1e-6))))


def _run(command: Sequence[str], folder: Path, what: str) -> str:
    try:
        return run(command)
    except RuntimeError as error:
        raise UserError(f"{folder.name}: {what}: {error}", FAILED) from error
