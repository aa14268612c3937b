"""A profile without profiling: CoX3D-M (16) on the imaginary machine, a few operators with round numbers."""

from __future__ import annotations

from typing import Any

from co3d_bench.bench.profile.operator_profile import Ceilings, Operator, Profile
from co3d_bench.bench.record.record import Engine

from .factories import make_case, make_environment, make_model

# 100 GMAC/s, 10 GB/s, 1 microsecond a call: the ridge lies at 10 multiply-accumulates a byte.
CEILINGS = Ceilings(gemm_macs_per_s=100e9, copy_bytes_per_s=10e9, call_s=1e-6, event_s=2e-6, threads=2)


def make_operator(kind: str, **changes: Any) -> Operator:
    """An operator of one call; `traced_s` 1 ms, 1 M multiply-accumulates, 1 MB, nothing recorded inside."""
    basis: dict[str, Any] = {
        "name": f"aten::{kind.split()[0]}",
        "kind": kind,
        "shapes": ((1, 24, 56, 56), (54, 24)),
        "calls": 1.0,
        "traced_s": 1e-3,
        "events": 0.0,
        "macs": 1_000_000,
        "moved_bytes": 1_000_000,
    }
    return Operator(**(basis | changes))


OPERATORS = (
    make_operator("matrix product", name="aten::linear", calls=54, traced_s=8e-3, macs=4_000_000, moved_bytes=300_000),
    make_operator("depthwise convolution 3 x 3", name="aten::conv2d", calls=26, traced_s=6e-3, moved_bytes=900_000),
    make_operator("batch norm", calls=60, traced_s=3e-3, macs=300_000, moved_bytes=1_200_000),
    make_operator("silu", calls=26, traced_s=2e-3, macs=80_000, moved_bytes=640_000),
    make_operator("add", calls=30, traced_s=0.5e-3, macs=100, moved_bytes=1_200),
    make_operator("copy", calls=26, traced_s=1e-3, macs=0, moved_bytes=500_000),
    make_operator("aten::roll", calls=2, traced_s=0.1e-3, macs=None, moved_bytes=None),
)


def make_profile(model: str = "cox3d-m-16", **changes: Any) -> Profile:
    """A profile of 24 ms a step, 26 ms while traced; any field of `Profile` may be replaced."""
    basis: dict[str, Any] = {
        "started_at": "2026-11-22T12:00:00Z",
        "case": make_case(model),
        "model": make_model(model),
        "environment": make_environment(),
        "engine": Engine(name="PyTorch", version="2.13.0", threads=2),
        "ceilings": CEILINGS,
        "steps": 20,
        "step_s": 24e-3,
        "traced_step_s": 26e-3,
        "events": 1000.0,
        "operators": OPERATORS,
    }
    return Profile(**(basis | changes))
