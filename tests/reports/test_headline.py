"""The headline, word by word."""

import pytest

from co3d_bench.bench.record.record import Published, PublishedAccuracy
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


def test_one_record_below_the_rate_of_its_accuracy():
    found = headline_of([even("x3d-m", 4)])
    assert plain(found.title) == (
        "No network keeps up with the frame rate of its accuracy here;"
        " X3D-M comes closest with 4.00 predictions/s, and needs 6"
    )
    assert [(plain(fact.label), fact.value) for fact in found.facts] == [
        ("Every frame of a 30 frames/s video", "no network"),
        ("Fastest", "X3D-M"),
    ]
    assert found.where == (
        "Imaginary Core i3-1005 @ 1.20GHz · cpu · eager · float32 · batch 1 · 2 threads · random-0"
        " · 100 timed predictions each, in 1 fresh process"
    )
    assert found.sentences == ()


@pytest.mark.parametrize(("more", "said"), [(0.0, "the same"), (0.04, "the same"), (-0.06, "0.1 points lower")])
def test_accuracies_that_print_as_one_are_the_same(more, said):
    facts = [make_model(name) for name in ("x3d-m", "cox3d-m-16")]
    both = [PublishedAccuracy(top1=60 + extra, frames_per_s=6, view="one clip", source="s") for extra in (0.0, more)]
    records = [
        even(
            each.name,
            30,
            model=each.model_copy(update={"published": Published(source="s", accuracy_top1=60, accuracies=(of,))}),
        )
        for each, of in zip(facts, both, strict=True)
    ]
    assert any(f"its accuracy is {said}: " in plain(text) for text in headline_of(records).sentences)


def test_a_single_prediction_is_one():
    found = headline_of([make_record("x3d-m", samples=make_samples(0.25, count=1))])
    assert found.where.endswith("1 timed prediction each, in 1 fresh process")


def test_the_most_accurate_that_keeps_up_and_how_much_faster_frames_are():
    records = [even("x3d-m", 4), even("cox3d-m-16", 36), even("cox3d-m-64", 32), even("cox3d-s-13", 80)]
    found = headline_of(records)
    assert plain(found.title) == (
        "CoX3D-M (64) has the highest published accuracy of all that keep up here: 71.0 % at 6 frames/s."
        " Its 32.0 predictions/s keep up with 30 frames/s too"
    )
    assert [plain(text) for text in found.sentences] == [
        "The fastest is CoX3D-S (13) with 80.0 predictions/s; its accuracy is 60.2 % at 5 frames/s.",
        "Shown every frame of a 30 frames/s video, CoX3D-M (64) has no published accuracy; 71.0 % at 6 frames/s is kept"
        " for every frame by interleaved states (co3d-bench camera --interleave).",
        "CoX3D-M (16) is 9.0 times as fast as its clip counterpart X3D-M, by median time per prediction;"
        " at 15 frames/s its accuracy is 5.8 points lower: 56.3 % (steady state) against 62.1 % (one clip).",
        "CoX3D-M (64) is 8.0 times as fast as its clip counterpart X3D-M, by median time per prediction;"
        " at 15 frames/s its accuracy is 2.8 points higher: 64.9 % (steady state) against 62.1 % (one clip).",
        "Accuracies are as published, not measured here; each belongs to its frame rate.",
    ]
    assert [(plain(fact.label), fact.value, plain(fact.detail)) for fact in found.facts] == [
        (
            "Highest published accuracy that keeps up",
            "CoX3D-M (64)",
            "71.0 % top-1 (6 frames/s, whole film), 32.0 predictions/s",
        ),
        ("Every frame of a 30 frames/s video", "3 of 4 networks", "their accuracy at that rate is not known"),
        ("Fastest", "CoX3D-S (13)", "80.0 predictions/s"),
        ("Frame by frame instead of clips", "9.0 \u00d7 as fast", "CoX3D-M (16) against X3D-M"),
    ]


@pytest.mark.parametrize(
    ("per_s", "words"),
    [
        (5.99, "No network keeps up with the frame rate of its accuracy here"),
        (6.01, "Its 6.01 predictions/s are too few for 30 frames/s"),
        (29.9, "Its 29.9 predictions/s are too few for 30 frames/s"),
        (30.01, "Its 30.0 predictions/s keep up with 30 frames/s too"),
    ],
)
def test_the_rate_of_the_accuracy_and_every_frame_are_two_questions(per_s, words):
    assert words in plain(headline_of([even("x3d-m", per_s)]).title)


def every_frame(records):
    (fact,) = [fact for fact in headline_of(records).facts if fact.label.startswith("Every frame")]
    return plain(fact.label), fact.value, plain(fact.detail)


def test_for_every_frame_networks_are_ranked_by_accuracies_of_that_rate_alone():
    label = "Every frame of a 30 frames/s video"
    frames = even("cox3d-m-64", 40)
    assert every_frame([frames]) == (label, "CoX3D-M (64)", "its accuracy at that rate is not known")
    # A clip network is shown every 12th frame whatever the rate of its answers.
    ranked = "most accurate at that rate: X3D-XS, 59.4 %"
    assert every_frame([frames, even("x3d-xs", 31)]) == (label, "2 of 2 networks", ranked)
    assert every_frame([even("x3d-xs", 29)]) == (label, "no network", "all are slower")


