"""The folder of a demo: always a new one, and nothing in it is ever written over."""

from __future__ import annotations

import pytest

from co3d_bench.bench.demo import folder as demo
from co3d_bench.bench.demo.folder import FILM, FILMS, fill, new_folder
from co3d_bench.bench.demo.train import CLIP, FRAMES
from co3d_bench.bench.errors import ENVIRONMENT, USAGE, UserError
from co3d_bench.bench.evaluate.data import read_data
from co3d_bench.bench.measure.film import open_film
from co3d_bench.bench.plan.config import FILE_NAME, read_config


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_without_a_name_it_is_the_first_that_is_not_there(tmp_path):
    assert str(new_folder(None)) == "co3d-bench-demo"
    assert str(new_folder(None)) == "co3d-bench-demo-2"
    (tmp_path / "co3d-bench-demo-3").symlink_to("nowhere")
    assert str(new_folder(None)) == "co3d-bench-demo-4"


def test_a_folder_that_was_asked_for_may_be_there_if_it_is_empty(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/below"):
        assert new_folder(tmp_path / name).is_dir()


def test_a_file_of_somebody_else_is_not_written_over(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / FILE_NAME).write_text("my plan")
    with pytest.raises(UserError, match="mine: is not empty, and a demo overwrites nothing") as caught:
        new_folder(tmp_path / "mine")
    assert caught.value.exit_code == USAGE
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: cannot be made: File exists") as caught:
        new_folder(tmp_path / "file")
    assert caught.value.exit_code == ENVIRONMENT


def test_the_plan_and_the_films_are_what_the_verbs_read(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "FILMS_EACH", 1)
    monkeypatch.setattr(demo, "SCENES", 2)
    fill(tmp_path)
    plan = read_config(tmp_path / FILE_NAME).plan
    assert (plan.models, plan.weights, plan.backends) == ((CLIP, FRAMES), "auto", ("auto",))
    assert len(read_data(tmp_path / FILMS, None, None).films) == 5
    with open_film(tmp_path / FILM) as film:
        assert sum(1 for _ in film.frames()) == 2 * demo.SCENE_FRAMES
