"""`--batch auto`: when the search ends, and which batches it gives. Pure; `bench/measure/search.py` runs the trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ..record.record import BatchSearch, BatchTrial

LARGEST = 1024
# A larger batch makes every answer wait longer; it has to be this much faster to be called the fastest.
FASTER = 1.02


@dataclass(frozen=True)
class Limits:
    """What bounds a search."""

    base_bytes: int  # taken before the first trial; of resident memory: interpreter, libraries, weights
    memory_bytes: int  # that the process may take, of what limits it: resident memory, or the GPU's
    calls: int  # predictions that a whole case makes
    seconds: float  # that a whole case may take


def predictions_per_s(trial: BatchTrial) -> float:
    """By the median call of a trial: with few calls a mean follows the slowest one."""
    return trial.batch / median(trial.latency_s)


def why_not(last: BatchTrial, limits: Limits) -> str | None:
    """Why a batch of twice the last one must not be tried; None if it may.

    Memory beyond `base_bytes` grows at most in proportion to the batch, so twice as much is a safe upper bound, and the
    kernel does not have to kill the process.
    """
    batch = 2 * last.batch
    if batch > LARGEST:
        return "larger batches are not tried"
    needed = limits.base_bytes + 2 * max(0, last.peak_bytes - limits.base_bytes)
    if needed > limits.memory_bytes:
        return f"{batch} would need {needed / 1e9:.3g} GB of {limits.memory_bytes / 1e9:.3g}"
    seconds = limits.calls * 2 * median(last.latency_s)
    if seconds > limits.seconds:
        return f"{batch} would take about {seconds:.0f} s to measure, and a case may take {limits.seconds:.0f} s"
    return None


def largest(search: BatchSearch) -> int:
    """The largest batch that fitted; 1 where none did, so that the case at batch 1 records the error."""
    return max((trial.batch for trial in search.trials), default=1)


def fastest(search: BatchSearch) -> int:
    """The batch with the most predictions per second; of equal ones the smallest."""
    best: BatchTrial | None = None
    for trial in sorted(search.trials, key=lambda trial: trial.batch):
        if best is None or predictions_per_s(trial) > FASTER * predictions_per_s(best):
            best = trial
    return best.batch if best else 1


def batches(search: BatchSearch) -> tuple[int, ...]:
    """The batches to measure as cases."""
    return tuple(sorted({fastest(search), largest(search)}))


def search_text(search: BatchSearch) -> str:
    """The result of a search as one line for people."""
    if not search.trials:
        return f"batch auto: {search.stopped}"
    rates = {trial.batch: f"{predictions_per_s(trial):.3g} predictions/s" for trial in search.trials}
    best, most = fastest(search), largest(search)
    if most == 1:
        result = f"only 1 ran ({rates[1]})"
    elif best == most:
        result = f"{most} is the largest that ran, and the fastest ({rates[most]})"
    else:
        result = f"{best} is fastest ({rates[best]}), {most} is the largest that ran ({rates[most]})"
    return f"batch auto: {result}; {search.stopped}"


def by_batch(trials: Sequence[BatchTrial]) -> str:
    """Every trial as text: batch, predictions per second, peak memory."""
    return ", ".join(
        f"{trial.batch}: {predictions_per_s(trial):.3g}/s in {trial.peak_bytes / 1e9:.3g} GB" for trial in trials
    )
