"""Which board of a fleet measured a record, where its case stood in the order, and how the board cooled before it."""

from __future__ import annotations

from pydantic import Field

from .case import Duration, Frozen, Number, Ordinal, Whole


class CoolDownHeld(Frozen):
    """How a board cooled before a case began."""

    asked: str = Field(description="the temperature or the time, as in bench.toml: 45 C, 60 s")
    waited_s: Duration = Field(description="beside the time that had passed since its last case")
    temperature_c: Number | None = Field(
        default=None, description="the hottest zone of the board when the case began; None: not read"
    )
    reason: str | None = Field(default=None, description="why what was asked was not waited for; None: it was")


class FleetFacts(Frozen):
    """The board, and the order of the cases of its run."""

    board: str = Field(description="its device in bench.toml")
    host: str = Field(description="where ssh reached it")
    seed: Whole = Field(description="of the order of the cases")
    order: Ordinal = Field(description="place of the case in that order, from 1")
    cool_down: CoolDownHeld | None = Field(
        default=None,
        description="before the first process that was measured at one go; None: not asked, or a later one",
    )
