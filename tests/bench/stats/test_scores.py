"""Accuracy from scores: figures by hand, by plain definitions, and by known intervals."""

import io
import random

import numpy as np
import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.record.blobs import write_blob
from co3d_bench.bench.record.evaluation import Share
from co3d_bench.bench.record.predictions import Predictions, read_predictions, stored_scores, write_predictions
from co3d_bench.bench.stats.scores import Scores, average_precisions, mistakes, wilson


def predictions(rows, labels, several=False, classes=()):
    scores = np.stack([stored_scores(row, several=several) for row in rows])
    films = tuple(f"{number}.mp4" for number in range(len(rows)))
    return Predictions(films, scores, np.array(labels), classes)


def test_figures_by_hand():
    rows = [[3, 1, 2, 0, 0, 0], [1, 3, 2, 0, 0, 0], [6, 5, 4, 3, 2, 1], [0, 9, 0, 0, 0, 0]]
    scores = Scores(predictions(rows, [0, 2, 5, 1]))
    assert scores.top1
    assert scores.top5
    assert scores.mean_class
    assert scores.top1.value == 2 / 4
    assert scores.top5.value == 3 / 4  # only class 5 of the third film comes last
    assert scores.mean_class.value == pytest.approx((1 + 1 + 0 + 0) / 4)  # classes 0, 1, 2 and 5 have a film
    assert scores.mean_ap is None
    assert scores.confusion is not None
    assert [(each.truth, each.answer, each.films, each.of) for each in mistakes(scores.confusion)] == [
        (2, 1, 1, 1),
        (5, 0, 1, 1),
    ]


def test_of_equal_scores_the_lower_class_comes_first_as_in_torch():
    import torch

    draw = random.Random(0)
    rows = [[draw.randint(0, 3) for _ in range(9)] for _ in range(200)]
    labels = [draw.randrange(9) for _ in rows]
    scores = Scores(predictions(rows, labels))
    assert scores.top1
    assert scores.top5
    assert scores.confusion is not None
    best = torch.tensor(rows).argmax(1)
    assert scores.top1.value == int((best == torch.tensor(labels)).sum()) / 200
    assert scores.confusion.trace() == scores.top1.value * 200
    order = torch.sort(torch.tensor(rows), dim=1, descending=True, stable=True).indices[:, :5]
    assert scores.top5.value == sum(label in row for label, row in zip(labels, order.tolist(), strict=True)) / 200


def test_five_classes_have_no_top_5():
    assert Scores(predictions([[1, 2, 3, 4, 5]], [4])).top5 is None


def plain_average_precision(scores, truth):
    """Over the distinct scores from the highest on: how much recall each adds, times the precision there."""
    found, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = [score >= threshold for score in scores]
        right = sum(t and h for t, h in zip(truth, taken, strict=True))
        recall, precision = right / sum(truth), right / sum(taken)
        found, before = found + (recall - before) * precision, recall
    return found


def test_average_precision_is_its_plain_definition():
    draw = np.random.default_rng(1)
    scores = draw.integers(0, 12, (40, 7)).astype(np.float16)  # many are equal
    truth = draw.random((40, 7)) < 0.3
    truth[:, 3] = False
    found = average_precisions(scores, truth)()
    assert np.isnan(found[3])
    for each in (0, 1, 2, 4, 5, 6):
        assert found[each] == pytest.approx(plain_average_precision(scores[:, each].tolist(), truth[:, each].tolist()))


def test_a_weight_is_a_film_that_is_drawn_so_often():
    draw = np.random.default_rng(2)
    scores, truth = draw.random((30, 4)).astype(np.float16), draw.random((30, 4)) < 0.4
    drawn = draw.integers(0, 30, 30)
    weights = np.bincount(drawn, minlength=30).astype(float)
    np.testing.assert_allclose(
        average_precisions(scores, truth)(weights), average_precisions(scores[drawn], truth[drawn])()
    )


