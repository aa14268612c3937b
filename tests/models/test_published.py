"""The paper's accuracies, and under which conditions they were measured (its sections 4.1 and 4.2)."""

import pytest

from co3d_bench.models.zoo import find_model, list_models


def accuracies(name):
    published = find_model(name).published
    return [(each.top1, each.frames_per_s, each.view) for each in published.accuracies]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x3d-s", [(64.71, 5, "one clip"), (51.0, 15, "one clip")]),
        ("x3d-m", [(67.24, 6, "one clip"), (62.1, 15, "one clip")]),
        ("x3d-l", [(69.29, 6, "one clip"), (64.1, 15, "one clip")]),
        ("x3d-xs", [(59.37, 2.5, "one clip")]),
        ("cox3d-s-13", [(60.18, 5, "whole film"), (49.2, 15, "steady state")]),
        ("cox3d-m-64", [(71.03, 6, "whole film"), (64.9, 15, "steady state")]),
        # A receptive field of 178 frames is never full of a film of 10 s at 15 frames/s.
        ("cox3d-l-64", [(71.61, 6, "whole film"), (64.3, 15, "whole film")]),
        ("cox3d-m-32", [(60.7, 15, "steady state")]),
        ("cox3d-s-96", [(61.8, 15, "whole film")]),
        ("slow-8x8-r50", [(67.42, 3.75, "one clip")]),
        ("coslow-r50-64", [(73.05, 3.75, "whole film")]),
        ("rcu-8", [(53.40, None, None)]),
    ],
)
def test_an_accuracy_has_its_frame_rate_and_what_the_network_saw(name, expected):
    assert accuracies(name) == expected


def test_the_first_accuracy_is_the_one_that_is_printed_as_the_networks():
    for spec in list_models():
        if spec.published:
            assert spec.published.accuracy_top1 == spec.published.accuracies[0].top1


def test_each_accuracy_names_its_table():
    sources = [each.source.rpartition(", ")[2] for each in find_model("x3d-m").published.accuracies]
    assert sources == ["Table 1", "Table 3"]
