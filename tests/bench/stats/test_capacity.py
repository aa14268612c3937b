"""How many cameras a network keeps up with: the verdict from blocks, and the search."""

import math
import random
from array import array
from types import SimpleNamespace

import numpy as np
import pytest

from co3d_bench.bench.record.camera import Streams, StreamsTrial
from co3d_bench.bench.stats.capacity import (
    MOST_STREAMS,
    SHARE,
    Looks,
    Misses,
    Room,
    longest,
    most_streams,
    next_more,
    share_interval,
    shortest_claim_s,
)

GB = 10**9


def verdict_after(blocks, streams=1, due=30):
    """The verdict, and after how many blocks it was first known."""
    misses = Misses(streams)
    for count, missed in enumerate(blocks, 1):
        misses.add(due, missed)
        if misses.verdict != "not known":
            return misses.verdict, count
    return misses.verdict, misses.blocks


def test_without_a_miss_the_claim_takes_31_seconds_and_a_miss_delays_it():
    # log(100) / (20 * log(0.9975 / 0.99)) = 30.5
    assert verdict_after([[0]] * 60) == ("yes", 31)
    assert verdict_after([[1], *[[0]] * 59]) == ("yes", 37)
    assert verdict_after([[0, 0, 0]] * 60, streams=3) == ("yes", 31)


def test_few_frames_a_second_take_longer_and_may_be_too_few():
    assert verdict_after([[0]] * 60, due=5) == ("not known", 60)
    assert verdict_after([[0]] * 130, due=5) == ("yes", 123)
    assert verdict_after([[0] * 4] * 60, streams=4, due=5) == ("yes", 31)
    assert [shortest_claim_s(rate) for rate in (30, 20, 5)] == [31, 31, 123]


def test_too_many_cameras_are_known_to_be_after_a_few_seconds():
    assert verdict_after([[15]] * 60) == ("no", 3)
    assert verdict_after([[3]] * 60) == ("no", 7)
    assert verdict_after([[1]] * 60) == ("no", 19)  # 3.3 %


def test_one_burst_of_a_second_proves_nothing():
    assert verdict_after([[15], [15], *[[0]] * 8]) == ("not known", 10)
    assert verdict_after([[30], [30], *[[0]] * 8]) == ("not known", 10)


def test_one_camera_that_misses_more_than_the_others_is_enough():
    assert verdict_after([[0] * 15 + [4]] * 60, streams=16) == ("no", 9)
    misses = Misses(16)
    for _ in range(8):
        misses.add(30, [0] * 15 + [4])
    assert misses.missed.sum() / misses.due / 16 < SHARE


def test_blocks_in_which_no_frame_was_due_say_nothing():
    assert verdict_after([[0]] * 60, due=0) == ("not known", 60)


@pytest.mark.parametrize(("share", "wrong"), [(0.0101, "yes"), (0.0099, "no")])
def test_of_independent_frames_at_most_one_claim_in_a_hundred_is_wrong(share, wrong):
    draw = np.random.default_rng(7)
    found = sum(verdict_after([[missed] for missed in draw.binomial(30, share, 60)])[0] == wrong for _ in range(100))
    assert found <= 3


def test_looks_judge_a_block_once_the_deadline_of_its_last_frame_is_over():
    period_s, deadline_s = 1 / 4, 0.1
    due_s = array("d", [number * period_s for number in range(12)])
    answered_s = array("d", [due + (0.2 if number in (1, 5, 6) else 0.05) for number, due in enumerate(due_s)])
    answered_s[7] = math.nan
    camera = SimpleNamespace(due_s=due_s, answered_s=answered_s)
    looks = Looks(1, period_s, deadline_s, blocks=3)
    looks.look([camera], 1.05)
    assert looks.misses.blocks == 0
    looks.look([camera], 1.2)
    assert (looks.misses.blocks, looks.misses.due, looks.misses.missed.tolist()) == (1, 4, [1])
    looks.look([camera], math.inf)
    assert (looks.misses.blocks, looks.misses.due, looks.misses.missed.tolist()) == (3, 12, [4])