def test_map_over_films_with_several_labels():
    scores = Scores(
        predictions(
            [[0.9, 0.1, 0], [0.8, 0.7, 0], [0.1, 0.9, 0]],
            [[True, False, False], [False, True, False], [True, True, False]],
            several=True,
        )
    )
    assert scores.mean_ap
    assert scores.top1 is None
    assert scores.confusion is None
    # class 0: films 0 (right), 1, 2 (right): (1 + 2/3) / 2; class 1: films 2, 1 right: 1; class 2 has no film
    assert scores.mean_ap.value == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert scores.mean_ap.low <= scores.mean_ap.value <= scores.mean_ap.high


def test_wilson_as_published():
    """Newcombe (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for hits, trials, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = wilson(hits, trials)
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert wilson(20, 20).high == 1.0


def test_the_bootstrap_has_the_width_of_the_binomial():
    """For one class the mean class accuracy is a share, whose interval is known."""
    hits = [1] * 70 + [0] * 130
    scores = Scores(predictions([[hit, 0.5] for hit in hits], [0] * 200))
    assert scores.mean_class
    assert scores.top1
    assert scores.mean_class.low == pytest.approx(scores.top1.low, abs=0.02)
    assert scores.mean_class.high == pytest.approx(scores.top1.high, abs=0.02)


def test_no_finite_answer_is_wrong_and_no_class():
    rows = [[float("nan"), 0], [float("inf"), 0], [1, 0]]
    scores = Scores(predictions(rows, [0, 0, 0]))
    assert scores.unanswered == 2
    assert scores.top1
    assert scores.top1.value == 1 / 3
    assert scores.confusion is not None
    assert scores.confusion.sum() == 1


def test_float16_keeps_apart_what_is_near_the_top():
    row = [100.0001, 100.0, 3.0]
    kept = stored_scores(row, several=False)
    assert kept[0] == 0 > kept[1] > kept[2]
    assert np.isfinite(stored_scores([1e9, 0], several=True)).all()


def test_predictions_are_kept_as_they_are(tmp_path):
    given = predictions([[1, 2, 3], [3, 2, 1]], [0, 2], classes=("a", "b", "ç"))
    name = write_predictions(tmp_path / "blobs", given)
    found = read_predictions(tmp_path / "blobs", name)
    assert (found.films, found.classes) == (given.films, given.classes)
    np.testing.assert_array_equal(found.scores, given.scores)
    assert Scores(found).figures() == Scores(given).figures()
    assert isinstance(Scores(found).top1, Share)


@pytest.mark.parametrize("labels", [[0, 3], [0, -1], [0.0, 1.0], [[True, False], [True, True]], [0]])
def test_a_blob_that_holds_something_else_is_refused(tmp_path, labels):
    wrong = Predictions(("a", "b"), np.zeros((2, 3), np.float16), np.array(labels))
    name = write_predictions(tmp_path / "blobs", wrong)
    with pytest.raises(UserError, match="holds no predictions"):
        read_predictions(tmp_path / "blobs", name)


def test_a_blob_of_frame_times_holds_no_predictions(tmp_path):
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, due_s=np.zeros(3))
    with pytest.raises(UserError, match="holds no predictions"):
        read_predictions(tmp_path / "blobs", write_blob(tmp_path / "blobs", file.getvalue()))


def test_the_interval_of_map_is_corrected_for_the_bias_of_the_bootstrap():
    """Scores by chance: the mAP of many films is the share of films that are of a class, and few films show more."""
    draw = np.random.default_rng(3)
    truth = draw.random((600, 12)) < 0.05
    films = tuple(map(str, range(600)))
    found = Scores(Predictions(films, draw.random((600, 12)).astype(np.float16), truth)).mean_ap
    assert found
    assert found.low < 0.05 < found.value < found.high


def test_classes_without_a_film_are_counted():
    one = Predictions(("a", "b"), np.zeros((2, 5), np.float16), np.array([1, 1], np.int32))
    assert Scores(one).empty_classes == 4
    several = Predictions(("a", "b"), np.zeros((2, 3), np.float16), np.array([[1, 0, 0], [1, 1, 0]], bool))
    assert Scores(several).empty_classes == 1
