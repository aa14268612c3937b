"""The blob of an evaluation: each film's scores, from which every figure of its record can be computed again."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ENVIRONMENT, UserError
from .blobs import load_arrays, write_blob

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Predictions:
    """The answers to the films that could be scored, a row each.

    Of films with one label a row's scores are less the row's largest, which changes neither their order nor their
    softmax, and lets float16 keep apart what is near the top. NaN: the network had no finite answer.
    """

    films: tuple[str, ...]
    scores: NDArray[np.float16]  # (films, classes)
    labels: NDArray[Any]  # (films,) positions; or (films, classes) of bool, where a film may have several
    classes: tuple[str, ...] = ()  # their names; empty where only positions are known

    @property
    def several(self) -> bool:
        return self.labels.ndim == 2


def stored_scores(scores: Sequence[float] | NDArray[Any], *, several: bool) -> NDArray[np.float16]:
    """One film's scores as they are kept; NaN everywhere where one of them is not finite."""
    import numpy as np

    row = np.asarray(scores, np.float64)
    if not np.isfinite(row).all():
        return np.full(len(row), np.nan, np.float16)
    most = float(np.finfo(np.float16).max)
    return np.clip(row if several else row - row.max(), -most, most).astype(np.float16)


def write_predictions(folder: Path, predictions: Predictions) -> str:
    """Write them as a blob; returns its sha256. Raises UserError as `write_blob`."""
    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(
        file,
        allow_pickle=False,
        films=np.array(predictions.films, np.str_),
        scores=predictions.scores,
        labels=predictions.labels,
        classes=np.array(predictions.classes, np.str_),
    )
    return write_blob(folder, file.getvalue())


def read_predictions(folder: Path, name: str) -> Predictions:
    """Those of a blob. Raises UserError as `load_arrays`, and where it holds something else."""
    import numpy as np

    arrays = load_arrays(folder, name)
    wrong = UserError(f"{folder / name}: holds no predictions", ENVIRONMENT)
    try:
        films, scores, labels, classes = (arrays[each] for each in ("films", "scores", "labels", "classes"))
    except KeyError as error:
        raise wrong from error
    texts = all(array.ndim == 1 and array.dtype.kind == "U" for array in (films, classes))
    if not texts or scores.ndim != 2 or scores.dtype != np.float16 or len(classes) not in (0, scores.shape[1]):
        raise wrong
    if not 0 < len(films) == len(scores) == len(labels):
        raise wrong
    one = labels.ndim == 1 and labels.dtype.kind == "i" and ((labels >= 0) & (labels < scores.shape[1])).all()
    if not one and not (labels.dtype == np.bool_ and labels.shape == scores.shape):
        raise wrong
    return Predictions(tuple(map(str, films)), scores, labels, tuple(map(str, classes)))
