"""Which network fits: against brute force on random stores, and figure by figure from real records."""

import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from co3d_bench.bench.record.camera import CameraRun, Reaction
from co3d_bench.bench.record.case import CameraSetup
from co3d_bench.bench.record.sensing import Energy, EnergyBlock
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.bench.stats.choose import (
    CONSTRAINTS,
    Candidate,
    best_of_each,
    candidates,
    choose,
    figures,
    interval,
    judge,
    nearest,
    uses,
)

from ...choices import make_candidates, make_limits
from ...factories import DEFAULT_MODELS, make_case, make_failed_record, make_model, make_record, make_samples

STORES = 10_000


# --- brute force: written from the words of METHODOLOGY, and from nothing else


def close(a, b, share):
    return abs(a - b) <= share * max(a, b)


def nth(fps, trained):
    """Every how many frames: the nearest whole number, of two as near the even one."""
    return min(range(1, 100), key=lambda n: (abs(n - fps / trained), n % 2))


def brute_ways(c, fps):
    """(way, answers due, frames a state sees, states beyond the first)"""
    if c.watched:
        w = c.watched
        return [(w.way, w.answers_per_s, w.sees_per_s, 0)]
    if fps is None:
        return [("trained", c.trained_per_s if c.trained_per_s else c.rate_per_s, c.trained_per_s, 0)]
    n = nth(fps, c.trained_per_s) if c.trained_per_s else 1
    ways = [("every", fps, fps, 0)]
    if n >= 2:
        ways += [("trained", fps / n, fps / n, 0)] + [("interleaved", fps, fps / n, n - 1)] * (c.form == "frame")
    if c.form != "frame":  # its clip is made of every n-th frame, however often it answers
        ways = [(way, answers, fps / n if c.trained_per_s else None, more) for way, answers, _, more in ways]
    return [each for each in ways if all(each[0] != way or not close(fps, other, 0.01) for way, other in c.cameras)]


def brute_wrong(c, way, limits):
    """The names of the limits that are not kept."""
    _, answers, sees, more = way
    wrong = set()
    if "fps" in limits:
        elsewhere = c.watched is not None and not close(c.watched.fps, limits["fps"], 0.01)
        if elsewhere or c.rate_per_s is None or c.rate_per_s < answers:
            wrong.add("fps")
    elif limits and c.watched is not None and c.rate_per_s is not None and c.rate_per_s < answers:
        wrong.add("fps")  # of its own camera
    if "deadline" in limits:
        too_often = c.missed is not None and c.missed.share > 0.01 and c.missed.deadline_s >= limits["deadline"]
        if c.latency_s is None or c.latency_s > limits["deadline"] or too_often:
            wrong.add("deadline")
    if "react" in limits and (None in (c.reaction_frames, sees) or c.reaction_frames / sees > limits["react"]):
        wrong.add("react")
    if "memory" in limits:
        unknown = c.memory_bytes is None or (more and c.state_bytes is None)
        if unknown or c.memory_bytes + more * (c.state_bytes or 0) > limits["memory"]:
            wrong.add("memory")
    if "watts" in limits:
        unknown = None in (c.idle_w, c.answer_j, answers)
        if unknown or c.idle_w + c.answer_j * answers > limits["watts"]:
            wrong.add("watts")
    if "accuracy" in limits:
        top1 = next((top1 for rate, top1 in c.accuracies if sees and close(rate, sees, 0.05)), None)
        if sees is None:
            top1 = c.accuracy
        if top1 is None or top1 < limits["accuracy"]:
            wrong.add("accuracy")
    return wrong


def test_what_fits_is_what_brute_force_finds():
    draw = random.Random(25)
    seen = dict.fromkeys(("fits", "none fits", *(each.name for each in CONSTRAINTS)), 0)
    for _ in range(STORES):
        store, limits = make_candidates(draw), make_limits(draw)
        expected = [
            (c.case.key, way[0], frozenset(brute_wrong(c, way, limits)))
            for c in store
            for way in brute_ways(c, limits.get("fps"))
        ]
        found = choose(store, limits)
        judged = [(v.candidate.case.key, v.use.way, frozenset(w.constraint.name for w in v.violations)) for v in found]
        assert sorted(judged, key=repr) == sorted(expected, key=repr)
        fit = [verdict for verdict in found if verdict.feasible]
        assert found[: len(fit)] == tuple(fit)  # they stand first
        for better, worse in pairwise(fit):
            assert not comes_before(worse, better)
        far = [[how_far(w) for w in v.violations] for v in found]
        far = [(len(each), *sorted(each, reverse=True)) for each in far]
        assert far == sorted(far)  # then the nearest
        seen["fits" if fit else "none fits"] += 1
        for _, _, wrong in expected:
            for name in wrong:
                seen[name] += 1
    assert min(seen.values()) > STORES / 20, seen  # each of them was tried often


