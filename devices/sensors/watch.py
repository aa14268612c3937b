"""Starts and stops the process that reads the sensors."""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, cast

from ..own_path import python_command
from ..profile import DeviceProfile
from .sampler import Log, Order, parse_log

_START_S = 20.0
_END_S = 10.0


class Watch:
    """The sampler's process. Whatever goes wrong with it becomes the reason in the log; nothing is raised.

    It ends with us: its input closes when this process ends.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        interval_s: float = 0.5,
        only: Sequence[str] = (),
        mine: Sequence[int] = (),
        sysroot: Path = Path("/"),
    ) -> None:
        order = Order(profile.model_dump(), interval_s, tuple(mine), tuple(only), str(sysroot))
        self._reason: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._is_ready = False
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
                python_command("-m", "co3d_bench.devices.sensors.sampler"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stdin = cast("IO[str]", self._process.stdin)
            stdin.write(json.dumps(asdict(order)) + "\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # it ended before it read the order; `ready` sets the reason
        except OSError as error:
            self._reason = f"the process that reads the sensors could not be started: {error}"

    def ready(self) -> None:
        """Wait for the first reading: what is timed then has a `before`, and its start disturbs nothing."""
        if self._process is None or self._reason or self._is_ready:
            return
        self._is_ready = True
        stdout = cast("IO[str]", self._process.stdout)
        if not select.select([stdout], [], [], _START_S)[0]:
            self._reason = f"the sensors were not ready after {_START_S:g} s"
        elif stdout.readline() != "ready\n":
            self._reason = "the process that reads the sensors ended at its start"

    def stop(self) -> Log:
        """End it; everything it read."""
        self.ready()
        if self._process is None:
            return Log(reason=self._reason)
        try:
            # A line ends it. Closing its input would not, where the network has left a copy of this process behind.
            out, err = self._process.communicate("end\n", timeout=_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Log(reason=self._reason or "the process that reads the sensors did not end")
        except OSError as error:  # code of the network closed the descriptors of others
            self._process.kill()
            return Log(reason=self._reason or f"the process that reads the sensors does not answer: {error}")
        if self._reason or self._process.returncode:
            last = err.strip().splitlines()[-1:] or [f"exit code {self._process.returncode}"]
            return Log(reason=f"{self._reason or 'the process that reads the sensors failed'}: {last[0]}")
        try:
            return parse_log(out)
        except ValueError as error:
            return Log(reason=str(error))
