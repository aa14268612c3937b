"""The timing pass of an external engine, and its verification: it times itself, and answers once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backends import PLAIN, Answers, External, ExternalResult
from ..backends.eager import runnable
from ..errors import UserError
from ..record.record import Engine, Settings, Verification
from .job import PREPARING, Event, phase_event
from .passes import Emit, Subject, TimedNetwork
from .verify import Tally

if TYPE_CHECKING:
    from torch import Tensor


class MeasuredEngine:
    """An external engine after its measurement, in place of a runnable: its facts, and the state of the same network in
    PyTorch. It cannot be called."""

    def __init__(self, result: ExternalResult, net: Any, example: Tensor) -> None:
        self.result = result
        self._eager = runnable(net, example, PLAIN)

    def warm(self, x: Tensor) -> None:
        return None

    def reset(self) -> None:
        return None

    def step(self, x: Tensor) -> Tensor:
        raise UserError("an external engine is timed by its own tool, not call by call")

    def synchronize(self) -> None:
        return None

    def state_tensors(self) -> tuple[Tensor, ...]:
        return self._eager.state_tensors()

    def engine(self) -> Engine:
        return self.result.engine


def external_pass(
    external: External, subject: Subject, settings: Settings, emit: Emit, *, verify: bool
) -> TimedNetwork:
    """The timing pass of an external engine."""

    def report(phase: str) -> None:
        emit(phase_event(phase, 0, settings.runs) if phase == "sampling" else phase_event(phase))

    net, ring = subject.loaded.net, subject.inputs.ring
    emit(phase_event(PREPARING))
    result = external(net, ring, subject.ask, settings, report, verify=verify)
    emit(Event(event="sampled"))
    return TimedNetwork(net, MeasuredEngine(result, net, ring[0]), result.timing, result.peak_rss_bytes, None)


def verify_answers(answers: Answers, tolerance: float) -> Verification:
    """The verification of its one prediction."""
    tally = Tally()
    tally.add(list(answers.given), list(answers.expected))
    return tally.verification(answers.reference, tolerance)