def how_far(violation):
    """Relative to the limit; of deadlines that were missed, the share beyond the one in a hundred that may be."""
    if violation.value is None:
        return math.inf
    return violation.value - 0.01 if violation.missed else abs(violation.value / violation.limit - 1)


def comes_before(a, b):
    """More accurate; as accurate and sooner; as soon and more often; as often and smaller."""
    for name, sign in (("accuracy", -1), ("deadline", 1), ("answers", -1), ("memory", 1)):
        of = [v.use.answers_per_s if name == "answers" else v.figures[name] for v in (a, b)]
        first, second = (math.inf if value is None else sign * value for value in of)
        if first != second:
            return first < second
    return False


def test_where_nothing_fits_the_nearest_limit_admits_something():
    draw, tried, proposed = random.Random(26), 0, 0
    while tried < 300:
        store, limits = make_candidates(draw), make_limits(draw)
        if any(verdict.feasible for verdict in choose(store, limits)):
            continue
        tried += 1
        relaxed = nearest(store, limits)
        single = [v for v in choose(store, limits) if len(v.violations) == 1]
        if relaxed is None:
            for verdict in single:
                (violation,) = verdict.violations
                assert violation.constraint.name == "fps" or violation.missed or violation.value in (None, math.inf)
            continue
        proposed += 1
        name = relaxed.constraint.name
        changed = {**limits, name: relaxed.limit}
        assert any(verdict.feasible for verdict in choose(store, changed))
        by = abs(relaxed.limit / limits[name] - 1)
        for verdict in single:  # none of another limit needs less; 1 % is more than rounding to three figures gives
            (violation,) = verdict.violations
            if violation.constraint.name != "fps" and not violation.missed and violation.value not in (None, math.inf):
                assert by <= abs(violation.value / violation.limit - 1) + 0.01 * (1 + by)
    assert proposed > 50


# --- the ways to use a network


def one(**known):
    return Candidate(make_case("cox3d-m-64"), "CoX3D-M (64)", known.pop("form", "frame"), **known)


def test_at_the_rate_of_the_weights_every_fifth_frame_of_30_is_taken():
    found = uses(one(trained_per_s=6.0), 30.0)
    assert [(use.way, use.answers_per_s, use.sees_per_s, use.every, use.states) for use in found] == [
        ("every", 30.0, 30.0, 1, 1),
        ("trained", 6.0, 6.0, 5, 1),
        ("interleaved", 30.0, 6.0, 1, 5),
    ]
    assert [use.way for use in uses(one(trained_per_s=6.0), 6.0)] == ["every"]
    assert [use.way for use in uses(one(trained_per_s=None), 30.0)] == ["every"]
    assert [use.sees_per_s for use in uses(one(form="clip", trained_per_s=6.0), 30.0)] == [6.0, 6.0]
    assert interval(15.0, 6.0) == 2  # as the camera has it: round(2.5)


def test_figures_belong_to_the_way_of_use():
    network = one(
        trained_per_s=6.0,
        accuracies=((6.0, 71.03), (15.0, 64.9)),
        reaction_frames=60.0,
        memory_bytes=4e8,
        state_bytes=4e6,
        idle_w=2.0,
        answer_j=0.1,
    )
    every, trained, interleaved = (figures(network, use) for use in uses(network, 30.0))
    assert [each["accuracy"] for each in (every, trained, interleaved)] == [None, 71.03, 71.03]
    assert [each["react"] for each in (every, trained, interleaved)] == [2.0, 10.0, 10.0]
    assert [each["memory"] for each in (every, trained, interleaved)] == [4e8, 4e8, 4e8 + 4 * 4e6]
    assert [each["watts"] for each in (every, trained, interleaved)] == [5.0, 2.6, 5.0]
    at_15, near = (figures(network, use) for use in uses(network, 15.0)[:2])
    assert (at_15["accuracy"], at_15["react"]) == (64.9, 4.0)
    assert (near["accuracy"], near["react"]) == (None, 8.0)  # every second of 15 are 7.5: too far from 6
    clip = replace(network, form="clip", case=make_case("x3d-m"))
    assert [figures(clip, use)["accuracy"] for use in uses(clip, 25.0)] == [71.03, 71.03]  # every fourth: 6.25
    assert figures(clip, uses(clip, 2.0)[0])["accuracy"] is None  # a camera too slow for its clips
    (alone,) = uses(network, None)
    assert figures(network, alone)["accuracy"] == 71.03


