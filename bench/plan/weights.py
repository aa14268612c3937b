"""Weights as users name them: found, loaded into a network, and errors for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.spec import ModelSpec
from ...models.weights.cache import checked_sha256
from ...models.weights.errors import UnknownWeightsError, WeightsError
from ...models.weights.fetch import OnProgress
from ...models.weights.head import resize_head, with_classes
from ...models.weights.locate import AUTO, locate
from ..errors import ENVIRONMENT, USAGE, UserError
from ..record.case import WeightsFile

if TYPE_CHECKING:
    from ..record.record import Record
    from .resolve import Resolved


def find_weights(config: Resolved) -> dict[str, WeightsFile]:
    """The file of each network of the plan, by the network's name; none where the plan asks for no weights.

    Raises UserError for one file for several networks, a network without public weights, or a missing file.
    """
    word = config.plan.weights
    if word is None:
        return {}
    specs = [config.spec(name) for name in dict.fromkeys(config.plan.models)]
    architectures = list(dict.fromkeys(spec.counterpart or spec.name for spec in specs))
    if word != AUTO and len(architectures) > 1:
        raise UserError(
            f"--weights {word}: one file is for one network, and the plan has {', '.join(architectures)}; name one "
            "network, or give --weights auto, which takes the public weights of each"
        )
    found, wrong = {}, []
    for spec in specs:
        try:
            found[spec.name] = find_file(word, spec)
        except UserError as error:  # noqa: PERF203 - all networks are named at once
            wrong.append(error)
    if wrong:
        raise UserError("\n".join(dict.fromkeys(error.message for error in wrong)), wrong[0].exit_code)
    return found


def find_file(word: str, spec: ModelSpec) -> WeightsFile:
    """The file that `word` (a path, an address, a name or `auto`) is for that network. Raises UserError."""
    with as_user_error(), progress_bar(word) as on_progress:
        path = locate(word, spec, on_progress)
        return WeightsFile(path=str(path.absolute()), sha256=checked_sha256(path))


def load_into(net: Any, spec: ModelSpec, file: WeightsFile) -> tuple[ModelSpec, tuple[str, ...]]:
    """Load the file into the network; returns its spec, with the classes of the file, and notes for the record.

    Raises UserError.
    """
    from ...models.weights.load import load_weights

    with as_user_error():
        report = load_weights(net, spec, Path(file.path))
    if report.sha256 != file.sha256:
        raise UserError(f"{file.path}: the file changed during the run; run again", ENVIRONMENT)
    return spec if report.classes is None else with_classes(spec, report.classes), report.notes


def fit(
    net: Any, spec: ModelSpec, file: WeightsFile | None = None, classes: int | None = None
) -> tuple[ModelSpec, tuple[str, ...]]:
    """Give the network those weights, and so many classes; returns its spec as it is then, and notes for the record.

    Without `classes` it has those of the file, or its own. Raises UserError, also for a file of other classes.
    """
    notes: tuple[str, ...] = ()
    if classes is not None:
        with as_user_error():
            resize_head(net, spec, classes)
            spec = with_classes(spec, classes)
    if file is not None:
        spec, notes = load_into(net, spec, file)
    if classes not in (None, spec.classes) and file:
        raise UserError(f"--classes {classes}: {Path(file.path).name} has {spec.classes}; leave the option out")
    return spec, notes


def same_weights(record: Record, file: WeightsFile | None, classes: int | None = None) -> bool:
    """Whether a record was measured with that file, or with no file where there is none; `classes`: and for so many."""
    text = record.model.weights if record.model else ""
    same = text == file.text if file else " sha256:" not in text
    return same and (classes is None or record.model is None or record.model.classes == classes)


@contextmanager
def as_user_error() -> Iterator[None]:
    """Turns WeightsError inside into UserError."""
    try:
        yield
    except UnknownWeightsError as error:
        raise UserError(str(error), USAGE) from None
    except WeightsError as error:
        raise UserError(str(error), ENVIRONMENT) from None


@contextmanager
def progress_bar(name: str) -> Iterator[OnProgress]:
    """A bar on standard error, where that is a terminal, for one download."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
