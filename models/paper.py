"""The paper's Tables 1 to 3 line by line, and its Figure 5 as far as its text says it, with the networks of the zoo.

`published.py` has what the paper says of one network; this file has what stands on its pages. Figures are kept as they
are printed. Not at hand are the paper's appendices: neither its processor nor its batches are known from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from .published import DEVICES, FILM_S, NOTES, TABLE3_FRAMES_PER_S, lines
from .spec import ModelSpec
from .suites import SUITES, table3
from .weights.sources import public_files
from .zoo import find_model

# PyTorchVideo's Slow 8x8 for Charades (docs/source/model_zoo.md there). The paper does not name its file.
CHARADES_WEIGHTS = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/charades/SLOW_8x8_R50.pyth"


@dataclass(frozen=True)
class Printed:
    """A figure as the paper prints it, with its standard deviation where there is one."""

    text: str
    std: str = ""

    @property
    def value(self) -> float:
        return float(self.text)


@dataclass(frozen=True)
class Dataset:
    """Films of an experiment: how many classes they have, and how many films a split of them that is not for training
    has at most; public copies have lost some."""

    name: str
    classes: int
    splits: tuple[int, ...]
    source: str
    several: bool = False  # labels a film
    example: str = ""  # its list of films, as people call it


KINETICS = Dataset(
    "Kinetics-400",
    400,
    (400 * 50, 400 * 100),
    "Kay et al., arXiv 1705.06950: 50 films a class for validation, 100 for test",
    example="kinetics/val.csv",
)
CHARADES = Dataset(
    "Charades",
    157,
    (1863,),
    "Sigurdsson et al., ECCV 2016: 1,863 films for test",
    several=True,
    example="charades/Charades_v1_test.csv",
)


@dataclass(frozen=True)
class Line:
    """A line of a table, of one network."""

    table: int
    model: str  # of the zoo
    figures: Mapping[str, Printed]  # by column: accuracy, parameters, memory, macs, cpu, ..., receptive_field
    note: str = ""  # what is known to be wrong with it, or whose figure it is
    elsewhere: str = ""  # why nothing that is measured here can stand in it
    checkpoints: tuple[str, ...] = ()  # names of the files of weights that the experiment is about
    weights: str = "auto"  # what `--weights` takes for them

    @property
    def spec(self) -> ModelSpec:
        return find_model(self.model)

    @property
    def before(self) -> str | None:
        """The network that this one was made from: the same at its native pool, else the clip network."""
        return self.spec.extends or self.spec.counterpart


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: its lines, the films behind its accuracies, and the rate at which they were shown."""

    number: int
    title: str
    lines: tuple[Line, ...]
    dataset: Dataset
    fps: float | None = None  # None: that of the weights
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """What the paper says of the first frames of a network (sections 3.6 and 4.2): accuracies in percent at 15
    frames/s, `peak` with a start of zeros, `seen` so many frames; `clip` is the clip network's."""

    model: str
    delay: int
    steady: Printed
    peak: Printed
    seen: int
    clip: Printed


def _printed(row: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, Printed]:
    """Those of the named columns that are filled: ours by the CSV's."""
    return {key: Printed(row[name], row.get(f"{name[:-5]}_std", "")) for key, name in columns.items() if row[name]}


_COLUMNS1 = {
    "accuracy": "accuracy_top1",
    "parameters": "params_m",
    "memory": "max_allocated_mb",
    "macs": "flops_g",
    **{device: f"{device}_mean" for device in DEVICES},
}


def _table1() -> Iterable[Line]:
    for name, row in zip(SUITES["paper"].models(), lines("table1_kinetics400.csv"), strict=True):
        note = NOTES.get((row["model"], int(row["pool_or_clip_frames"])), "")
        yield Line(1, name, _printed(row, _COLUMNS1), note, checkpoints=public_files(find_model(name)))


_RUN = re.compile(r"(?P<model>[\w-]+)(?: pool (?P<pool>\d+))?(?: \((?P<run>.+)\))?")
# Lines of Table 2 that are of other work: what they are, and why nothing that is measured here stands in them.
_OTHERS = {
    "published": ("SlowFast's own paper, 30 views a film", "`evaluate` shows one view a film"),
    "public code": ("by SlowFast's public code", "it is another code's figure"),
}


def _table2() -> Iterable[Line]:
    for row in lines("table2_charades.csv"):
        found = _RUN.fullmatch(row["model"])
        if found is None:
            raise ValueError(f"table2_charades.csv: {row['model']}")
        name = "-".join(filter(None, (found["model"], found["pool"])))
        note, why = _OTHERS.get(found["run"] or "", ("", ""))
        figures = _printed(row, {"accuracy": "map", "macs": "flops_g", "views": "views"})
        files = (CHARADES_WEIGHTS.rpartition("/")[2],)
        yield Line(2, name, figures, note, why, files, CHARADES_WEIGHTS)


_NEVER_FILLED = "its receptive field is longer than a film of 150 frames, so it is never in its steady state"


def _table3() -> Iterable[Line]:
    columns = {"accuracy": "accuracy_15fps", "macs": "flops_k", "receptive_field": "receptive_field"}
    for name, row in zip(table3(), lines("table3_pool_size.csv"), strict=True):
        figures = _printed(row, columns)
        longer = figures["receptive_field"].value > FILM_S * TABLE3_FRAMES_PER_S
        yield Line(3, name, figures, _NEVER_FILLED if longer else "", checkpoints=public_files(find_model(name)))


@cache
def tables() -> tuple[PaperTable, ...]:
    """Tables 1, 2 and 3."""
    return (
        PaperTable(1, "Kinetics-400", tuple(_table1()), KINETICS, None, tuple(_COLUMNS1)),
        PaperTable(2, "Charades", tuple(_table2()), CHARADES, None, ("macs", "views", "accuracy")),
        PaperTable(
            3,
            "Pool size, at 15 frames/s",
            tuple(_table3()),
            KINETICS,
            TABLE3_FRAMES_PER_S,
            ("accuracy", "macs", "receptive_field"),
        ),
    )


@cache
def starts() -> tuple[Start, ...]:
    """Figure 5 in words: of CoX3D-S and CoX3D-M."""
    facts = list(lines("section_facts.csv"))
    clips = {line.model: line.figures["accuracy"] for line in tables()[2].lines}

    def fact(model: str, begins: str) -> tuple[str, str]:
        (row,) = (row for row in facts if row["model"] == model and row["quantity"].startswith(begins))
        return row["quantity"], row["value"]

    found = []
    for model in ("cox3d-s", "cox3d-m"):
        peak = fact(model, "transient peak (zeros init)")
        name = next(line.model for line in tables()[2].lines if line.model.startswith(f"{model}-"))
        found.append(
            Start(
                name,
                int(fact(model, "frames before normal operation")[1]),
                Printed(fact(model, "steady-state accuracy at 15 FPS")[1]),
                Printed(peak[1]),
                int(re.findall(r"\d+", peak[0])[0]),
                clips[find_model(name).counterpart or ""],
            )
        )
    return tuple(found)