def test_what_is_not_known_excludes_and_only_where_it_is_asked_for():
    network = one(rate_per_s=100.0)
    (use,) = uses(network, 30.0)
    assert judge(network, use, {"fps": 30.0}).feasible
    for constraint in CONSTRAINTS[1:]:
        (violation,) = judge(network, use, {"fps": 30.0, constraint.name: 1.0}).violations
        assert (violation.constraint, violation.value) == (constraint, None)


def test_of_each_network_on_each_device_the_first_is_shown():
    found = choose([one(accuracy=71.0, latency_s=0.02), one(accuracy=71.0, latency_s=0.01)], {})  # equally accurate
    board = replace(found[0], candidate=replace(found[0].candidate, case=make_case("cox3d-m-64", device="tx2")))
    assert best_of_each([*found, board]) == (found[0], board)
    assert found[0].candidate.latency_s == 0.01


# --- from records


def watched(model="cox3d-m-64", *, fps=30.0, every=5, states=1, due=1200, dropped=0, policy="newest", streams=1, **run):
    setup = CameraSetup(fps=fps, every=every, states=states, policy=policy, streams=streams)
    record = make_record(model)
    made = CameraRun(
        **{
            "source": "film.mp4",
            "duration_s": 200.0,
            "deadline_s": 0.1,
            "due": due,
            "in_time": due - dropped,
            "late": 0,
            "dropped": dropped,
            "latency_s": {"p50": 0.03, "p90": 0.04, "p95": 0.05, "p99": 0.06},
            "mean_age_s": 0.1,
            "peak_age_s": 0.2,
            "longest_gap_s": 0.2,
            "times": "0" * 64,
            **run,
        }
    )
    case = record.case.model_copy(update={"camera": setup, "input": "video:film.mp4:0123456789ab"})
    return record.model_copy(update={"case": case, "timing": None, "camera": made, "peak_rss_bytes": None})


REACTION = Reaction(
    half_s=10.0, half_range_s=(9.0, 11.0), nine_tenths_s=15.0, nine_tenths_range_s=(14.0, 16.0), scenes=4, frame_s=1 / 6
)


@pytest.mark.parametrize("model", DEFAULT_MODELS)
def test_the_figures_of_a_case_are_those_of_its_records(model):
    record = make_record(model)
    (found,) = candidates([record])
    published = record.model.published.accuracies
    assert found.rate_per_s == pytest.approx(100 / math.fsum(record.timing.samples.latency_s))
    assert found.latency_s == sorted(record.timing.samples.latency_s)[89]
    assert (found.percent, found.memory_bytes, found.state_bytes) == (90, 412_000_000, record.counters.state_bytes)
    assert (found.trained_per_s, found.accuracy) == (published[0].frames_per_s, published[0].top1)
    assert found.accuracies == tuple((each.frames_per_s, each.top1) for each in published)
    assert found.reaction_frames is found.idle_w is found.answer_j is None


@pytest.mark.parametrize(("count", "percent"), [(63, 50), (64, 90), (130, 95), (662, 99)])
def test_latency_is_the_highest_percentile_that_its_samples_allow(count, percent):
    samples = make_samples(0.01, count=count)
    (found,) = candidates([make_record("x3d-s", samples=samples)])
    assert found.percent == percent
    if percent == 99:
        assert found.latency_s == sorted(samples.latency_s)[655]


def test_a_median_is_that_of_every_table():
    (case,) = case_results([record := make_record("x3d-s", samples=make_samples(0.01, count=24))])
    (found,) = candidates([record])
    assert (found.percent, found.latency_s) == (50, case.value("latency_s"))  # between two samples of an even number


def test_reaction_comes_from_any_camera_of_the_same_network_and_weights():
    speed, camera = make_record("cox3d-m-64"), watched(reaction=REACTION)
    assert {each.reaction_frames for each in candidates([speed, camera])} == {60.0}
    trained = make_model("cox3d-m-64", weights="x3d_m.pyth sha256:0123456789ab")
    other = make_record("cox3d-m-64", model=trained)
    assert [each.reaction_frames for each in candidates([other, camera])] == [None, 60.0]


def test_power_is_idle_power_and_the_energy_of_the_answers():
    busy = EnergyBlock(seconds=10.0, calls=100, energy_j=50.0, fresh_readings=20)
    idle = EnergyBlock(seconds=10.0, calls=0, energy_j=20.0, fresh_readings=20)
    record = make_record("cox3d-m-64", energy=Energy(source="power", busy=(busy,), idle=(idle,)))
    (found,) = candidates([record])
    assert (found.idle_w, found.answer_j) == (2.0, pytest.approx(0.3))
    batch = record.model_copy(update={"case": make_case("cox3d-m-64", batch=4)})
    assert candidates([batch])[0].answer_j == pytest.approx(0.3)  # of all four streams, as that of a call


