"""What an author may state of a network, and a sentence for everything else."""

import pytest

from co3d_bench.models.custom import as_fields
from co3d_bench.models.spec import Published, PublishedAccuracy
from co3d_bench.models.stated import FACTS, complaints


@pytest.mark.parametrize("values", [{}, {"accuracy_top1": 71}, {"frame_rate_hz": 29.97}, {"counterpart": "x3d-m"}])
def test_right_values_have_no_complaint(values):
    assert list(complaints(values, "frame")) == []


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("accuracy_top1", 101, "is 101; it must be a percentage, from 0 to 100"),
        ("accuracy_top1", float("nan"), "is nan; it must be a percentage"),
        ("accuracy_top1", True, "is True; it must be a percentage"),
        ("accuracy_top1", "71 %", "is '71 %'; it must be a percentage"),
        ("accuracy_frames_per_s", 0, "is 0; it must be frames per second at which that was measured"),
        ("accuracy_frames_per_s", 15, "belongs to an accuracy; state accuracy_top1 beside it"),
        ("accuracy_view", "half", "is 'half'; it must be what it saw of the film: one clip, whole film, steady state"),
        ("accuracy_view", ["one clip"], "it must be what it saw of the film"),
        ("frame_rate_hz", 0, "is 0; it must be frames per second"),
        ("counterpart", "", "is ''; it must be the name of its clip network"),
        ("counterpart", "clip", "only a network that is run frame by frame has a clip counterpart"),
        ("acuracy_top1", 71, "unknown key; did you mean accuracy_top1?"),
        ("top", 71, f"unknown key; there are {', '.join(FACTS)}"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key, value, why):
    ((named, found),) = complaints({key: value}, "clip")
    assert named == key
    assert why in found


def test_an_accuracy_is_stated_with_its_conditions():
    values = {"accuracy_top1": 71, "accuracy_frames_per_s": 10, "accuracy_view": "one clip"}
    assert list(complaints(values, "clip")) == []
    published = as_fields(values, "stated in net.py", "net.py:clip")["published"]
    accuracy = PublishedAccuracy(71, 10, "one clip", "stated in net.py")
    assert published == Published("stated in net.py", 71, (accuracy,))


@pytest.mark.parametrize(
    ("word", "name"),
    [("clip", "net.py:clip"), ("x3d-m", "x3d-m"), ("nets/my net.py:clip", "my_net.py:clip")],
)
def test_a_counterpart_is_named_as_cases_are(word, name):
    assert as_fields({"counterpart": word}, "stated in net.py", "net.py:frames")["counterpart"] == name