def custom(per_s, **changes):
    facts = {"title": "Mine", "counterpart": None, "published": None, "trained_frames_per_s": None} | changes
    return even("cox3d-m-64", per_s, model=make_model("cox3d-m-64", **facts))


def stated(frames_per_s=None, top1=80.0):
    accuracy = PublishedAccuracy(top1=top1, frames_per_s=frames_per_s, source="its author")
    return Published(source="its author", accuracy_top1=top1, accuracies=(accuracy,))


def test_a_network_for_a_slower_video_keeps_up_from_there_on():
    mine = custom(16, frame_rate_hz=15, published=stated(15))
    assert plain(headline_of([mine]).title) == (
        "Mine has the highest published accuracy of all that keep up with a 15 frames/s video here:"
        " 80.0 % at 16.0 predictions/s"
    )
    assert every_frame([mine]) == (
        "Every frame of a 15 frames/s video",
        "Mine",
        "most accurate at that rate: Mine, 80.0 %",
    )
    assert every_frame([mine, even("x3d-m", 4)])[:2] == ("Every frame of its video", "Mine")


def test_of_equal_accuracies_both_sentences_name_the_faster_network():
    records = [
        even(name, per_s, model=make_model(name, published=stated(30), trained_frames_per_s=None))
        for name, per_s in (("cox3d-m-64", 40), ("cox3d-m-16", 50), ("cox3d-s-13", 35))
    ]
    assert plain(headline_of(records).title).startswith("CoX3D-M (16) has the highest published accuracy")
    assert every_frame(records)[2] == "most accurate at that rate: CoX3D-M (16), 80.0 %"


def test_an_accuracy_of_unknown_rate_asks_for_every_frame_and_says_so():
    slow, fast = (headline_of([custom(per_s, published=stated())]) for per_s in (29, 31))
    assert plain(slow.title) == (
        "No network keeps up with a 30 frames/s video here; Mine comes closest with 29.0 predictions/s"
    )
    assert plain(fast.title).endswith("that keep up with a 30 frames/s video here: 80.0 % at 31.0 predictions/s")
    assert "At which frame rate the accuracy of Mine was measured is not known." in fast.sentences


def test_an_accuracy_of_another_rate_than_the_videos_says_to_which_it_belongs():
    found = headline_of([custom(31, published=stated(10))])
    assert (
        "Shown every frame of a 30 frames/s video, Mine has no published accuracy: 80.0 % belongs to 10 frames/s."
        in [plain(text) for text in found.sentences]
    )


def test_accuracies_of_different_conditions_are_not_set_against_each_other():
    mine = custom(40, published=stated(6), counterpart="x3d-m")  # what it saw of the film is not known
    (sentence,) = [text for text in headline_of([even("x3d-m", 4), mine]).sentences if "counterpart" in text]
    assert sentence == "Mine is 10 times as fast as its clip counterpart X3D-M, by median time per prediction."


def test_fast_networks_of_unknown_accuracy():
    unpublished = even("x3d-m", 50, model=make_model("x3d-m", published=None))
    assert plain(headline_of([unpublished]).title) == "X3D-M is the fastest network here: 50.0 predictions/s"


def test_warnings_are_said_in_the_title_and_below():
    found = headline_of([even("x3d-s", 4), make_noisy_record("cox3d-m-16")])
    assert found.title.endswith(", as measured with a warning")
    assert [fact.warned for fact in found.facts] == [True, True, True]
    assert "1 of 2 cases carries a warning: CoX3D-M (16)." in found.sentences

    assert _timed_noisily("x3d-m", 50, published=False).startswith("X3D-M is the fastest network here: 50.0")
    assert _timed_noisily("x3d-m", 4).startswith("No network keeps up with the frame rate")

    found = headline_of([even("x3d-m", 4), make_noisy_record("cox3d-m-16"), make_failed_record("x3d-s")])
    assert any(text.endswith("(measured with a warning).") for text in found.sentences)
    assert found.sentences[-1] == "Failed: X3D-S (out-of-memory)."


def test_different_circumstances_are_not_compared():
    elsewhere = make_environment(machine=make_machine(cpu_model="Another CPU"))
    found = headline_of([even("x3d-m", 4), even("cox3d-m-16", 36, environment=elsewhere)])
    assert [plain(fact.label) for fact in found.facts] == [
        "Highest published accuracy that keeps up",
        "Every frame of a 30 frames/s video",
        "Fastest",
    ]
    assert (
        "CoX3D-M (16) and X3D-M were measured under different circumstances (machine.cpu_model),"
        " so they are not compared."
    ) in found.sentences
    assert found.where.startswith("2 machines")


def test_two_sources_are_not_called_two_machines():
    found = headline_of([even("x3d-m", 4, case=make_case("x3d-m").of_source(name)) for name in ("a", "b")])
    assert found.where.startswith("2 sources")


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
