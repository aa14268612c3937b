"""The headline, word by word."""

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports.headline import headline

from ..factories import (
    make_case,
    make_default_records,
    make_environment,
    make_failed_record,
    make_machine,
    make_model,
    make_noisy_record,
    make_record,
    make_samples,
    with_timing,
)


def headline_of(records):
    return headline(case_results(records))


def even(model, per_s, /, **changes):
    """A record of exactly that many predictions a second."""
    return make_record(model, samples=make_samples(1 / per_s, spread=0.0, disturbed_share=0.0), **changes)


def _timed_noisily(model, per_s, *, published=True):
    """The title of one network that was measured beside others at work; that it says so is asserted here."""
    record = even(model, per_s) if published else even(model, per_s, model=make_model(model, published=None))
    title = plain(headline_of([with_timing(record, background_load=1.0)]).title)
    assert title.endswith(", as measured with a warning")
    return title


def plain(text):
    return text.replace("\u00a0", " ")


def test_no_records():
    assert headline_of([]).title == "Nothing has been measured yet"
    assert headline_of([]).facts == ()


def test_only_failures():
    one = headline_of([make_failed_record("x3d-m")])
    assert one.title == "The only case could not be measured"
    assert one.sentences == ("Failed: X3D-M (out-of-memory).",)
    two = headline_of([make_failed_record("x3d-m"), make_failed_record("x3d-s", kind="timeout")])
    assert two.title == "None of the 2 cases could be measured"
    assert two.sentences == ("Failed: X3D-M (out-of-memory), X3D-S (timeout).",)


def test_one_record_below_real_time():
    found = headline_of([even("x3d-m", 4)])
    assert plain(found.title) == (
        "No network keeps up with a 30 frames/s video here; X3D-M comes closest with 4.00 predictions/s"
    )
    assert [(fact.label, fact.value) for fact in found.facts] == [("Fastest", "X3D-M")]
    assert found.where == (
        "Imaginary Core i3-1005 @ 1.20GHz · cpu · eager · float32 · batch 1 · 2 threads · random-0"
        " · 100 timed predictions each, in 1 fresh process"
    )
    assert found.sentences == ()


def test_the_most_accurate_in_real_time_and_how_much_faster_frames_are():
    records = [even("x3d-m", 4), even("cox3d-m-16", 36), even("cox3d-m-64", 32), even("cox3d-s-13", 80)]
    found = headline_of(records)
    assert plain(found.title) == (
        "CoX3D-M (64) is the most accurate network that keeps up with a 30 frames/s video here:"
        " 71.0 % at 32.0 predictions/s"
    )
    assert [plain(text) for text in found.sentences] == [
        "The fastest is CoX3D-S (13) with 80.0 predictions/s, at 60.2 % accuracy.",
        "CoX3D-M (16) is 9.0 times as fast as its clip counterpart X3D-M, by median time per prediction,"
        " at an accuracy 4.4 points lower.",
        "CoX3D-M (64) is 8.0 times as fast as its clip counterpart X3D-M, by median time per prediction,"
        " at an accuracy 3.8 points higher.",
        "Accuracies are those the paper publishes; they are not measured here.",
    ]
    assert [(fact.label, fact.value, plain(fact.detail)) for fact in found.facts] == [
        ("Most accurate in real time", "CoX3D-M (64)", "71.0 % top-1, 32.0 predictions/s"),
        ("Fastest", "CoX3D-S (13)", "80.0 predictions/s"),
        ("Frame by frame instead of clips", "9.0 \u00d7 as fast", "CoX3D-M (16) against X3D-M"),
    ]


def test_thirty_is_enough_and_a_little_less_is_not():
    assert "keeps up" in headline_of([even("x3d-m", 30.01)]).title
    assert headline_of([even("x3d-m", 29.9)]).title.startswith("No network keeps up")


def test_fast_networks_of_unknown_accuracy():
    unpublished = even("x3d-m", 50, model=make_model("x3d-m", published=None))
    assert plain(headline_of([unpublished]).title) == "X3D-M is the fastest network here: 50.0 predictions/s"


def test_warnings_are_said_in_the_title_and_below():
    found = headline_of([even("x3d-s", 8), make_noisy_record("cox3d-m-16")])
    assert found.title.endswith(", as measured with a warning")
    assert [fact.warned for fact in found.facts] == [True, True]
    assert "1 of 2 cases carries a warning: CoX3D-M (16)." in found.sentences

    assert _timed_noisily("x3d-m", 50, published=False).startswith("X3D-M is the fastest network here: 50.0")
    assert _timed_noisily("x3d-m", 4).startswith("No network keeps up with a 30 frames/s video here")

    found = headline_of([even("x3d-m", 4), make_noisy_record("cox3d-m-16"), make_failed_record("x3d-s")])
    assert any(text.endswith("(measured with a warning).") for text in found.sentences)
    assert found.sentences[-1] == "Failed: X3D-S (out-of-memory)."


def test_different_circumstances_are_not_compared():
    elsewhere = make_environment(machine=make_machine(cpu_model="Another CPU"))
    found = headline_of([even("x3d-m", 4), even("cox3d-m-16", 36, environment=elsewhere)])
    assert [fact.label for fact in found.facts] == ["Most accurate in real time", "Fastest"]
    assert (
        "CoX3D-M (16) and X3D-M were measured under different circumstances (machine.cpu_model),"
        " so they are not compared."
    ) in found.sentences
    assert found.where.startswith("2 machines")


def test_of_several_settings_the_fullest_is_shown():
    single = even("x3d-s", 99, case=make_case("x3d-s", threads=1))
    found = headline_of([single, *make_default_records()])
    assert found.title.startswith("CoX3D-M (64)")
    assert (
        "Of 7 measured cases, this shows each network by its fastest engine: "
        "cpu · eager · float32 · batch 1 · 2 threads · random-0."
    ) in found.sentences


def test_many_pairs_are_summed_up():
    pools = [16, 32, 64, 96, 128]
    frames = [
        even(f"cox3d-m-{pool}", 4 * times, model=make_model("cox3d-m-16", name=f"cox3d-m-{pool}", title=f"Co {pool}"))
        for times, pool in enumerate(pools, start=2)
    ]
    found = headline_of([even("x3d-m", 4), *frames])
    sentences = [text for text in found.sentences if "its clip counterpart" in text]
    assert [text.split(" is ")[0] for text in sentences] == ["Co 128", "Co 96", "Co 64", "Co 32"]
    assert "In all, 5 frame networks are 2.0 to 6.0 times as fast as their clip counterparts." in found.sentences


def test_a_few_bad_samples_do_not_decide_how_much_faster_frames_are():
    samples = make_samples(0.25, spread=0.0, disturbed_share=0.0)
    spoiled = samples.model_copy(update={"latency_s": [*samples.latency_s[:-3], 8.0, 9.0, 10.0]})
    found = headline_of([make_record("x3d-m", samples=spoiled), even("cox3d-m-16", 36)])
    assert found.facts[-1].value == "9.0 \u00d7 as fast"  # by throughput it would be 18
    assert not found.facts[-1].warned  # slow samples alone are no warning


def test_a_ratio_without_a_warning_goes_before_a_larger_one_with_one():
    records = [even("x3d-m", 4), even("cox3d-m-16", 36), even("x3d-s", 2), make_noisy_record("cox3d-s-13")]
    fact = headline_of(records).facts[-1]
    assert (fact.detail, fact.warned) == ("CoX3D-M (16) against X3D-M", False)
