"""The host of a shelf: `co3d-bench run --fleet` as a user starts it, killed and started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .cpu import Census
from .shelf import KINDS, Shelf, kind_of

EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
NAMED = Path(__file__).with_name("named.py")
NETWORKS = 5  # of nets.py
THREADS = (1, 2)
MOST_STARTS = 100

PLAN = """\
[run]
runs = 15
processes = 1
min_s = 0
energy = false
timeout_s = 3600

[plan]
models = {models}
devices = {kinds}
batch = {batches}
threads = {threads}

[devices.xavier]
torch_device = "cpu"
[devices.tx2]
torch_device = "cpu"
"""
BOARD = """\
[devices.{board}]
extends = "{kind}"
host = "{board}"
"""


def write_plan(folder: Path, shelf: Shelf, cases: int) -> None:
    """bench.toml and its networks: every network, kind, batch and number of threads."""
    folder.mkdir()
    batches, rest = divmod(cases, NETWORKS * len(KINDS) * len(THREADS))
    assert not rest, f"cases come in {NETWORKS * len(KINDS) * len(THREADS)}s"
    plan = PLAN.format(
        models=json.dumps([f"nets.py:net_{number}" for number in range(NETWORKS)]),
        kinds=json.dumps(KINDS),
        batches=list(range(1, batches + 1)),
        threads=list(THREADS),
    )
    boards = (BOARD.format(board=board, kind=kind_of(board)) for board in shelf.boards)
    (folder / "bench.toml").write_text("\n".join([plan, *boards]))
    shutil.copy(Path(__file__).with_name("nets.py"), folder)


@dataclass
class Host:
    """The process that runs the fleet in a folder. Its CPU time, and that of what it started, is kept over restarts."""

    folder: Path
    shelf: Shelf
    named: bool = False  # threads tell their names, so that dask's are known from ours
    census: Census = field(default_factory=Census)
    cpu_s: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    codes: Counter[int] = field(default_factory=Counter)

    def start(self, *options: str) -> None:
        """Begin, with the shelf's ssh first in PATH."""
        env = {**os.environ, "PATH": f"{self.shelf.bin}:{os.environ['PATH']}"}
        program = [sys.executable, str(NAMED), str(self.folder / "threads")] if self.named else [str(EXECUTABLE)]
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [*program, "run", "--fleet", *options],
                cwd=self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.census.roots.add(self.process.pid)

    def start_again(self) -> None:
        """As a user does it: with what there is, if there is something."""
        assert sum(self.codes.values()) < MOST_STARTS, self.output[-3000:]
        self.start(*(["--resume"] if (self.folder / "results/newest-run").exists() else []))

    def wait(self, until: float) -> int | None:
        """Its exit code; None where it runs on at that time of the monotonic clock."""
        assert self.process
        while True:
            pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.cpu_s += used.ru_utime + used.ru_stime
                code = os.waitstatus_to_exitcode(status)
                self.process.returncode = code
                self.codes[code] += 1
                return code
            if time.monotonic() >= until:
                return None
            time.sleep(min(0.1, max(0.0, until - time.monotonic())))

    def kill(self) -> None:
        """As the kernel does where memory ends: without a word to anybody."""
        assert self.process
        os.kill(self.process.pid, signal.SIGKILL)
        self.wait(time.monotonic() + 10)

    def threads(self) -> dict[str, float]:
        """CPU seconds of the host process's threads by their names, empty if they were not recorded."""
        file = self.folder / "threads"
        return json.loads(file.read_text()) if file.exists() else {}

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")
