"""Records as the paper's conditions ask for, and such as differ from them in one thing."""

from __future__ import annotations

from typing import Any

from co3d_bench.bench.record.case import EvaluationSetup, TransientSetup
from co3d_bench.bench.record.evaluation import Evaluation, Share
from co3d_bench.bench.record.record import Record
from co3d_bench.bench.record.transient import CurvePoint, Transient

from .factories import make_record

FILMS = 19_404  # of Kinetics-400's 20,000 for validation, as public copies have
FILES = {"x3d-s": "x3d_s.pyth", "cox3d-s-13": "x3d_s.pyth", "x3d-m": "x3d_m.pyth", "cox3d-m-16": "x3d_m.pyth"}
SHA = " sha256:0123456789ab"


def share(value: float) -> Share:
    return Share(value=value, low=value - 0.0068, high=value + 0.0066)


def make_accuracy(
    model: str = "x3d-s",
    *,
    top1: float | None = 0.6431,
    fps: float | None = None,
    precision: str = "fp32",
    weights: str | None = None,
    case: dict[str, Any] | None = None,
    **run: Any,
) -> Record:
    """The accuracy of a network over the films of Kinetics-400, under the paper's conditions but for what is named."""
    speed = make_record(model)
    assert speed.model
    figures: dict[str, Any] = {
        "data": "val",
        "asked": FILMS,
        "scored": FILMS,
        "classes": 400,
        "top1": share(top1) if top1 is not None else None,
        "predictions": "a" * 64,
        "duration_s": 9000.0,
        "network_s": 4000.0,
        "waited_s": 10.0,
        "decoders": 2,
    }
    evaluation = Evaluation(**(figures | run))
    setup = EvaluationSetup(data=evaluation.data, films=evaluation.asked, sha256="0123456789ab", fps=fps)
    changes = {"evaluation": setup, "precision": precision, **(case or {})}
    facts = speed.model.model_copy(update={"weights": weights or FILES[model] + SHA})
    return speed.model_copy(
        update={
            "case": speed.case.model_copy(update=changes),
            "model": facts,
            "timing": None,
            "counters": None,
            "evaluation": evaluation,
        }
    )


def make_start(start: str = "zeros", model: str = "cox3d-s-13", **changes: Any) -> Record:
    """A curve of Figure 5: its first 80 answers. `changes` of the accuracy, of `measure`, `shown` and `source`."""
    own = {name: changes.pop(name) for name in ("measure", "shown", "source") if name in changes}
    record = make_accuracy(model, fps=changes.pop("fps", 15), **changes)
    curve = tuple(CurvePoint(value=y, low=y, high=y) for y in (min(0.492, 0.0082 * frame) for frame in range(80)))
    basis: dict[str, Any] = {"measure": "top1", "source": "val", "shown": FILMS, "asked": FILMS, "classes": 400}
    run = Transient(start=start, curve=curve, answers="b" * 64, duration_s=1.0, network_s=1.0, **(basis | own))  # pyright: ignore[reportArgumentType]
    case = record.case.model_copy(update={"transient": TransientSetup(start=start)})  # pyright: ignore[reportArgumentType]
    return record.model_copy(update={"case": case, "evaluation": None, "transient": run})
