"""A board cools by a clock and a thermometer of the test's own."""

from __future__ import annotations

import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.fleet.cool import MOST_S, READ_EVERY_S, Cooling, hold
from co3d_bench.bench.plan.config import CoolDown

from .conftest import configured


class Room:
    """Degrees by the second; waiting moves the clock."""

    def __init__(self, degrees, stops_at_s=None):
        self.now_s, self.degrees, self.stops_at_s, self.shown = 0.0, degrees, stops_at_s, []

    def wait(self, seconds):
        self.now_s += seconds
        return self.stops_at_s is not None and self.now_s >= self.stops_at_s

    def hold(self, text, since_s=None):
        asked = CoolDown(temperature_c=45.0) if text == "45 C" else CoolDown(time_s=60.0)
        cooling = Cooling(lambda: self.degrees(self.now_s), self.wait, self.shown.append, lambda: self.now_s)
        return hold(asked, since_s, cooling)


def test_to_a_temperature():
    room = Room(lambda now_s: 60.0 - now_s)
    held = room.hold("45 C")
    assert held.model_dump() == {"asked": "45 C", "waited_s": 15.0, "temperature_c": 45.0, "reason": None}
    assert room.shown == [60.0, 55.0, 50.0, 45.0]


def test_a_room_that_is_warmer_than_what_is_asked_ends_the_wait_in_the_end():
    held = Room(lambda now_s: 50.0).hold("45 C")
    assert MOST_S <= held.waited_s <= MOST_S + READ_EVERY_S
    assert (held.temperature_c, held.reason) == (50.0, f"it did not cool further in {held.waited_s:.0f} s")


def test_a_board_without_a_thermometer_is_measured_and_says_so():
    held = Room(lambda now_s: None).hold("45 C")
    assert (held.waited_s, held.reason) == (0.0, "the board has no temperature that can be read")


def test_for_a_time_since_its_last_case():
    assert Room(None).hold("60 s", since_s=20.0).waited_s == 40.0
    assert Room(None).hold("60 s", since_s=80.0).waited_s == 0.0
    assert Room(None).hold("60 s").reason == "the first case of its board"


def test_being_stopped_ends_the_wait():
    assert Room(None, stops_at_s=1.0).hold("60 s", since_s=0.0).reason == "stopped"
    assert Room(lambda now_s: 60.0, stops_at_s=9.0).hold("45 C").waited_s == 5.0


@pytest.mark.parametrize(
    ("word", "cool_down"),
    [
        ("45 C", CoolDown(temperature_c=45.0)),
        ("45.5C", CoolDown(temperature_c=45.5)),
        ("60s", CoolDown(time_s=60.0)),
        ("2m", CoolDown(time_s=120.0)),
    ],
)
def test_it_is_written_as_a_temperature_or_as_a_time(tables, word, cool_down):
    tables["fleet"] = {"cool_down": word}
    assert configured(tables).fleet.cool_down == cool_down


@pytest.mark.parametrize("word", ["cold", "45 F", "-3 s"])
def test_anything_else_is_named(tables, word):
    tables["fleet"] = {"cool_down": word}
    with pytest.raises(UserError, match=r"bench\.toml: fleet\.cool_down = .*must be a time .* or a temperature"):
        configured(tables)
