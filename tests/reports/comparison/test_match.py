"""Who is compared with whom, who may not be, and what is said of the rest. Records in, a comparison out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from co3d_bench.bench.errors import NOTHING, USAGE, UserError
from co3d_bench.bench.stats.compare.exact import EXACT_METRICS
from co3d_bench.bench.stats.compare.rule import rule_of_stores
from co3d_bench.reports.comparison import words
from co3d_bench.reports.comparison.match import RecordSet, compare

from ...factories import (
    make_batch_records,
    make_case,
    make_default_records,
    make_engine_record,
    make_environment,
    make_failed_record,
    make_machine,
    make_noisy_record,
    make_record,
    make_samples,
    make_wrong_record,
    on_machine_of_speed,
)


def side(name, *records):
    return RecordSet(name, tuple(records))


def rows(found, status=None):
    return [finding for finding in found.findings if status in (None, finding.status)]


def processes(model, typical_s, count=7, run_id="run-1", **changes):
    """The fresh processes of one run; their figures differ by little, and are never the same."""
    return [
        make_record(
            model,
            run_id=run_id,
            process=n + 1,
            samples=make_samples(typical_s * (1 + 0.001 * n), seed=f"{model}-{typical_s}-{n}", disturbed_share=0.0),
            **changes,
        )
        for n in range(count)
    ]


def complaint(base, head, **asked):
    with pytest.raises(UserError) as caught:
        compare(base, head, **asked)
    assert "\n" not in caught.value.message
    return caught.value.message, caught.value.exit_code


def test_seven_fresh_processes_a_side_allow_a_verdict():
    base = side("A", *processes("x3d-s", 0.118), *processes("x3d-m", 0.287), *processes("x3d-xs", 0.039))
    head = side("B", *processes("x3d-s", 0.118 * 1.2), *processes("x3d-m", 0.287 / 1.2), *processes("x3d-xs", 0.039))
    found = compare(base, head)
    verdicts = {finding.key.split("/")[0]: words.outcome(finding) for finding in rows(found, "judged")}
    assert verdicts == {"x3d-s": "regressed", "x3d-m": "improved", "x3d-xs": "equivalent"}
    slow = found.of("regressed")[0].judgement
    assert slow is not None
    assert slow.estimate is not None
    assert slow.estimate.replicates == 7
    assert slow.estimate.slowdown == pytest.approx(1.2, rel=0.01)  # of a rate: more is better, and it fell
    assert found.notes == ()


def at_speeds(base, head, slower, work="the work"):
    """The comparison of the latencies of base and head, the head on a machine that was `slower` times as slow."""
    both = (
        side("A", *[on_machine_of_speed(record, 1.0) for record in base]),
        side("B", *[on_machine_of_speed(record, slower, work) for record in head]),
    )
    (finding,) = rows(compare(*both, metrics=["latency"]), "judged")
    return finding


def test_where_the_machine_may_be_what_changed_nothing_is_known():
    same = processes("x3d-s", 0.118)
    finding = at_speeds(same, same, 1.2)
    assert words.outcome(finding) == "inconclusive"
    assert finding.head == pytest.approx(1.2 * finding.base)  # what was measured, uncorrected
    assert finding.judgement.estimate.slowdown == pytest.approx(1.2, rel=0.001)
    assert "normalised +0.0% (" in finding.judgement.why
    assert finding.judgement.why.endswith(": the machine may have changed")


def test_a_slower_network_on_a_slower_machine_has_regressed():
    finding = at_speeds(processes("x3d-s", 0.118), processes("x3d-s", 0.118 * 1.3), 1.2)
    assert words.outcome(finding) == "regressed"
    assert "normalised +30." in finding.judgement.why or "normalised +29." in finding.judgement.why


def test_a_network_that_looks_slower_on_a_machine_that_is_slower_still_has_not_regressed():
    finding = at_speeds(processes("x3d-s", 0.118), processes("x3d-s", 0.118 * 0.9), 1.3)
    assert finding.head > 1.1 * finding.base
    assert words.outcome(finding) == "inconclusive"
    assert "the machine may have changed" in finding.judgement.why


def test_the_measured_figure_decides_where_it_did_not_move():
    finding = at_speeds(processes("x3d-s", 0.12), processes("x3d-s", 0.1), 1.2)
    assert words.outcome(finding) == "equivalent"


def test_nothing_is_normalised_where_the_reference_workloads_differ():
    same = processes("x3d-s", 0.118)
    finding = at_speeds(same, same, 1.2, "another")
    assert words.outcome(finding) == "regressed"
    assert "normalised" not in finding.judgement.why


def test_one_process_counts_and_verifies_for_all():
    first, *others = processes("cox3d-m-16", 0.025)
    bare = [record.model_copy(update={"counters": None, "verification": None}) for record in others]
    found = compare(side("A", first, *others), side("B", first, *bare))
    exact = {finding.metric: words.outcome(finding) for finding in rows(found, "exact")}
    assert exact == dict.fromkeys((*EXACT_METRICS, "verification"), "equivalent")


def test_the_direction_is_that_of_the_metric():
    base, head = side("A", *processes("x3d-s", 0.1)), side("B", *processes("x3d-s", 0.12))
    for metric in ("throughput", "latency", "per_stream"):
        (finding,) = rows(compare(base, head, metrics=[metric]))
        assert words.outcome(finding) == "regressed", metric
        assert (finding.head > finding.base) == (metric == "latency")


def test_one_process_a_side_allows_none_however_many_samples():
    base = make_record("x3d-s", samples=make_samples(0.1, count=10_000, spread=0.001, disturbed_share=0))
    head = make_record("x3d-s", samples=make_samples(0.2, count=10_000, spread=0.001, disturbed_share=0))
    found = compare(side("A", base), side("B", head), metrics=["throughput"])
    (finding,) = found.findings
    assert words.outcome(finding) == "inconclusive"
    assert words.interval(finding).endswith("*")
    assert words.estimate(finding).slowdown == pytest.approx(2, rel=0.001)
    assert found.notes == (
        "a verdict on noisy figures needs 7 fresh processes each of base and head, but a row has 1: "
        "measure both with co3d-bench run --processes 7",
    )


def test_the_processes_of_an_older_run_are_not_mixed_in():
    old, new = processes("x3d-s", 0.5, run_id="run-0"), processes("x3d-s", 0.1, run_id="run-1")
    (finding,) = rows(compare(side("A", *old, *new), side("B", *new), metrics=["latency"]))
    assert words.outcome(finding) == "equivalent"
    assert finding.judgement.estimate.replicates == 7


def test_a_process_measured_again_counts_once():
    failed = make_failed_record("x3d-s", process=3)
    records = processes("x3d-s", 0.1)
    (finding,) = rows(compare(side("A", failed, *records), side("B", *records), metrics=["latency"]))
    assert finding.judgement.estimate.replicates == 7
    assert finding.note is None


def test_exact_figures_are_judged_whatever_the_machine():
    other = make_environment(machine=make_machine(cpu_model="Another"))
    record = make_record("cox3d-m-16", environment=other)
    larger = record.model_copy(update={"counters": record.counters.model_copy(update={"state_bytes": 5_000_000})})
    found = compare(side("A", make_record("cox3d-m-16")), side("B", larger))
    (speed,) = rows(found, "incomparable")
    assert speed.differs == ("machine.cpu_model: Imaginary Core i3-1005 @ 1.20GHz / Another",)
    assert speed.judgement is None
    exact = {finding.metric: words.outcome(finding) for finding in rows(found, "exact")}
    assert exact == dict.fromkeys(EXACT_METRICS, "equivalent") | {"state": "regressed", "verification": "equivalent"}
    (state,) = (finding for finding in found.findings if finding.metric == "state")
    assert "machine.cpu_model" in state.note


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"versions": {"torch": "2.12.0", "python": "3.13.5"}}, "versions.torch: 2.13.0 / 2.12.0"),
        ({"versions": {"torch": "2.13.0"}}, "versions.python: 3.13.5 / unknown"),
        (None, "environment: not recorded in the head"),
    ],
)
def test_other_circumstances_are_named_with_both_values_and_nothing_is_judged(change, differs):
    environment = None if change is None else make_environment(**change)
    found = compare(
        side("A", *processes("x3d-s", 0.1)),
        side("B", *processes("x3d-s", 0.2, environment=environment)),
        metrics=["throughput"],
    )
    (finding,) = found.findings
    assert (finding.status, finding.judgement) == ("incomparable", None)
    assert differs in finding.differs


def test_new_gone_and_failed_rows_are_listed():
    base = [make_record("x3d-s"), make_record("x3d-xs"), make_record("x3d-m")]
    head = [
        make_record("x3d-s"),
        make_record("cox3d-s-13"),
        make_failed_record("x3d-m"),
        make_failed_record("cox3d-m-16"),
    ]
    found = compare(side("A", *base), side("B", *head), metrics=["throughput"])
    outcomes = {finding.key.split("/")[0]: finding.status for finding in found.findings}
    assert outcomes == {
        "x3d-s": "judged", "cox3d-s-13": "new", "x3d-m": "failed", "cox3d-m-16": "failed", "x3d-xs": "gone",
    }  # fmt: skip
    failed = {finding.key.split("/")[0]: finding for finding in rows(found, "failed")}
    assert failed["x3d-m"].note.startswith("head: out-of-memory: ")
    assert (failed["x3d-m"].base is not None, failed["x3d-m"].head) == (True, None)
    assert failed["cox3d-m-16"].note.endswith("; not in the base")


def test_one_wrong_answer_among_many_processes_has_no_speed():
    wrong = make_wrong_record("x3d-m", backend="onnxruntime").model_copy(update={"process": 8})
    right = [make_engine_record("x3d-m", process=n + 1) for n in range(7)]
    (finding,) = compare(side("A", *right), side("B", *right, wrong)).findings
    assert finding.status == "failed"
    assert finding.note.startswith("head: wrong-answer: ")


def test_lost_processes_and_warnings_stand_beside_the_figure():
    head = [*processes("x3d-s", 0.1, count=7), make_failed_record("x3d-s", process=8)]
    (finding,) = compare(side("A", *processes("x3d-s", 0.1)), side("B", *head), metrics=["latency"]).findings
    assert finding.note == "head: 1 of 8 processes failed"
    (finding,) = compare(
        side("A", make_noisy_record("x3d-s")), side("B", make_record("x3d-s")), metrics=["latency"]
    ).findings
    assert finding.note == "base: other work kept up to 0.94 cores busy"


def test_by_fewer_words_compares_across_the_others_with_a_note():
    base = side("A", *[make_engine_record("x3d-m", "eager", process=n + 1) for n in range(7)])
    head = side("B", *[make_engine_record("x3d-m", "openvino", process=n + 1) for n in range(7)])
    assert complaint(base, head) == (
        "A and B have no case in common, they differ in backend (eager / openvino); "
        "--by model,device,precision,batch,threads,input would compare across that",
        NOTHING,
    )
    found = compare(base, head, by=["precision", "model"], metrics=["throughput"])
    (finding,) = found.findings
    assert finding.key == "x3d-m/fp32"
    assert finding.note == "backend eager in the base, openvino in the head"


def test_the_same_words_for_two_cases_of_one_side_are_an_error_that_names_the_missing_one():
    one, eight = make_batch_records()
    text, code = complaint(side("A", one, eight), side("B", one), by=["model", "backend"])
    assert text == (f"--by model,backend leaves open which case of A is meant, {one.key} or {eight.key}: add batch")
    assert code == USAGE
    assert compare(side("A", one, eight), side("B", one), by=["model", "batch"]).findings


def test_batches_are_never_compared_unasked():
    one, eight = make_batch_records()
    text, code = complaint(side("A", one), side("B", eight))
    assert "they differ in batch (b1 / b8)" in text
    assert code == NOTHING


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"by": ["model", "bckend"]}, "--by: 'bckend' is not a part of a case; choose from model, device, backend"),
        ({"metrics": ["speed"]}, "--metric: no metric 'speed'; choose from accuracy, throughput, "),
    ],
)
def test_words_that_do_not_exist(asked, message):
    both = side("A", make_record())
    text, code = complaint(both, both, **asked)
    assert text.startswith(message)
    assert code == USAGE


def test_an_empty_side():
    assert complaint(side("A"), side("B", make_record())) == (
        "A holds no records, so there is nothing to compare", NOTHING
    )  # fmt: skip


def test_a_figure_that_one_side_lacks_is_not_comparable():
    lacking = make_record("x3d-s").model_copy(update={"peak_rss_bytes": None})
    (finding,) = compare(side("A", make_record("x3d-s")), side("B", lacking), metrics=["peak_rss"]).findings
    assert finding.differs == ("peak resident memory: the head has none",)
    assert compare(side("A", lacking), side("B", lacking), metrics=["peak_rss"]).findings == ()


def test_a_figure_that_should_have_no_noise_and_has_is_not_judged():
    records = [make_record("x3d-s", process=n + 1) for n in range(2)]
    odd = records[1].model_copy(update={"counters": records[1].counters.model_copy(update={"macs": 1})})
    (finding,) = compare(side("A", records[0], odd), side("B", *records), metrics=["macs"]).findings
    assert words.outcome(finding) == "inconclusive"
    assert finding.judgement.why.startswith("the processes of the base do not agree: 2061365744, 1")


def test_the_limit_is_that_of_the_rule():
    both = side("A", *make_default_records())
    assert compare(both, replace(both, name="B"), rule=rule_of_stores(0.1)).max_slowdown == 0.1


def test_cases_with_other_threads_have_other_circumstances():
    four = make_environment()
    four = four.model_copy(update={"process": four.process.model_copy(update={"intra_op_threads": 4})})
    head = make_record("x3d-s", case=make_case("x3d-s", threads=4), environment=four)
    (finding,) = compare(
        side("A", make_record("x3d-s")), side("B", head), by=["model"], metrics=["throughput"]
    ).findings
    assert finding.differs == ("process.intra_op_threads: 2 / 4",)
