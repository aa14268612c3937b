"""The accuracy of a network as it is used: of its frame rate, and of what it saw."""

from dataclasses import replace

import pytest

from co3d_bench.bench.record.case import Drop
from co3d_bench.bench.record.facts import model_facts
from co3d_bench.bench.record.record import ModelFacts, ModelSource, PublishedAccuracy
from co3d_bench.bench.stats.accuracy import (
    MeasuredAccuracy,
    comparable,
    comparable_pair,
    films_of,
    known_accuracy,
    most_films,
)
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.models.spec import Published, Source
from co3d_bench.models.spec import PublishedAccuracy as SpecAccuracy
from co3d_bench.models.zoo import find_model

from ...factories import WEIGHTS, make_accuracy_record, make_case, make_model, make_record


def facts(name):
    return model_facts(find_model(name))


def known(model, precision="fp32", scored=()):
    record = make_record(model.name, model=model, case=make_case(model.name, precision=precision))
    return known_accuracy(record, model, scored)


def accuracy(top1=70.0, frames_per_s=6.0, view="one clip"):
    return PublishedAccuracy(top1=top1, frames_per_s=frames_per_s, view=view, source="a test")


@pytest.mark.parametrize(
    ("name", "frames_per_s", "top1"),
    [
        ("cox3d-m-64", None, 71.03),
        ("cox3d-m-64", 6.0, 71.03),
        ("cox3d-m-64", 6.25, 71.03),  # every 4th of 25 frames/s
        ("cox3d-m-64", 15.0, 64.9),
        ("cox3d-m-64", 14.985, 64.9),  # every second of 29.97
        ("cox3d-m-64", 30.0, None),
        ("cox3d-m-64", 7.5, None),
        ("x3d-m", None, 67.24),
        ("x3d-m", 30.0, 67.24),  # a clip network is shown every 5th frame whatever the rate of its answers
        ("cox3d-m-96", None, None),  # trained at 6/s, published for 15/s alone
        ("cox3d-m-96", 15.0, 67.3),
        ("cox3d-m-48", 6.0, None),
        ("rcu-8", None, None),  # its paper's rate is not known
    ],
)
def test_an_accuracy_belongs_to_the_rate_at_which_frames_are_shown(name, frames_per_s, top1):
    found = known(facts(name)).at(frames_per_s)
    assert (found and found.top1) == top1


def test_a_network_of_unknown_rate_has_its_main_accuracy_at_its_own_rate_alone():
    early = make_model("cox3d-m-64", trained_frames_per_s=None)
    early = early.model_copy(update={"published": early.published.model_copy(update={"accuracies": ()})})
    unknown = PublishedAccuracy(top1=71.03, source=early.published.source)
    assert known(early).main == known(early).at() == unknown
    assert known(early).at(6.0) is None
    assert known(make_model("x3d-m", published=None)).at() is None


def test_a_record_of_an_early_version_loads_and_its_conditions_are_not_known():
    raw = facts("x3d-m").model_dump(mode="json")
    del raw["trained_frames_per_s"], raw["published"]["accuracies"]
    early = ModelFacts.model_validate(raw)
    assert known(early).main == PublishedAccuracy(top1=67.24, source=early.published.source)
    assert comparable_pair(known(early).all, known(facts("cox3d-m-64")).all) is None


def test_an_authors_accuracy_is_that_of_the_authors_preprocessing_unless_another_rate_is_stated():
    def own(**stated):
        published = Published("its author", 61.5, (SpecAccuracy(61.5, view=None, source="its author", **stated),))
        return known(model_facts(replace(find_model("x3d-m"), published=published, source=Source()))).main

    assert own(frames_per_s=None).frames_per_s == 6
    assert own(frames_per_s=10).frames_per_s == 10
    bare = replace(find_model("x3d-m"), published=Published("its author", 61.5), source=Source())
    assert known(model_facts(bare)).main.frames_per_s == 6
    assert known(model_facts(replace(bare, preprocessing=None))).main.frames_per_s is None


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, True),
        ({"view": "steady state"}, True),  # each as it is on a camera
        ({"view": "whole film"}, False),
        ({"view": None}, False),
        ({"frames_per_s": 15.0}, False),
        ({"frames_per_s": None}, False),
    ],
)
def test_accuracies_are_compared_at_one_rate_and_where_as_much_was_seen(other, expected):
    one = accuracy()
    assert comparable(one, accuracy(**other)) is comparable(accuracy(**other), one) is expected


def test_what_is_not_known_of_both_is_not_the_same():
    assert not comparable(accuracy(frames_per_s=None), accuracy(frames_per_s=None))
    assert not comparable(accuracy(view=None), accuracy(view=None))


def test_on_a_camera_stand_accuracies_of_one_clip_and_of_a_steady_state():
    names = ("x3d-m", "cox3d-m-64", "cox3d-l-64", "r2plus1d-18-16", "x3d-xs")
    found = [known(facts(name)).on_camera(15.0) for name in names]
    assert [each and each.top1 for each in found] == [62.1, 64.9, None, 59.29, None]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("cox3d-m-64", "x3d-m", (64.9, 62.1)),  # Table 3; in Table 1 one saw the film, the other a clip
        ("cox3d-m-64", "cox3d-m-16", (71.03, 62.80)),
        ("cox3d-l-64", "x3d-l", None),  # 10 s are too short for its steady state
        ("coslow-r50-64", "slow-8x8-r50", None),
    ],
)
def test_two_networks_are_compared_by_accuracies_of_the_same_conditions(a, b, expected):
    found = comparable_pair(known(facts(a)).all, known(facts(b)).all)
    assert (found and tuple(each.top1 for each in found)) == expected


# --- measured


