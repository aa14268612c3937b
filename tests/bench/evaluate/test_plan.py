"""The cases of an evaluation: those of a plan, each with the films."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import moving
import pytest

from co3d_bench.bench.errors import NOTHING, UserError
from co3d_bench.bench.evaluate.plan import evaluation_config, evaluation_plan, films_of, films_of_config
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.plan import PlanFacts
from co3d_bench.bench.plan.plan import plan as cross
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.bench.run.processes import evaluation_job

CATALOG = Catalog(find_model=moving.SPECS.__getitem__)


@pytest.fixture
def data(tmp_path):
    for name in moving.CLASSES:
        for number in range(3):
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / name / f"{number}.mp4").write_bytes(b"no film, but its name")
    return tmp_path / "data"


def configured(evaluate, catalog=CATALOG, **plan):
    return evaluation_config(make_config({"plan": {"models": ["clip"], **plan}, "evaluate": evaluate}, catalog))


def planned(evaluate, **plan):
    config = configured(evaluate, **plan)
    return config, evaluation_plan(config, cross(config, PlanFacts(auto_threads=2)), films_of_config(config.evaluate))


def test_each_case_is_scored_once_with_a_batch_of_one(data):
    config, plan = planned({"data": str(data)}, models=["clip", "frames"], backends=["eager"], batch=[4])
    assert [(case.model, case.batch) for case in plan.cases] == [("clip", 1), ("frames", 1)]
    assert (config.run.processes, config.run.runs, config.run.energy) == (1, 1, False)
    (setup, other) = (case.evaluation for case in plan.cases)
    assert setup == other
    assert setup
    assert (setup.data, setup.films, setup.fps) == ("data", 15, None)
    assert plan.cases[0].key == f"clip/cpu/eager/fp32/b1/t2/random-0/accuracy-data-15films-{setup.sha256}"


def test_frame_rate_limit_and_list_of_classes_are_of_the_case(data, tmp_path):
    classes = tmp_path / "classes.txt"
    classes.write_text("\n".join(moving.CLASSES))
    setups = [
        planned({"data": str(data), **more}, backends=["eager"])[1].cases[0].evaluation
        for more in ({}, {"fps": 15.0}, {"limit": 5}, {"classes": str(classes)})
    ]
    assert len({setup.key for setup in setups if setup}) == 4


def test_auto_is_the_fastest_engine_alone(data):
    plan = planned({"data": str(data)}, backends=["auto"])[1]
    (case,) = plan.cases
    assert case.backend != "eager"
    assert plan.instead[case][-1] == "eager"


def test_an_engine_that_times_itself_cannot_be_shown_films(data):
    config, plan = planned({"data": str(data)}, backends=["eager"])
    case = plan.cases[0].model_copy(update={"evaluation": None, "backend": "trtexec"})
    with pytest.raises(UserError, match="cannot be shown films") as error:
        evaluation_plan(config, replace(plan, cases=(case,)), films_of_config(config.evaluate))
    assert error.value.exit_code == NOTHING


def test_the_job_names_the_data(data, tmp_path):
    config, _ = planned({"data": str(data), "limit": 5}, backends=["eager"])
    job = evaluation_job(config)
    assert (job.data, job.limit, job.films, job.classes) == (str(data), 5, None, None)
    assert job.store.endswith("results")


def test_classes_of_a_custom_network_are_known_before_its_checkpoint_is_loaded(data, tmp_path):
    config, _ = planned({"data": str(data)}, backends=["eager"])
    custom: Any = {"clip": SimpleNamespace(spec=lambda: moving.SPECS["clip"])}
    weighed = replace(config, plan=config.plan.model_copy(update={"weights": "clip.pth"}))
    cases = cross(config, PlanFacts(auto_threads=2))
    (tmp_path / "other/left").mkdir(parents=True)
    (tmp_path / "other/left/1.mp4").write_bytes(b"x")
    other = films_of(str(tmp_path / "other"), None, None, None)
    assert evaluation_plan(weighed, cases, other).cases  # of the zoo: the checkpoint decides
    with pytest.raises(UserError, match="other has 1 class"):
        evaluation_plan(replace(weighed, custom=custom), cases, other)


def test_what_cannot_be_scored_is_said_before_anything_runs(data, tmp_path):
    with pytest.raises(UserError, match=r"evaluate\.data: missing"):
        configured({})
    other = tmp_path / "other"
    (other / "left").mkdir(parents=True)
    (other / "left/1.mp4").write_bytes(b"x")
    with pytest.raises(UserError, match=r"other has 1 class \(left\), Clip has 5"):
        planned({"data": str(other)}, backends=["eager"])
    blind = Catalog(find_model=lambda name: replace(moving.SPECS["clip"], preprocessing=None))
    with pytest.raises(UserError, match="cannot read a video without a `preprocessing`"):
        configured({"data": str(data)}, catalog=blind)
