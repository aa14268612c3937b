"""The paper's Table 1, read from `paper_tables/`."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from .spec import Published

SOURCE = "Hedegaard and Iosifidis, ECCV 2022, Table 1"
DEVICES = ("cpu", "tx2", "xavier", "rtx2080ti")

# What to know of the printed figures, by (model, pool or clip frames).
NOTES = {
    (
        "slowfast-8x8-r50",
        32,
    ): "the paper prints 66.25 M parameters, its FLOPs figure a second time; 34.57 M is right",
    (
        "rcu",
        8,
    ): "the FLOPs are rough, derived from another paper; a clip of 8 frames has 4.34 G, one frame, as "
    "counted here, 0.54 G",
}


@cache
def _rows() -> dict[tuple[str, int], Published]:
    path = Path(__file__).parent / "paper_tables" / "table1_kinetics400.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["model"], int(row["pool_or_clip_frames"])): _published(row) for row in csv.DictReader(file)}


def _published(row: dict[str, str]) -> Published:
    def number(key: str) -> float | None:
        return float(row[key]) if row[key] else None

    return Published(
        source=SOURCE,
        accuracy_top1=number("accuracy_top1"),
        parameters_m=number("params_m"),
        max_allocated_mb=number("max_allocated_mb"),
        macs_g=number("flops_g"),
        throughput={
            device: (float(row[f"{device}_mean"]), float(row[f"{device}_std"]))
            for device in DEVICES
            if row[f"{device}_mean"]
        },
        note=NOTES.get((row["model"], int(row["pool_or_clip_frames"]))),
    )


def table1(model: str, frames: int) -> Published | None:
    """The row of that network with that clip length or pool length in frames, or None if the paper has none."""
    return _rows().get((model, frames))


def table1_rows() -> tuple[Published, ...]:
    """Every row, in the order in which the paper prints them."""
    return tuple(_rows().values())
