"""Which records a report shows, and which belong together."""

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports.select import (
    by_setting,
    clip_counterparts,
    differing_facts,
    model_title,
    pairs,
    setting_of,
    short_titles,
)

from ..factories import (
    make_case,
    make_default_records,
    make_environment,
    make_failed_record,
    make_machine,
    make_model,
    make_record,
    make_samples,
)


def test_later_lines_win_and_keep_the_place_of_the_first():
    first = make_record("x3d-s", run_id="run-1")
    other = make_record("x3d-m", run_id="run-1")
    again = make_record("x3d-s", run_id="run-2")
    assert [(r.case.model, r.run_id) for r in case_results([first, other, again])] == [
        ("x3d-s", "run-2"),
        ("x3d-m", "run-1"),
    ]


def test_a_later_failure_replaces_an_earlier_figure():
    assert [r.ok for r in case_results([make_record("x3d-s"), make_failed_record("x3d-s")])] == [False]


def test_a_setting_is_everything_but_the_network():
    setting = setting_of(make_case("x3d-m", precision="fp16", batch=8, threads=1))
    assert setting.title == "cpu · eager · float16 · batch 8 · 1 thread · random-0"
    assert len(by_setting(case_results([make_record("x3d-s"), make_record("x3d-m")]))) == 1
    assert (
        len(by_setting(case_results([make_record("x3d-s"), make_record("x3d-s", case=make_case("x3d-s", batch=2))])))
        == 2
    )


def test_settings_are_told_apart_by_what_differs():
    one, two = setting_of(make_case("x3d-m", batch=2)), setting_of(make_case("x3d-m", device="cuda"))
    assert short_titles([one]) == {one: one.title}
    assert short_titles([one, two, one]) == {one: "cpu · batch 2", two: "cuda · batch 1"}
    assert short_titles([]) == {}


def names(found):
    return [(pair.kind, pair.origin.case.model, pair.result.case.model) for pair in found]


def test_arrows_lead_from_clip_to_frame_and_to_the_longer_pool():
    assert names(pairs(case_results(make_default_records()))) == [
        ("counterpart", "x3d-s", "cox3d-s-13"),
        ("counterpart", "x3d-m", "cox3d-m-16"),
        ("longer-pool", "cox3d-m-16", "cox3d-m-64"),
    ]


def test_without_the_native_pool_the_arrow_comes_from_the_clip_network():
    records = [make_record("x3d-m"), make_record("cox3d-m-64")]
    assert names(pairs(case_results(records))) == [("counterpart", "x3d-m", "cox3d-m-64")]
    assert names(clip_counterparts(case_results(make_default_records())))[-1] == ("counterpart", "x3d-m", "cox3d-m-64")


def test_pairs_never_cross_settings():
    slow = make_record("x3d-m", case=make_case("x3d-m", threads=1))
    assert pairs(case_results([slow, make_record("cox3d-m-16")])) == ()
    assert clip_counterparts(case_results([slow, make_record("cox3d-m-16")])) == ()


def test_a_record_without_facts_has_no_pair():
    lost = make_failed_record("x3d-m").model_copy(update={"model": None})
    assert pairs(case_results([lost])) == ()
    assert names(pairs(case_results([lost, make_record("cox3d-m-16")]))) == [("counterpart", "x3d-m", "cox3d-m-16")]


def test_facts_that_differ_are_named():
    other = make_environment(machine=make_machine(cpu_model="Another CPU"))
    assert differing_facts([make_record("x3d-s"), make_record("x3d-m")]) == ()
    assert differing_facts([make_record("x3d-s"), make_record("x3d-m", environment=other)]) == ("machine.cpu_model",)
    older = make_environment(versions={"python": "3.13.5", "torch": "2.12.0"})
    assert differing_facts([make_record("x3d-s"), make_record("x3d-m", environment=older)]) == ("versions.torch",)
    assert differing_facts([make_record("x3d-s"), make_record("x3d-m", environment=None)]) == ()


def test_the_title_of_a_record_without_facts_is_its_name():
    assert model_title(make_record("x3d-m", model=make_model("x3d-m"))) == "X3D-M"
    assert model_title(make_record("x3d-m").model_copy(update={"model": None})) == "x3d-m"


def test_of_several_processes_of_the_last_run_the_median_one_stands_for_the_case():
    slow, middle, fast = (
        make_record("x3d-s", run_id="run-2", process=number, samples=make_samples(level, spread=0, disturbed_share=0))
        for number, level in enumerate((0.102, 0.101, 0.100), start=1)
    )
    (shown,) = case_results([make_record("x3d-s", run_id="run-1"), slow, fast, middle])
    assert shown.record == middle
    assert shown.records == (slow, middle, fast)
    assert shown.notes == ()


def test_failed_processes_are_counted_and_shown_only_where_none_ran():
    ran = [make_record("x3d-s", process=number) for number in (1, 2)]
    failed = make_failed_record("x3d-s", process=3)
    (shown,) = case_results([*ran, failed])
    assert shown.ok
    assert shown.notes == ("1 of 3 fresh processes failed",)
    (alone,) = case_results([failed])
    assert (alone.ok, alone.record) == (False, failed)


def test_a_process_that_was_retried_counts_once():
    failed, again = make_failed_record("x3d-s", process=1), make_record("x3d-s", process=1)
    (shown,) = case_results([failed, again])
    assert shown.records == (again,)