def test_a_frame_that_a_camera_never_showed_was_due_in_its_block():
    camera = SimpleNamespace(due_s=array("d", [0.0]), answered_s=array("d", [0.05]))
    looks = Looks(1, 1 / 4, 0.1, blocks=1)
    looks.look([camera], math.inf)
    assert (looks.misses.due, looks.misses.missed.tolist()) == (4, [3])


def searched(capacity, *, quick=False, most=MOST_STREAMS):
    """The answer where so many are kept up with, and what was tried."""
    tried = []

    def attempt(streams, blocks):
        tried.append((streams, blocks))
        if streams > capacity:
            return "no"
        return "yes" if quick or blocks == 60 else "not known"

    return most_streams(attempt, 60, most), tried


def test_the_search_finds_every_capacity():
    for capacity in range(70):
        for quick in (False, True):
            answer, tried = searched(capacity, quick=quick)
            assert answer == min(capacity, MOST_STREAMS)
            assert len(tried) <= 14


def test_it_doubles_by_short_trials_then_bisects_by_long_ones():
    _, tried = searched(5)
    assert tried == [(1, 5), (2, 5), (4, 5), (8, 5), (6, 60), (5, 60)]


def test_what_is_not_known_is_not_claimed():
    assert most_streams(lambda streams, blocks: "not known", 60) == 0
    known = {1: "yes", 2: "yes", 3: "not known", 4: "not known"}
    assert most_streams(lambda streams, blocks: known.get(streams, "no") if blocks == 60 else "not known", 60) == 2


def test_answers_that_contradict_each_other_end_the_search_all_the_same():
    for seed in range(200):
        draw, tried = random.Random(seed), []

        def attempt(streams, blocks, draw=draw, tried=tried):
            tried.append(streams)
            return draw.choice(["yes", "no", "not known"])

        most_streams(attempt, 60)
        assert len(tried) < 60


def test_memory_grows_with_the_cameras():
    room = Room(base_bytes=GB, limit_bytes=4 * GB)
    assert room.why_not(2, 1, GB) is None
    assert room.why_not(16, 8, int(2.4 * GB)) is None
    assert room.why_not(16, 8, int(2.5 * GB)) == "16 would need 4.21 GB of 4"
    assert room.why_not(6, 8, 5 * GB) is None  # fewer than were there


def trial(streams, verdict="yes", way="one after the other", seconds=30.0, missed=0):
    due = round(30 * seconds * streams)
    return StreamsTrial(
        streams=streams,
        way=way,
        seconds=seconds,
        due=due,
        missed=missed,
        worst_due=due // streams,
        worst_missed=min(missed, due // streams),
        verdict=verdict,
    )


def test_of_a_search_the_longest_trials_are_drawn_and_the_next_number_is_named():
    tried = (
        *(trial(1, "not known", seconds=5), trial(2, "not known", seconds=5), trial(4, "no", seconds=3, missed=90)),
        *(trial(3, "no", seconds=8, missed=30), trial(2)),
        trial(2, "no", way="one call for all", seconds=4, missed=50),
    )
    found = Streams(count=2, way="one after the other", tried=tried)
    assert [(each.streams, each.seconds) for each in longest(found)] == [(1, 5), (2, 30), (2, 4), (3, 8), (4, 3)]
    assert (next_more(found) or trial(9)).streams == 3
    assert found.shown == tried[4]


def test_the_interval_counts_bursts_as_one():
    low, high = share_interval(trial(4, missed=36))  # 1 % of 3600 frames in 30 s: 6 of 600
    assert low == pytest.approx(0.00368, abs=1e-5)  # scipy.stats.binomtest(6, 600).proportion_ci()
    assert high == pytest.approx(0.02164, abs=1e-5)