def test_a_camera_stands_in_place_of_what_would_be_derived_from_calls():
    speed, camera = make_record("cox3d-m-64"), watched()
    found = candidates([speed, camera])
    at_30 = [(v.use.way, v.candidate.watched is not None) for v in choose(found, {"fps": 30.0})]
    assert sorted(at_30) == [("every", False), ("interleaved", False), ("trained", True)]
    assert sum(v.candidate.watched is None for v in choose(found, {"fps": 25.0})) == 3
    (elsewhere,) = [v for v in choose(found, {"fps": 25.0}) if v.candidate.watched]
    assert [(w.constraint.name, w.value) for w in elsewhere.violations] == [("fps", None)]
    assert found[1].memory_bytes == 412_000_000  # which its own record does not hold


@pytest.mark.parametrize(
    ("setup", "way", "sees_per_s"),
    [
        ({"every": 1}, "every", 30.0),
        ({"every": 5}, "trained", 6.0),
        ({"every": 1, "states": 5}, "interleaved", 6.0),
        ({"every": 3}, "other", 10.0),
        ({"fps": 25.0, "every": 4}, "trained", 6.25),
    ],
)
def test_a_camera_was_set_in_one_of_these_ways(setup, way, sees_per_s):
    (found,) = candidates([watched(**setup)])
    assert (found.watched.way, found.watched.sees_per_s) == (way, sees_per_s)
    assert found.watched.answers_per_s == setup.get("fps", 30.0) / setup["every"]


def test_dropped_frames_are_infinitely_late_and_too_many_of_them_do_not_keep_up():
    kept = candidates([watched(dropped=10)])[0]
    assert (kept.latency_s, kept.percent, kept.rate_per_s) == (0.06, 99, 6.0)
    lost = candidates([watched(dropped=120, latency_s={"p50": 0.03})])[0]
    assert (lost.latency_s, lost.rate_per_s) == (math.inf, pytest.approx(5.4))
    assert [w.constraint.name for w in choose([lost], {"fps": 30.0, "deadline": 9.0})[0].violations] == [
        "fps",
        "deadline",
    ]
    assert [w.constraint.name for w in choose([lost], {"react": 99.0})[0].violations] == [
        "fps",  # of its own camera, though none was asked for: a reaction is of a rate that is kept
        "react",
    ]
    assert choose([lost], {})[0].feasible
    assert nearest([lost], {"memory": 1.0}) is None
    few = candidates([watched(due=100, latency_s={"p50": 0.03, "p90": 0.04})])[0]
    assert (few.percent, few.latency_s) == (90, 0.04)
    none = candidates([watched(due=5, latency_s={})])[0]
    assert (none.latency_s, none.rate_per_s) == (None, None)


def test_few_samples_hide_no_miss_of_the_cameras_own_deadline():
    (found,) = candidates([watched(due=25, in_time=22, late=3, latency_s={"p50": 0.04})])
    assert (found.percent, found.latency_s, found.rate_per_s) == (50, 0.04, 6.0)  # none was dropped
    for deadline_s in (0.05, 0.1):
        (verdict,) = choose([found], {"fps": 30.0, "deadline": deadline_s})
        assert [(w.constraint.name, w.value, w.missed) for w in verdict.violations] == [("deadline", 0.12, True)]
        assert nearest([found], {"deadline": deadline_s}) is None  # how late they were is not known
    assert choose([found], {"deadline": 0.2})[0].feasible  # of a longer one nothing is known but the percentile
    (late,) = choose([found], {"deadline": 0.03})[0].violations
    assert (late.value, late.missed) == (0.04, False)
    (some,) = candidates([watched(due=25, in_time=15, dropped=10, latency_s={"p50": 0.04})])
    assert some.rate_per_s == pytest.approx(3.6)  # though its median is finite
    (once,) = candidates([watched(due=1200, in_time=1188, late=12)])
    assert choose([once], {"fps": 30.0, "deadline": 0.1})[0].feasible  # 1 % may


def test_failed_cases_cameras_that_waited_and_several_at_once_are_no_candidates():
    several = watched(streams=4)
    assert candidates([make_failed_record("x3d-m"), watched(policy="block"), several]) == ()
    assert candidates([make_record("cox3d-m-64"), several])[0].cameras == ()  # one alone is not judged by four
    assert candidates([]) == ()
