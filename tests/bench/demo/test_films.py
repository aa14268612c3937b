"""The demo's films: the same for everybody, and a class that no single picture shows."""

from __future__ import annotations

import random

import av
import numpy as np
import pytest

from co3d_bench.bench.demo.films import CLASSES, LARGE, SHAPES, SMALL, Look, any_look, make_films, pictures, write_film


def centres(shown, look):
    """(x, y) of the middle of what differs from the ground, of each picture."""
    for picture in shown:
        rows, columns = np.nonzero((picture == look.colour).all(-1))
        yield columns.mean(), rows.mean()


@pytest.mark.parametrize(("kind", "axis", "sign"), [("left", 0, -1), ("right", 0, 1), ("up", 1, -1), ("down", 1, 1)])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_it_moves_as_its_class_says_and_as_far_whatever_the_size(kind, axis, sign, size):
    look = Look(tremble=0)
    found = np.array(list(centres(pictures(kind, 20, random.Random(3), size, look), look)))
    moved = (found[-1] - found[0]) / size[1]
    assert 0.2 * 19 / 48 - 0.03 <= sign * moved[axis] <= 0.6 * 19 / 48 + 0.03
    assert abs(moved[1 - axis]) <= 0.03


def test_clockwise_is_as_on_a_clock():
    look = Look(tremble=0)
    x, y = (np.array(list(centres(pictures("clockwise", 63, random.Random(1), LARGE, look), look))) - (80, 60)).T
    angles = np.unwrap(np.arctan2(y, x))  # y points down, so that angles grow as the hands of a clock go
    assert angles[-1] - angles[0] == pytest.approx(6.2, abs=0.1)
    assert np.hypot(x, y).mean() == pytest.approx(25, abs=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_another_one_on_the_same_ground(shape):
    looks = (Look(shape, tremble=0, grain=30), Look("square", tremble=0, grain=30))
    one, square = (next(pictures("up", 1, random.Random(1), LARGE, look)) for look in looks)
    own, all_of = ((picture == 230).all(-1) for picture in (one, square))
    assert own.sum() == {"square": 400, "disc": 316, "triangle": 220}[shape]
    assert not (own & ~all_of).any()
    assert np.array_equal(one[~all_of], square[~all_of])


def test_the_same_seed_makes_the_same_pictures_and_another_one_others():
    def film(seed):
        draw = random.Random(seed)
        return np.stack(list(pictures("up", 5, draw, LARGE, any_look(draw))))

    assert np.array_equal(film(1), film(1))
    assert not np.array_equal(film(1), film(2))


def test_films_lie_in_folders_of_classes_with_so_many_frames(tmp_path):
    make_films(tmp_path, each=2, lengths=(4, 6), size=LARGE, varied=True)
    assert [folder.name for folder in sorted(tmp_path.iterdir())] == list(CLASSES)
    for file in tmp_path.rglob("*.mp4"):
        with av.open(str(file)) as container:
            shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert 4 <= len(shown) <= 6
        assert shown[0].shape == (120, 160, 3)
    assert len(list(tmp_path.rglob("*.mp4"))) == 10


def test_a_film_has_the_rate_that_it_was_given(tmp_path):
    write_film(tmp_path / "film.mp4", pictures("up", 5, random.Random(0)), 12)
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert container.streams.video[0].average_rate == 12