def case(model="x3d-m", weights=WEIGHTS, **setting):
    """A case whose speed was measured."""
    return make_record(model, case=make_case(model, **setting), model=make_model(model, weights=weights))


def accuracies(*records):
    """What is known of the first one's case."""
    return case_results(records)[0].accuracy


def test_published_is_for_float32_alone():
    assert accuracies(case()).main.top1 == 67.24
    for precision in ("tf32", "bf16", "fp16", "int8"):
        assert accuracies(case(precision=precision)).all == ()


@pytest.mark.parametrize(
    ("model", "weights", "published"),
    [
        ("x3d-m", "seeded", 67.24),
        ("x3d-m", "X3D_M.pyth sha256:0123456789ab", 67.24),  # the other project's
        ("cox3d-m-64", "x3d_m.pyth sha256:0123456789ab", 71.03),  # its clip network's
        ("x3d-m", "x3d_s.pyth sha256:0123456789ab", None),
        ("x3d-m", "tuned.pyth sha256:0123456789ab", None),
        ("cox3d-m-64", "tuned.pyth sha256:0123456789ab", None),
    ],
)
def test_published_is_for_the_design_and_its_public_checkpoints_alone(model, weights, published):
    found = accuracies(case(model, weights)).main
    assert (found.top1 if found else None) == published


def test_what_an_author_states_of_a_custom_network_is_of_the_authors_weights():
    record = case(weights="mine.pth sha256:0123456789ab")
    own = record.model.model_copy(update={"source": ModelSource(file="net.py", sha256="ab")})
    assert accuracies(record.model_copy(update={"model": own})).main.top1 == 67.24


def test_what_is_measured_of_the_same_artefact_takes_the_place_of_what_is_published():
    found = accuracies(case(), make_accuracy_record())
    assert isinstance(found.main, MeasuredAccuracy)
    assert found.main.top1 == pytest.approx(60)
    assert found.main.ends == pytest.approx((55, 65))
    assert (found.main.frames_per_s, found.main.view, found.main.source) == (
        6.0,
        "one clip",
        "measured on val, 500 films",
    )
    assert [(each.top1, each.frames_per_s) for each in found.all[1:]] == [(62.1, 15.0)]  # of other conditions
    int8 = accuracies(case(precision="int8"), make_accuracy_record(precision="int8", top1=0.5))
    assert [each.top1 for each in int8.all] == [pytest.approx(50)]


@pytest.mark.parametrize(
    "other",
    [
        {"precision": "bf16"},
        {"weights": "x3d_m.pyth sha256:ba9876543210"},
        {"drop": Drop(share=0.1)},
    ],
)
def test_what_is_measured_of_something_else_is_not_taken(other):
    assert accuracies(case(), make_accuracy_record(**other)).main.top1 == 67.24
    assert accuracies(case(), make_accuracy_record("x3d-s")).main.top1 == 67.24
    scored = make_accuracy_record()
    fewer = scored.model.model_copy(update={"classes": 10})
    assert accuracies(case(), scored.model_copy(update={"model": fewer})).main.top1 == 67.24


def test_of_another_engine_it_is_taken_in_float32_alone():
    assert accuracies(case(), make_accuracy_record(backend="openvino")).main.top1 == pytest.approx(60)
    assert accuracies(
        case(), make_accuracy_record(top1=0.6), make_accuracy_record(top1=0.5, backend="openvino")
    ).main.top1 == pytest.approx(60)
    int8 = {"precision": "int8"}
    assert accuracies(case(**int8), make_accuracy_record(backend="openvino", **int8)).all == ()


def test_of_random_weights_none_is_taken_and_of_ones_own_code_that_of_the_same_code():
    assert accuracies(case(weights="seeded"), make_accuracy_record(weights="seeded")).main.top1 == 67.24

    def own(sha256, record):
        source = ModelSource(file="net.py", sha256=sha256)
        model = record.model.model_copy(update={"weights": "as its factory makes them", "source": source})
        return record.model_copy(update={"model": model.model_copy(update={"published": None})})

    assert accuracies(own("ab", case()), own("ab", make_accuracy_record())).main.top1 == pytest.approx(60)
    assert accuracies(own("ab", case()), own("cd", make_accuracy_record())).main is None


def test_of_several_sets_the_one_with_most_films_counts_then_the_newest():
    records = [
        make_accuracy_record(top1=0.4, films=1000),
        make_accuracy_record(top1=0.5, films=1000),
        make_accuracy_record(top1=0.6, films=20),
    ]
    assert accuracies(case(), *records).main.top1 == pytest.approx(50)


def test_the_rate_of_the_weights_is_the_first_and_another_rate_is_its_own():
    found = accuracies(
        case("cox3d-m-64"), make_accuracy_record("cox3d-m-64", fps=15.0), make_accuracy_record("cox3d-m-64", top1=0.7)
    )
    assert [(each.top1, each.frames_per_s, each.view) for each in found.all] == [
        (pytest.approx(70), 6.0, "whole film"),
        (pytest.approx(60), 15.0, "whole film"),
        (64.9, 15.0, "steady state"),
    ]
    assert found.at(15.0).top1 == pytest.approx(60)
    assert found.on_camera(15.0).top1 == 64.9


def test_accuracies_of_other_films_are_not_compared():
    one, other = (accuracies(case(), make_accuracy_record(data=data)).main for data in ("val", "test"))
    published = accuracies(case()).main
    assert comparable(one, one)
    assert not comparable(one, other)
    assert not comparable(one, published)
    assert most_films([one, one, other, published, None]) == films_of(one)
    assert most_films([one, published]) == films_of(one)  # as many of each: the measured ones
    assert most_films([published]) == ""
    assert most_films([None]) is None
