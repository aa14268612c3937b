import pytest

from co3d_bench.bench.stats.compare.exact import (
    EXACT_METRICS,
    is_accepted,
    judge_figure,
    judge_output,
    judge_verification,
)
from co3d_bench.bench.stats.metrics import get_metric

KEY = "cox3d-s-13/cpu/eager/fp32/b1/t2/random-0"


def test_exact_metrics_are_metrics_without_noise():
    for name in EXACT_METRICS:
        assert not get_metric(name).noisy


@pytest.mark.parametrize(
    ("base", "head", "better", "verdict"),
    [
        (100, 101, "lower", "regressed"),
        (100, 99, "lower", "improved"),
        (100, 100, "lower", "equivalent"),
        (100, 99, "higher", "regressed"),
        (0, 1, "lower", "regressed"),
        (0, 0, "lower", "equivalent"),
        (10_000_000_000, 10_000_000_001, "lower", "regressed"),
    ],
)
def test_any_change_of_a_figure_is_a_change(base, head, better, verdict):
    assert judge_figure(KEY, "macs", base, head, better=better).verdict == verdict


def test_the_figures_are_said_to_their_last_digit():
    assert "10000000000 -> 10000000001" in judge_figure(KEY, "macs", 10_000_000_000, 10_000_000_001).why
    assert "1192000000000 -> 1192000000001" in judge_figure(KEY, "macs", 1_192_000_000_000, 1_192_000_000_001).why


def test_a_figure_that_one_side_lacks_is_no_pass():
    assert judge_figure(KEY, "macs", None, 5).verdict == "inconclusive"
    assert judge_figure(KEY, "macs", 5, None).verdict == "inconclusive"
    assert judge_figure(KEY, "macs", None, None) is None


def test_another_answer_fails():
    assert judge_output(KEY, "abc", "abd").verdict == "regressed"
    assert judge_output(KEY, "abc", "abc").verdict == "equivalent"
    assert judge_output(KEY, "abc", None).verdict == "inconclusive"
    assert judge_output(KEY, None, None) is None


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [
        (True, True, "equivalent"),
        (True, False, "regressed"),
        (False, False, "regressed"),  # a wrong answer has no speed, however long it has been wrong
        (None, False, "regressed"),
        (False, True, "improved"),
        (None, True, "equivalent"),
        (True, None, "inconclusive"),
    ],
)
def test_a_wrong_answer_fails(base, head, verdict):
    assert judge_verification(KEY, base, head).verdict == verdict


def test_a_change_that_is_named_is_accepted_and_says_so():
    found = judge_figure(KEY, "peak_allocated", 5, 6, accept=["peak_allocated"])
    assert found.verdict == "equivalent"
    assert "5 -> 6" in found.why
    assert found.why.endswith("accepted")
    assert judge_output(KEY, "abc", "abd", accept=["output=cox3d-*"]).verdict == "equivalent"


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        (["output"], True),
        (["output=cox3d-*"], True),
        (["macs", f"output={KEY}"], True),
        (["output=x3d-*"], False),
        (["macs"], False),
        (["outputs"], False),
        ([], False),
    ],
)
def test_a_change_is_accepted_by_the_name_of_the_metric_and_of_the_case(accept, accepted):
    assert is_accepted(KEY, "output", accept) is accepted


def test_an_accepted_change_never_makes_an_improvement_smaller():
    assert judge_figure(KEY, "macs", 6, 5, accept=["macs"]).verdict == "improved"
