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
)


def test_a_setting_is_everything_but_the_network():
    setting = setting_of(make_case("x3d-m", precision="fp16", batch=8, threads=1))
    assert setting.title == "cpu · eager · float16 · batch 8 · 1 thread · random-0"
    assert len(by_setting(case_results([make_record("x3d-s"), make_record("x3d-m")]))) == 1
    assert (
        len(by_setting(case_results([make_record("x3d-s"), make_record("x3d-s", case=make_case("x3d-s", batch=2))])))
        == 2
    )


def test_short_titles_of_settings_hold_what_differs():
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
