"""The boards of a fleet and the cases that wait for them: which case a free board gets next. Pure; the time is given.

Cases stand in an order drawn by a seed, and a free board gets the first that it can take. A case with a record stays
with the board that measured it, so that no figure mixes two boards. One that a killed host had given to a board goes to
that board first, since it may run there still.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..plan.plan import BoardFacts
from ..record.case import Case
from .boards import FleetBoard
from .matching import why_not

# A board that is lost so often in a row gets no case any more in this run; the wait after each time but the last.
MOST_FAILURES = 3
WAIT_AFTER_FAILURE_S = (10.0, 60.0)
# How often a board is looked at on which another run measures.
BUSY_EVERY_S = 10.0


def in_order(cases: Iterable[Case], seed: int) -> tuple[Case, ...]:
    """The cases in the order of the seed. Where two cases stand to each other does not depend on what else is measured,
    so a resumed run with another plan keeps the order."""
    return tuple(sorted(cases, key=lambda case: hashlib.sha256(f"{seed}/{case.key}".encode()).digest()))


@dataclass
class OnShelf:
    """One board of a run, as it stands."""

    board: FleetBoard
    facts: BoardFacts | None = None  # None: it was not reached so far
    why_away: str = ""  # the last reason why it was not reached, or was lost
    failures: int = 0  # in a row
    free_at_s: float = 0.0
    case: Case | None = None  # what it measures
    last_end_s: float | None = None  # when its last case of this run ended, measured to its end or not
    aside: bool = False

    @property
    def usable(self) -> bool:
        """Whether it may get a case, now or later."""
        return self.facts is not None and not self.aside


@dataclass
class Shelf:
    """The boards, and the cases that wait."""

    boards: Mapping[str, OnShelf]
    waiting: list[Case]  # in their order
    asked_threads: Sequence[int | str] = ()
    owner: dict[Case, str] = field(default_factory=dict)  # of cases that have a record: the board that measured it
    left: dict[Case, str] = field(default_factory=dict)  # of cases of a host that was killed: the board that had it
    _order: dict[Case, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._order = {case: number for number, case in enumerate(self.waiting)}

    def takes(self, each: OnShelf, case: Case) -> bool:
        """Whether a board may measure a case."""
        if not self._can_run(each, case):
            return False
        left_at = self.boards.get(self.left.get(case, ""), each)
        stays_with = left_at if self._can_run(left_at, case) else each
        return self.owner.get(case, stays_with.board.name) == each.board.name

    def _can_run(self, each: OnShelf, case: Case) -> bool:
        if not each.usable or each.facts is None:
            return False
        return why_not(case, each.board, each.facts, self.asked_threads) is None

    def next_case(self, each: OnShelf, now_s: float) -> Case | None:
        """The case that a board gets now, if any; those that it has begun come first."""
        if each.case is not None or now_s < each.free_at_s:
            return None
        fitting = (case for case in self.waiting if self.takes(each, case))
        return min(fitting, key=lambda case: (case not in self.left, case not in self.owner), default=None)

    def begin(self, each: OnShelf, case: Case) -> None:
        """A board has got a case."""
        self.waiting.remove(case)
        self.left.pop(case, None)
        each.case = case

    def end(self, each: OnShelf, now_s: float) -> None:
        """A board is through with its case."""
        each.case, each.failures, each.last_end_s = None, 0, now_s

    def give_back(self, each: OnShelf, now_s: float) -> None:
        """The case of a board waits again, at its place in the order. The board may have worked on it until now."""
        if each.case is not None:
            self.waiting = sorted((*self.waiting, each.case), key=lambda case: self._order.get(case, 0))
            each.case, each.last_end_s = None, now_s

    def lose(self, each: OnShelf, why: str, now_s: float) -> None:
        """A board was lost in its case; after three times in a row it is set aside."""
        self.give_back(each, now_s)
        each.failures += 1
        each.why_away, each.aside = why, each.failures >= MOST_FAILURES
        if not each.aside:
            each.free_at_s = now_s + WAIT_AFTER_FAILURE_S[each.failures - 1]

    def busy(self, each: OnShelf, why: str, now_s: float) -> None:
        """Another run measures on a board."""
        self.give_back(each, now_s)
        each.why_away, each.free_at_s = why, now_s + BUSY_EVERY_S
