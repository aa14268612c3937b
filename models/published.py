"""The paper's Tables 1 and 3, read from `paper_tables/`, and under which conditions their accuracies were measured.

What the paper says of those (sections 4.1 and 4.2):

- Table 1: films of 10 s, sampled as the weights were trained. A clip network saw one clip from the middle. A frame
  network answered at the last frame, after the whole film; where that is shorter than 80 % of the receptive field, the
  last frame was repeated up to there.
- Table 3: 15 frames/s for all. A clip network saw one clip; a frame network was in its steady state, unless its
  receptive field is longer than the film: then it had seen the whole film (printed in italics).
- RCU's accuracy is quoted from its own paper: its conditions are not known here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from .spec import ONE_CLIP, STEADY_STATE, WHOLE_FILM, Preprocessing, Published, PublishedAccuracy

PAPER = "Hedegaard and Iosifidis, ECCV 2022"
SOURCE, TABLE3 = f"{PAPER}, Table 1", f"{PAPER}, Table 3"
DEVICES = ("cpu", "tx2", "xavier", "rtx2080ti")
QUOTED = ("rcu",)  # networks of Table 1 whose accuracy is that of another paper

TABLE3_FRAMES_PER_S = 15.0
FILM_S = 10.0  # length of a film of Kinetics-400

Name = tuple[str, int]  # model, and frames of its clip or pool

# What to know of the printed figures, by (model, pool or clip frames).
NOTES: dict[Name, str] = {
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


def lines(table: str) -> Iterator[dict[str, str]]:
    """The lines of one of the paper's tables, by the heads of its columns."""
    path = Path(__file__).parent / "paper_tables" / table
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@dataclass(frozen=True)
class Row:
    """A row of Table 1."""

    figures: Published
    view: str | None


@cache
def _table1() -> dict[Name, Row]:
    return {
        (row["model"], int(row["pool_or_clip_frames"])): Row(_figures(row), _view1(row))
        for row in lines("table1_kinetics400.csv")
    }


def _view1(row: dict[str, str]) -> str | None:
    return None if row["model"] in QUOTED else {"clip": ONE_CLIP, "frame": WHOLE_FILM}[row["kind"]]


def _figures(row: dict[str, str]) -> Published:
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


@cache
def _table3() -> dict[Name, PublishedAccuracy]:
    return {
        (f"{row['model']}-{row['size']}", int(row["pool"])): PublishedAccuracy(
            float(row["accuracy_15fps"]), TABLE3_FRAMES_PER_S, _view3(row), TABLE3
        )
        for row in lines("table3_pool_size.csv")
    }


def _view3(row: dict[str, str]) -> str:
    if row["model"] == "x3d":
        return ONE_CLIP
    filled = int(row["receptive_field"]) <= FILM_S * TABLE3_FRAMES_PER_S
    return STEADY_STATE if filled else WHOLE_FILM


def published(model: str, frames: int, preprocessing: Preprocessing | None) -> Published | None:
    """What the paper prints of that network with that clip length or pool length in frames; None if nothing.

    The frame rate of Table 1 is that of the `preprocessing`, with which the weights were trained.
    """
    row, other = _table1().get((model, frames)), _table3().get((model, frames))
    if row is None:
        return Published(TABLE3, other.top1, (other,)) if other else None
    own = ()
    if (top1 := row.figures.accuracy_top1) is not None:
        rate = preprocessing.frames_per_s if preprocessing and model not in QUOTED else None
        own = (PublishedAccuracy(top1, rate, row.view, SOURCE),)
    return replace(row.figures, accuracies=(*own, *([other] if other else [])))


def table1_rows() -> tuple[Published, ...]:
    """The figures of every row of Table 1, in the order in which the paper prints them; without `accuracies`."""
    return tuple(row.figures for row in _table1().values())
