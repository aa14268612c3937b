"""How fast the machine itself is, and what is usual here."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench import stats
from co3d_bench.bench.pace import (
    FEWEST,
    MOVED,
    READINGS,
    REMEMBERED,
    Memory,
    Pace,
    remember,
    remembered,
    usual,
)
from co3d_bench.bench.pace_work import BLOCKS, NETWORK
from co3d_bench.bench.record import Samples


def test_a_reading_takes_one_of_the_clock():
    ticks = iter(range(10_000))
    assert Pace(BLOCKS, clock=lambda: next(ticks))() == 1


def test_what_the_first_one_takes_more_counts():
    """It finds the caches full of the network."""
    pace = Pace(BLOCKS)
    later = iter([0.0, 4.0] + [0.0, 2.0] * (READINGS - 1))
    pace._clock = lambda: next(later)
    assert pace() == pytest.approx(2.0 + 2.0 / READINGS)


def among(*paces, kept_s=None):
    return usual(Memory(paces, kept_s))


def test_usual_is_the_middle_of_what_the_machine_was():
    assert among(*[1.0] * (FEWEST - 1)) is None
    assert among(1.9, 2.3, 2.0, 2.2, 2.1) == 2.1
    slow, quick = [1.60, 1.61, 1.62, 1.63, 1.64], [1.00, 1.02, 1.04]
    assert among(*quick, *slow) in slow
    assert among(*slow[:2], *quick) in quick
    assert among(*slow[:3], *quick) in quick, "and nothing between them"
    assert among(*[1.0] * REMEMBERED, *[5.0] * REMEMBERED) == 5.0  # what was long ago is over


def test_it_stays_so_while_the_machine_is_slower_for_hours():
    """Figures are told at it: those of two runs look alike only at the same one."""
    hours = [1.0] * REMEMBERED + [1.3] * (REMEMBERED // 2)
    for count in range(FEWEST, len(hours) + 1):
        assert among(*hours[:count], kept_s=1.02) == 1.02
    assert among(*hours, 1.3, kept_s=1.02) == 1.3, "by now it has become another machine"
    assert among(kept_s=1.02) == 1.02


@pytest.mark.parametrize("later", [0.8, 1.3])
def test_a_moment_at_first_is_not_usual_for_long(later):
    first = [1.0] * FEWEST
    assert among(*first, *[later] * (FEWEST - 1), kept_s=1.0) == 1.0
    assert among(*first, *[later] * (FEWEST + 1), kept_s=1.0) == later


@pytest.mark.parametrize(("moved", "stays"), [(MOVED - 0.01, True), (1 / (MOVED - 0.01), True), (MOVED + 0.01, False)])
def test_it_does_not_follow_what_is_hardly_another_pace(moved, stays):
    assert among(*[moved] * FEWEST, kept_s=1.0) == (1.0 if stays else moved)


@given(st.lists(st.floats(1e-6, 1e3), min_size=FEWEST, max_size=80))
def test_what_is_usual_follows_the_unit_and_never_the_order(paces):
    found = among(*paces)
    assert min(paces) <= found <= max(paces)
    assert among(*[2 * pace for pace in paces]) == 2 * found
    assert among(*paces[::-1]) == found
    assert among(*paces, kept_s=found) == found, "it settles at once"


def test_paces_are_kept_by_machine_and_torn_lines_passed_over(tmp_path):
    file = tmp_path / "deep" / "pace.jsonl"
    assert remembered("a", file) == Memory()
    for n in range(4):
        remember("a", n / 10, [None, 0.5, 0.6, None][n], file)
        remember("b", n, None, file)
    with file.open("a") as lines:
        lines.write('{"key": "a", "pa\n[1]\n{"key": "a", "pace_s": "none"}\n')
    assert remembered("a", file) == Memory((0.0, 0.1, 0.2, 0.3), 0.6)
    assert remembered("b", file) == Memory((0.0, 1.0, 2.0, 3.0), None)


def test_the_file_stays_small(tmp_path):
    file = tmp_path / "pace.jsonl"
    key = "k" * 200
    for n in range(6000):
        remember(key, n, None, file)
    assert file.stat().st_size < 1 << 20
    assert remembered(key, file).paces[-1] == 5999
    assert all(json.loads(line) for line in file.read_text().splitlines())


def test_where_nothing_can_be_kept_nothing_is_lost(tmp_path):
    (tmp_path / "file").write_text("")
    remember("a", 1.0, 1.0, tmp_path / "file" / "pace.jsonl")
    assert remembered("a", tmp_path / "file" / "pace.jsonl") == Memory()


def paced(*paces, usual_pace_s=None, cpu_share=None):
    return Samples(latency_s=[0.1] * len(paces), pace_s=list(paces), usual_pace_s=usual_pace_s, cpu_share=cpu_share)


def test_a_sample_beside_a_machine_in_another_state_is_disturbed():
    def found(*paces, usual_pace_s):
        alike = paced(*paces, usual_pace_s=usual_pace_s)
        return stats.disturbed(alike.model_copy(update={"latency_s": [1.0] * len(paces)}))

    for usual_pace_s in (1.0, 1.3, None):  # it is about the state of most of them, be it a usual one or not
        assert found(1.0, 0.92, 1.09, 1.3, 0.7, usual_pace_s=usual_pace_s) == [False] * 3 + [True] * 2
    assert found(1.3, 1.32, 1.0, usual_pace_s=1.0) == [False, False, True]
    assert stats.disturbed(paced(1.04, 1.04, usual_pace_s=None)) == [False, False]
    assert stats.disturbed(Samples(latency_s=[0.1])) == [False]


def test_so_are_those_just_before_and_after_it():
    samples = paced(*[1.0] * 5, 1.3, *[1.0] * 5, usual_pace_s=1.0)
    short = samples.model_copy(update={"latency_s": [0.125] * 11})
    assert stats.disturbed(short) == [False] * 3 + [True] * 5 + [False] * 3
    long = samples.model_copy(update={"latency_s": [0.5] * 11})
    assert stats.disturbed(long) == [False] * 5 + [True] + [False] * 5


@pytest.mark.parametrize(("pace", "off"), [(1.0, 0.0), (1.25, 0.25), (0.8, -0.2)])
def test_how_far_the_machine_is_from_usual(pace, off):
    assert stats.pace_off(paced(pace, pace, usual_pace_s=1.0)) == pytest.approx(off)
    assert stats.pace_off(paced(pace)) is None


@pytest.mark.parametrize(
    ("samples", "factor"),
    [
        (paced(1.04, usual_pace_s=1.0, cpu_share=1.0), 1 / 1.04),
        (paced(0.96, usual_pace_s=1.0, cpu_share=1.0), 1 / 0.96),
        (paced(1.08, usual_pace_s=1.0, cpu_share=1.0), 1 / 1.08),  # noisy, but nearer to the truth than as it is
        (paced(1.04, usual_pace_s=1.0, cpu_share=0.0), 1.0),  # it only waits: no faster on a faster machine
        (paced(1.04, usual_pace_s=1.0, cpu_share=0.5), 0.5 + 0.5 / 1.04),
        (paced(1.04, usual_pace_s=1.0), 1.0),  # a GPU computed, or nobody knows
        (paced(1.04, cpu_share=1.0), 1.0),  # what is usual is not known
        (paced(1.9, usual_pace_s=1.0, cpu_share=1.0), 1 / 1.9),
        (paced(2.1, usual_pace_s=1.0, cpu_share=1.0), 1.0),  # too far off to tell; the verdict says so
        (Samples(latency_s=[0.1], cpu_share=1.0), 1.0),
    ],
)
def test_figures_are_those_of_the_usual_pace_as_far_as_the_process_computed(samples, factor):
    assert stats.pace_factor(samples) == pytest.approx(factor)
    assert stats.at_usual_pace(samples) == pytest.approx([0.1 * factor])
    assert stats.clean(samples) == [0.1]
    summary = stats.summarise(samples)
    assert (summary.median_s, summary.all_median_s) == (pytest.approx(0.1 * factor), 0.1)
    assert summary.throughput(2) == pytest.approx(20 / factor)
    assert (stats.pace_remark(samples) is None) == (factor == 1.0)


def test_a_correction_is_told_with_what_was_measured():
    assert stats.pace_remark(paced(1.04, usual_pace_s=1.0, cpu_share=1.0)) == (
        "figures are for the usual pace of this machine, which was 4% slower meanwhile (median as measured: 100 ms)"
    )
    assert "4% faster" in stats.pace_remark(paced(0.96, usual_pace_s=1.0, cpu_share=1.0))


def test_another_process_on_the_same_cores_is_seen():
    """For real, as far as two readings can tell: never quicker beside a thread that spins."""
    pace = Pace(NETWORK)
    alone = min(pace() for _ in range(5))
    ending = threading.Event()
    threads = [threading.Thread(target=lambda: [None for _ in iter(ending.is_set, True)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        beside = max(pace() for _ in range(5))
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    assert beside > alone
