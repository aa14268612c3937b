"""The accuracy of a network as it is used: of its frame rate, and of what it saw."""

from dataclasses import replace

import pytest

from co3d_bench.bench.record.facts import model_facts
from co3d_bench.bench.record.record import ModelFacts, PublishedAccuracy
from co3d_bench.bench.stats.accuracy import accuracy_at, accuracy_on_camera, comparable, comparable_pair, main_accuracy
from co3d_bench.models.spec import Published, Source
from co3d_bench.models.spec import PublishedAccuracy as SpecAccuracy
from co3d_bench.models.zoo import find_model

from ...factories import make_model


def facts(name):
    return model_facts(find_model(name))


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
    found = accuracy_at(facts(name), frames_per_s)
    assert (found and found.top1) == top1


def test_a_network_of_unknown_rate_has_its_main_accuracy_at_its_own_rate_alone():
    early = make_model("cox3d-m-64", trained_frames_per_s=None)
    early = early.model_copy(update={"published": early.published.model_copy(update={"accuracies": ()})})
    unknown = PublishedAccuracy(top1=71.03, source=early.published.source)
    assert main_accuracy(early) == accuracy_at(early) == unknown
    assert accuracy_at(early, 6.0) is None
    assert accuracy_at(make_model("x3d-m", published=None)) is None


def test_a_record_of_an_early_version_loads_and_its_conditions_are_not_known():
    raw = facts("x3d-m").model_dump(mode="json")
    del raw["trained_frames_per_s"], raw["published"]["accuracies"]
    early = ModelFacts.model_validate(raw)
    assert main_accuracy(early) == PublishedAccuracy(top1=67.24, source=early.published.source)
    assert comparable_pair(early, facts("cox3d-m-64")) is None


def test_an_authors_accuracy_is_that_of_the_authors_preprocessing_unless_another_rate_is_stated():
    def own(**stated):
        published = Published("its author", 61.5, (SpecAccuracy(61.5, view=None, source="its author", **stated),))
        return main_accuracy(model_facts(replace(find_model("x3d-m"), published=published, source=Source())))

    assert own(frames_per_s=None).frames_per_s == 6
    assert own(frames_per_s=10).frames_per_s == 10
    bare = replace(find_model("x3d-m"), published=Published("its author", 61.5), source=Source())
    assert main_accuracy(model_facts(bare)).frames_per_s == 6
    assert main_accuracy(model_facts(replace(bare, preprocessing=None))).frames_per_s is None


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
    found = [accuracy_on_camera(facts(name), 15.0) for name in names]
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
    found = comparable_pair(facts(a), facts(b))
    assert (found and tuple(each.top1 for each in found)) == expected
