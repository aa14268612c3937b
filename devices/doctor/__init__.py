"""What would disturb measurements on a machine now: findings, each with its effect and its exact fix.

A check is a function of the facts and changes nothing; `fix.py` applies what a finding proposes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..detect import Hardware
from ..nvpmodel import Mode
from ..profile import DeviceProfile
from ..root import Root
from ..sensors import Reading


@dataclass(frozen=True)
class Write:
    """A setting of the kernel: a file and what should stand in it."""

    path: str
    value: str


@dataclass(frozen=True)
class Command:
    """A tool of the board, and its undo. `{store}` in a word is a file that keeps the old state."""

    words: tuple[str, ...]
    undo: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()  # what has to be run first, to save the old state
    over_reboot: bool = False  # whether it outlives one, so that its undo must too


@dataclass(frozen=True)
class TorchFacts:
    """The torch that would measure, asked in a process of its own. `reason` where there is none."""

    version: str | None = None
    cuda: str | None = None  # the CUDA it was built with; None: a build for the CPU
    cuda_available: bool = False
    architectures: tuple[str, ...] = ()  # sm_75, ... that it has code for
    cudnn: str | None = None
    cudnn_benchmark: bool | None = None
    cudnn_tf32: bool | None = None
    matmul_tf32: bool | None = None
    reason: str | None = None


@dataclass(frozen=True)
class MachineFacts:
    """All facts that a check may use."""

    root: Root
    profile: DeviceProfile
    hardware: Hardware
    readings: Mapping[str, Reading] = field(default_factory=dict)  # of the profile's sensors, now
    mode: Mode | None = None
    torch: TorchFacts | None = None
    board: Mapping[str, str] | str | None = None  # facts from jetson-stats, or why there are none


State = Literal["good", "advice", "bad", "unknown"]


@dataclass(frozen=True)
class Finding:
    """The result of one check. `advice` is shown but never applied: it changes what is measured, not only how well."""

    check: str
    state: State
    what: str
    effect: str = ""
    fix: str = ""  # a command line where there is one
    writes: tuple[Write, ...] = ()
    commands: tuple[Command, ...] = ()

    @property
    def can_be_fixed(self) -> bool:
        """Whether `--fix` would do something about it."""
        return self.state == "bad" and bool(self.writes or self.commands)
