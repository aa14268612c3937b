"""What the engines of a board have in common: a request, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...record.cuda_facts import CudaFacts
from ...record.record import Engine, Timing, Verification
from .lines import BoardLines


@dataclass(frozen=True)
class Request:
    """Files to copy, by their key in the job; the rest of the job; and `read`, which turns the board's lines into a
    result, or raises UserError."""

    files: Mapping[str, Path]
    fields: Mapping[str, Any]
    read: Callable[[BoardLines], Measured]


@dataclass(frozen=True)
class Measured:
    """A case that was measured on a board; bytes, seconds."""

    timing: Timing
    verification: Verification
    engine: Engine
    versions: Mapping[str, Any]
    environ: Mapping[str, str] = field(default_factory=dict)  # the variables of OpenMP
    threads: int | None = None
    inter_op_threads: int | None = None
    peak_rss_bytes: int | None = None
    peak_allocated_bytes: int | None = None
    cuda: CudaFacts | None = None
    output_sha256: str | None = None
    span: tuple[float, float] | None = None  # from the first sample to the last one, on the clock of its sensors
    energy_blocks: Sequence[Sequence[float]] | None = None  # None: there was no time for them
    allocator: str | None = None
    notes: tuple[str, ...] = ()
