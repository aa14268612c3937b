"""Engines that run a network: one file each, found by name. README.md here explains how to add one.

Importing a backend imports no torch; only `prepare` does.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from ..export.precision import TOLERANCE
from ..record.record import Engine, Settings, Timing

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Ask:
    """What a case requests of an engine."""

    precision: str = "fp32"
    threads: int = 1
    calibration: Sequence[Any] = ()  # inputs on the host, to choose int8's scales by
    device: str = "cpu"  # where to compute, in torch's words
    traced: bool = False  # whether its steps will be traced as well, for a profile


PLAIN = Ask()


class Runnable(Protocol):
    """A network prepared by an engine. It holds the state of a frame network."""

    def warm(self, x: Any) -> None:
        """What the engine needs once before it is timed, besides calls (capture, autotune)."""
        ...

    def reset(self) -> None:
        """Back to the start of a stream; nothing for a clip network."""
        ...

    def step(self, x: Any) -> Tensor:
        """One prediction: a clip (B, C, T, H, W) or the next frame (B, C, H, W) in, scores (B, classes) out. What an
        engine of any input gets is `models/inputs.py`.

        While it is timed, inputs lie on the device; at other times they may come from the host.
        """
        ...

    def synchronize(self) -> None:
        """Return when all work is done; nothing where calls are synchronous."""
        ...

    def state_tensors(self) -> tuple[Tensor, ...]:
        """The current state; empty for a clip network."""
        ...

    def engine(self) -> Engine:
        """The engine's facts for the record: versions, providers, threads, the artefact's size."""
        ...


# (network in eval mode on the CPU, which it must not change; one input like those for `step`, on the host) -> the
# runnable.
# Raises UserError, with the operator, for a network that the engine cannot run.
Prepare = Callable[["nn.Module", Any, Ask], Runnable]


@dataclass(frozen=True)
class Answers:
    """One prediction of an external engine, beside the same one of the eager network in float32, tensor by tensor."""

    given: tuple[Tensor, ...]
    expected: tuple[Tensor, ...]
    reference: str  # what the expected ones are, for people


@dataclass(frozen=True)
class ExternalResult:
    """A case as an external engine measured it."""

    timing: Timing
    engine: Engine
    peak_rss_bytes: int | None = None  # of the process that was timed
    answers: Answers | None = None  # None where nothing is to be verified


class External(Protocol):
    """An external engine: a separate program that times itself and cannot be called step by step."""

    def __call__(
        self,
        net: nn.Module,
        ring: Sequence[Tensor],
        ask: Ask,
        settings: Settings,
        report: Callable[[str], None],
        *,
        verify: bool,
    ) -> ExternalResult:
        """Build, time and answer once. `ring` are inputs like those for `step`, on the host; `report` is called with
        each phase, of which "sampling" is the last. Raises UserError for a network that the engine cannot run."""
        ...


@dataclass(frozen=True)
class Backend:
    """One engine: its name, its devices and precisions, and how it prepares a network."""

    name: str
    title: str
    prepare: Prepare
    # On this machine: torch device -> precisions.
    here: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"cpu": ("fp32",)})
    # The same on a board over ssh.
    on_board: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # precision -> largest relative error max|a - b| / max|b| against the eager reference that is still right
    tolerance: Mapping[str, float] = field(default_factory=lambda: TOLERANCE)
    # Whether it allocates by torch's allocator; only then there is a peak of allocated bytes.
    in_torch: bool = True
    # Whether it uses its own CUDA stream, which events on torch's current stream do not time.
    own_stream: bool = False
    # Of an external engine: replaces the passes that the others share.
    external: External | None = None
    # Whether its runnables have `traced_steps(xs, clock) -> trace.TracedSteps`, the calls of each step.
    traces_itself: bool = False
    # Whether it takes several tensors, and integers and bools; else a network is called with one float32 tensor.
    any_input: bool = False
    # None if it can be used here, else why not and how to install it
    missing: Callable[[], str | None] = lambda: None
    order: int = 100

    @property
    def precisions(self) -> tuple[str, ...]:
        """Every precision that it computes in somewhere."""
        return tuple(dict.fromkeys(precision for each in self.here.values() for precision in each))


@cache
def list_backends() -> tuple[Backend, ...]:
    """Every backend of this folder, by `order`, then by name; two of one name are an error."""
    backends: dict[str, Backend] = {}
    for module in pkgutil.iter_modules(__path__):
        here = importlib.import_module(f"{__name__}.{module.name}")
        # modules that engines share have neither
        for backend in getattr(here, "BACKENDS", None) or filter(None, [getattr(here, "BACKEND", None)]):
            if backend.name in backends:
                raise ValueError(f"two backends are called {backend.name!r}; rename the one in {module.name}.py")
            backends[backend.name] = backend
    return tuple(sorted(backends.values(), key=lambda backend: (backend.order, backend.name)))


def get_backend(name: str) -> Backend:
    """The backend of that name; KeyError names the ones there are."""
    for backend in list_backends():
        if backend.name == name:
            return backend
    raise KeyError(f"no backend {name!r}; there are {', '.join(b.name for b in list_backends())}")
