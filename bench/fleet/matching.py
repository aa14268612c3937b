"""Which board can take which case. Pure.

Dask would wait for ever for a board that does not exist, so each case is asked for before anything starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..plan.plan import BoardFacts
from ..record.case import Case
from .boards import FleetBoard

Reached = Mapping[str, BoardFacts]  # by the names of boards


def kinds_at_boards(boards: Iterable[FleetBoard], here: Iterable[str]) -> frozenset[str]:
    """The devices whose cases go to boards: each board, and what it extends, but for those that are this machine."""
    return frozenset(kind for board in boards for kind in board.kinds) - frozenset(here)


def boards_for(device: str, boards: Iterable[FleetBoard]) -> tuple[FleetBoard, ...]:
    """The boards that a device of the plan means."""
    return tuple(board for board in boards if device in board.kinds)


def device_facts(device: str, boards: Iterable[FleetBoard], reached: Reached) -> BoardFacts | None:
    """What a plan must know of a device, of its boards that were reached: `auto` is as many threads as the smallest of
    them has cores, and an engine is missing where all of them lack it. None where none was reached."""
    known = [reached[board.name] for board in boards_for(device, boards) if board.name in reached]
    if not known:
        return None
    lacked = [name for name in known[0].lacks if all(name in facts.lacks for facts in known)]
    return BoardFacts(min(facts.auto_threads for facts in known), {name: known[0].lacks[name] for name in lacked})


def why_not(case: Case, board: FleetBoard, facts: BoardFacts, asked_threads: Sequence[int | str]) -> str | None:
    """Why a board does not take a case; None if it does. `asked_threads` are those of the plan: others are what `auto`
    came to, and must fit the board."""
    if case.device not in board.kinds:
        return f"{board.name} is no {case.device}"
    if case.backend in facts.lacks:
        return f"{board.name}: {facts.lacks[case.backend]}"
    if case.threads > facts.auto_threads and case.threads not in asked_threads:
        return f"{board.name} has {facts.auto_threads} cores, and the case runs on {case.threads}"
    return None
