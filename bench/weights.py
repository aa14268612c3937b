"""Weights as users give them, told of in the words of the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..models.weights.errors import UnknownWeightsError, WeightsError
from ..models.weights.fetch import OnProgress
from .errors import ENVIRONMENT, USAGE, UserError


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong with weights inside is the user's to mend: one line and an exit code."""
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
