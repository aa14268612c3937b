"""Which of several fresh processes speak for a case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.processes import AUTO, AUTO_STEADIER, another, counted, middle, most, speaking
from co3d_bench.bench.sensing import Energy, EnergyBlock
from co3d_bench.bench.stats import MAX_KNOWN_TO, verdict

from ..factories import make_failed_record, make_record, make_samples, on_slower_machine


def process(number, level, *, steady=True, **changes):
    record = make_record("x3d-s", process=number, samples=make_samples(level, spread=0, disturbed_share=0.0), **changes)
    timing = record.timing.model_copy(update={"others_meanwhile": 0.0 if steady else 1.0})
    return record.model_copy(update={"timing": timing})


def test_a_single_process_stands_for_itself():
    record = process(1, 0.1)
    assert middle([record]) is record
    with pytest.raises(ValueError, match="none"):
        middle([])


def test_an_unsteady_process_has_no_say_among_steady_ones():
    found = middle([process(1, 0.100), process(2, 0.101, steady=False), process(3, 0.104)])
    assert found.process == 1
    assert verdict(found).kind == "steady"
    assert found.notes == ("the middle one of 2 steady fresh processes, known to ±2.0%; 1 more was not steady",)


def test_where_most_are_unsteady_the_one_shown_says_so():
    found = middle([process(1, 0.100), process(2, 0.2, steady=False), process(3, 0.3, steady=False)])
    assert (found.process, verdict(found).kind) == (2, "noisy")
    assert found.notes == ("the middle one of 2 unsteady fresh processes; 1 more was steady",)
    assert verdict(found).reasons[-1] == "noisy: the middle of its fresh processes is known to ±20.0% only"


def test_one_that_is_left_alone_has_no_distance_to_others():
    failed = [make_failed_record("x3d-s", process=number) for number in (2, 3)]
    found = middle([process(1, 0.1), *failed])
    assert found.notes == ("the middle one of 1 fresh processes; 2 more failed",)
    assert middle(failed) is failed[-1]


def test_the_energy_is_that_of_the_process_that_took_it():
    energy = Energy(reason="no sensor")
    first, second, third = (process(number, level) for number, level in ((1, 0.3), (2, 0.2), (3, 0.1)))
    found = middle([first.model_copy(update={"energy": energy}), second, third])
    assert (found.process, found.energy) == (2, energy)


def test_processes_that_lie_far_apart_are_a_doubt_of_the_run_alone():
    near = [process(number, 0.1 + 0.0008 * number) for number in range(1, 8)]
    assert verdict(middle(near)).kind == "steady"
    far = spread_out(7)
    found = middle(far)
    assert verdict(found).reasons == ("noisy: the middle of its fresh processes is known to ±2.9% only",)
    assert all(verdict(record).kind == "steady" for record in far)
    assert "known_to" not in found.model_dump_json(), "derived, so it is not stored"


def spread_out(count, **changes):
    """So many steady ones, each a hundredth slower than the one before."""
    return [process(number, 0.1 + 0.001 * number, **changes) for number in range(1, count + 1)]


@given(st.lists(st.tuples(st.floats(0.1, 0.1 * (1 + 1.98 * MAX_KNOWN_TO)), st.booleans()), min_size=1, max_size=7))
def test_a_run_is_steady_where_half_of_its_processes_are(drawn):
    records = [process(number, level, steady=steady) for number, (level, steady) in enumerate(drawn, start=1)]
    levels = [record.timing.samples.latency_s[0] for record in speaking(records)]
    assert levels == sorted(levels)
    is_steady = 2 * sum(steady for _, steady in drawn) >= len(drawn)
    assert verdict(middle(records)).kind == ("steady" if is_steady else "noisy")
    assert len(levels) == sum(steady == is_steady for _, steady in drawn)


def spent(*seconds, **changes):
    return [process(number, 0.1, duration_s=each, **changes) for number, each in enumerate(seconds, start=1)]


def test_auto_is_seven_processes_but_no_more_than_three_minutes_of_them():
    assert another([])
    assert another(spent(*[9.0] * (AUTO - 1)))
    assert not another(spent(*[9.0] * AUTO))
    assert another(spent(80.0))
    assert not another(spent(80.0, 80.0))
    assert not another(spent(100.0))
    assert not another([make_failed_record("x3d-s", process=1)])


def steadiness(*steady, seconds=9.0):
    return [process(number, 0.1, steady=each, duration_s=seconds) for number, each in enumerate(steady, start=1)]


def test_auto_goes_on_after_seven_where_more_could_make_half_of_them_steady():
    assert another(steadiness(*[True] * 3, *[False] * 4))
    assert another(steadiness(*[True] * 2, *[False] * 5))
    assert not another(steadiness(True, *[False] * 7))
    assert another(steadiness(*[True] * 2, *[False] * 5, True, True))
    assert not another(steadiness(*[False] * 7)), "a machine that is never steady costs nobody more"
    assert not another(steadiness(*[True] * 4, *[False] * 3))
    assert not another(steadiness(*[True] * 3, *[False] * 4, True)), "four of eight are half"
    assert not another(steadiness(*[True] * 3, *[False] * 4, seconds=23.0)), "within the time"


def test_auto_goes_on_after_seven_where_the_middle_one_is_not_known_well_enough():
    assert another(spread_out(AUTO, duration_s=9.0))
    assert not another(spread_out(AUTO, duration_s=23.0)), "within the time"
    assert another(spread_out(most("auto") - 1, duration_s=1.0))
    assert not another(spread_out(most("auto"), duration_s=1.0)), "nor more than so many"
    near = [process(number, 0.1 + 0.0008 * number, duration_s=9.0) for number in range(1, 8)]
    assert not another(near)
    assert not another([*near, process(8, 0.2, duration_s=9.0), process(9, 0.05, duration_s=9.0)]), "by ranks"


def test_auto_goes_on_until_it_is_known_also_where_the_machine_is_off_its_pace():
    slower = [on_slower_machine(each, 1.3, 1.0) for each in spread_out(AUTO, duration_s=1.0)]
    assert verdict(middle(slower)).kind == "noisy"
    assert another(slower)
    assert not another([on_slower_machine(process(number, 0.1), 1.3, 1.0) for number in range(1, AUTO + 1)])


def test_auto_goes_on_where_it_is_known_at_their_own_pace_but_not_at_the_usual_one():
    def eight(*outer):
        levels = (*outer, 0.103, 0.103), [0.103] * 4  # of the others the machine was off its pace
        near, off = (
            [process(number, level, duration_s=1.0) for number, level in enumerate(each, 1)] for each in levels
        )
        return [
            *(on_slower_machine(each, 1.05, 1.0) for each in near),
            *(on_slower_machine(each, 1.15, 1.0) for each in off),
        ]

    assert another(eight(0.100, 0.106)), "four of eight count at the usual pace, all eight at their own"
    assert not another(eight(0.102, 0.104))


@given(st.lists(st.booleans(), min_size=AUTO + AUTO_STEADIER, max_size=AUTO + AUTO_STEADIER))
def test_auto_ends_steady_or_could_not_have(drawn):
    count = next(n for n in range(1, len(drawn) + 1) if not another(steadiness(*drawn[:n])))
    assert AUTO <= count <= AUTO + AUTO_STEADIER
    could = any(2 * sum(drawn[:n]) >= n for n in range(AUTO, len(drawn) + 1))
    assert could == (2 * sum(drawn[:count]) >= count)


def test_counts_hold_for_further_processes_where_nothing_is_missing():
    record = process(1, 0.1)
    assert counted(record) is None, "each says itself why some are missing"
    every = dict.fromkeys(("macs_once", "macs_functional", "macs_aten", "flops_torch"), 7)
    counters = record.counters.model_copy(update=every)
    assert counted(record.model_copy(update={"counters": counters})) is counters
    assert counted(record.model_copy(update={"counters": None})) is None
    assert counted(make_failed_record("x3d-s", process=1)) is None


def test_energy_is_taken_once_and_does_not_count():
    block = EnergyBlock(seconds=40.0, calls=9, energy_j=1.0, fresh_readings=9)
    assert another(spent(90.0, energy=Energy(busy=(block,), idle=(block,))))
