"""The blob of a transient: each film's answers since the start, from which the curve can be computed again."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ENVIRONMENT, UserError
from .blobs import load_arrays, write_blob
from .transient import Measure

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Answers:
    """Of each film, or scene, a row with a number for each frame since the start."""

    names: tuple[str, ...]
    values: NDArray[Any]  # (rows, frames); top1: ranks in uint16; error: float64

    @property
    def measure(self) -> Measure:
        return "error" if self.values.dtype.kind == "f" else "top1"


def write_transient(folder: Path, answers: Answers) -> str:
    """Write them as a blob; returns its sha256. Raises UserError as `write_blob`."""
    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, names=np.array(answers.names, np.str_), values=answers.values)
    return write_blob(folder, file.getvalue())


def read_transient(folder: Path, name: str) -> Answers:
    """Those of a blob. Raises UserError as `load_arrays`, and where it holds something else."""
    arrays = load_arrays(folder, name)
    names, values = arrays.get("names"), arrays.get("values")
    if names is None or values is None or not _right(names, values):
        raise UserError(f"{folder / name}: holds no answers after a start", ENVIRONMENT)
    return Answers(tuple(map(str, names)), values)


def _right(names: NDArray[Any], values: NDArray[Any]) -> bool:
    import numpy as np

    if names.ndim != 1 or names.dtype.kind != "U" or values.ndim != 2 or not values.size or len(names) != len(values):
        return False
    errors = values.dtype == np.float64 and bool(np.isfinite(values).all() and (values >= 0).all())
    return values.dtype == np.uint16 or errors
