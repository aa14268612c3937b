"""The power mode of a Jetson: what `nvpmodel -q` prints, or the files it keeps where it cannot be run.

Its output differs by release and by user: lines before the mode, no line with the number, errors after it. Only the
lines that matter are parsed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from .own_path import system_path
from .root import Root

CONFIG = "/etc/nvpmodel.conf"
STATUS = "/var/lib/nvpmodel/status"
TIMEOUT_S = 20.0

# (words) -> (exit code, what it printed); never with anything on its standard input
Run = Callable[[Sequence[str]], tuple[int, str]]


@dataclass(frozen=True)
class Mode:
    """A power mode: its number where it is known, and its name."""

    id: int | None
    name: str


def parse_query(text: str, config: str | None = None) -> Mode | None:
    """The mode in what `nvpmodel -q` printed; a missing number is looked up by the name in nvpmodel.conf."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        found = re.search(r"NV Power Mode: (\S+)", line)
        if not found:
            continue
        name = found[1]
        behind = lines[index + 1].strip() if index + 1 < len(lines) else ""
        number = int(behind) if behind.isdigit() else {v: k for k, v in modes(config or "").items()}.get(name)
        return Mode(number, name)
    return None


def modes(config: str) -> dict[int, str]:
    """Every mode of an nvpmodel.conf, number -> name."""
    return {int(number): name for number, name in re.findall(r"POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", config)}


def from_files(root: Root) -> Mode | None:
    """The mode by the status file, which a change that waits for a reboot may run ahead of."""
    found = re.search(r"pmode:(\d+)", root.read(STATUS) or "")
    if not found:
        return None
    number = int(found[1])
    return Mode(number, modes(root.read(CONFIG) or "").get(number, f"mode {number}"))


def read_mode(root: Root, run: Run | None) -> Mode | None:
    """The mode now; None where this is no Jetson or it is not known."""
    if run is not None:
        _, text = run(("nvpmodel", "-q"))
        if mode := parse_query(text, root.read(CONFIG)):
            return mode
    return from_files(root)


def run_quietly(words: Sequence[str]) -> tuple[int, str]:
    """Run a tool of the board with nothing on its standard input: a question (a reboot?) is never answered.

    A Ctrl-C that is meant for us does not reach it. 127 or 126 where it cannot be started, 124 where it took too long.
    """
    tool = shutil.which(words[0], path=system_path())
    if tool is None:
        return 127, f"{words[0]} is not installed"
    try:
        process = subprocess.Popen(  # noqa: S603 - words of ours, no shell
            [tool, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env={**os.environ, "PATH": system_path()},  # it is a script, which starts others
        )
    except OSError as error:
        return 126, f"{words[0]}: {error.strerror or error}"
    with process:
        try:
            text, _ = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return 124, f"{words[0]} did not end within {TIMEOUT_S:g} s"
    return process.returncode, text
