"""`evaluate` beside some twenty plain lines that do the same: the same answers, film by film."""

import math
import random
from functools import partial

import av
import moving
import numpy as np
import pytest
import torch

from co3d_bench.bench.backends import eager
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.evaluate import worker
from co3d_bench.bench.evaluate.films import Shown, sampling_of, show
from co3d_bench.bench.evaluate.plan import evaluation_config, evaluation_plan, films_of_config
from co3d_bench.bench.evaluate.worker import evaluate_case, identity
from co3d_bench.bench.measure.job import Job
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.plan import PlanFacts
from co3d_bench.bench.plan.plan import plan as cross
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.bench.record.blobs import blobs_folder
from co3d_bench.bench.record.case import Case, WeightsFile
from co3d_bench.bench.record.predictions import read_predictions
from co3d_bench.bench.run.processes import evaluation_job
from co3d_bench.bench.run.ready import settings_of
from co3d_bench.bench.stats.scores import Scores

from .test_drops import watched

SAMPLING = sampling_of(moving.SPECS["clip"], None, None)


@pytest.fixture(autouse=True)
def _decoded_here(request, monkeypatch):
    """Without processes, which load torch each; one test has them."""
    if request.node.name != "test_the_same_answers_as_twenty_plain_lines[clip-eager-fp32-0.002]":
        monkeypatch.setattr(
            worker, "each_shown", lambda files, sampling, decoders: (show(each, sampling) for each in files)
        )


def plain(model, folder, dropped=lambda name, number: False):
    """(names of films, scores, labels), in float32 and without anything of ours but the network. `dropped`: of a film
    the n-th of those that are due."""
    net, found = moving.SPECS[model].build().eval(), []
    for label, name in enumerate(sorted(each.name for each in folder.iterdir())):
        for file in sorted((folder / name).iterdir()):
            with av.open(str(file)) as container:
                pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            last = len(pictures) - 1
            lost = partial(dropped, f"{name}/{file.name}")
            if model == "clip":  # every second of 30 frames a second, in the middle
                begin = max(0, (last - 14) / 2)
                due = [begin % 2 + 2 * number for number in range(len(pictures))]
                due = [math.floor(at + 0.5) for at in due if at <= min(last, begin + 14)]
                chosen = [at for number, at in enumerate(due) if not lost(number)][-8:]
                whole, least = len(chosen) == min(8, len(due)), 8
            else:
                due = list(range(0, last + 1, 2))
                chosen = [at for number, at in enumerate(due) if not lost(number)]
                whole, least = len(chosen) == len(due), math.ceil(0.8 * 8)
            chosen += [last if whole else chosen[-1]] * (least - len(chosen))
            x = torch.stack([torch.from_numpy(pictures[number]) for number in chosen]).permute(0, 3, 1, 2) / 255
            x = torch.nn.functional.interpolate(x, (32, 42), mode="bilinear", align_corners=False)[:, :, :, 5:37]
            x = ((x - 0.5) / 0.5).transpose(0, 1)[None]
            if model == "clip":
                scores = net(x)
            else:
                state = net.initial_state(1)
                for frame in x.unbind(2):
                    scores, state = net.step(frame, state)
            found.append((f"{name}/{file.name}", scores[0].detach().numpy(), label))
    return found


def jobs(folder, data, evaluate=None, source=None, **plan):
    table = {"plan": plan, "evaluate": {"data": str(data), **(evaluate or {})}, "run": {"out": str(folder)}}
    table["input"] = source or {}
    config = evaluation_config(make_config(table, Catalog(find_model=moving.SPECS.__getitem__)))
    planned = evaluation_plan(config, cross(config, PlanFacts(auto_threads=1)), films_of_config(config.evaluate))
    for case in planned.cases:
        yield Job(run_id="run-1", case=case, settings=settings_of(config), evaluation=evaluation_job(config))


def evaluated(folder, data, model, evaluate=None, source=None, **plan):
    """(the record's evaluation, its predictions)"""
    (job,) = jobs(folder, data, evaluate, source, models=[model], **plan)
    done = evaluate_case(job, lambda event: None, moving.SPECS.__getitem__)
    assert done.measurement
    assert done.measurement.evaluation
    run = done.measurement.evaluation
    return run, read_predictions(blobs_folder(folder), run.predictions)


@pytest.mark.parametrize(("model", "backend"), [("clip", "eager"), ("frames", "eager"), ("frames", "openvino")])
def test_dropped_frames_are_those_of_the_same_plain_lines(films, tmp_path, model, backend):
    draws = {}

    def dropped(name, number):  # each frame has a draw of its own, in order
        draw = draws.setdefault(name, (random.Random(f"3 {name}"), []))
        while len(draw[1]) <= number:
            draw[1].append(draw[0].random() < 0.3)
        return draw[1][number]

    run, found = evaluated(tmp_path, films, model, {"drop": "30%"}, {"seed": 3}, backends=[backend])
    want = plain(model, films, dropped)
    scores = np.stack([row for _, row, _ in want])
    np.testing.assert_allclose(found.scores, scores - scores.max(1, keepdims=True), atol=2e-3 * np.abs(scores).max())
    assert run.top1
    assert run.top1.value == sum(row.argmax() == label for _, row, label in want) / len(want)
    whole = np.stack([row for _, row, _ in plain(model, films)])
    assert (np.abs(scores - whole).max(1) > 0.005).sum() > 15  # most films lose something


def test_nothing_dropped_is_as_without_drops(films, tmp_path):
    run, _ = evaluated(tmp_path, films, "frames", {"limit": 5})
    none, _ = evaluated(tmp_path, films, "frames", {"limit": 5, "drop": "0%"})
    assert none.predictions == run.predictions


def test_the_drops_of_a_cameras_record_by_hand(films, tmp_path):
    pattern = [1, 1, 0, 0, 1, 1, 1, 0]
    watched(tmp_path / "board", pattern, case=Case(model="frames", threads=1))
    _, found = evaluated(tmp_path, films, "frames", {"drop": str(tmp_path / "board")}, backends=["eager"])

    def dropped(name, number):
        return not pattern[(random.Random(f"0 {name}").randrange(8) + number) % 8]

    scores = np.stack([row for _, row, _ in plain("frames", films, dropped)])
    np.testing.assert_allclose(found.scores, scores - scores.max(1, keepdims=True), atol=2e-3 * np.abs(scores).max())


def test_a_film_of_which_no_frame_arrives_has_no_answer_and_is_wrong(films, tmp_path):
    run, found = evaluated(tmp_path, films, "frames", {"drop": 0.9})
    lost = np.isnan(found.scores).any(1)
    assert 0 < lost.sum() < 30
    assert (run.scored, run.unanswered) == (30, lost.sum())
    assert run.top1
    assert run.top1.value == (found.scores[~lost].argmax(1) == found.labels[~lost]).sum() / 30


@pytest.mark.parametrize(
    ("model", "backend", "precision", "tolerance"),
    [
        ("clip", "eager", "fp32", 2e-3),
        ("frames", "eager", "fp32", 2e-3),
        ("clip", "eager", "bf16", 0.05),
        ("frames", "openvino", "fp32", 2e-3),
        pytest.param("clip", "openvino", "int8", 0.1, marks=pytest.mark.acceptance),
        pytest.param("frames", "onnxruntime", "int8", 0.1, marks=pytest.mark.acceptance),
    ],
)
def test_the_same_answers_as_twenty_plain_lines(films, tmp_path, model, backend, precision, tolerance):
    run, found = evaluated(tmp_path, films, model, backends=[backend], precisions=[precision])
    want = plain(model, films)
    assert found.films == tuple(name for name, _, _ in want)
    assert found.classes == moving.CLASSES
    assert found.labels.tolist() == [label for _, _, label in want]
    scores = np.stack([row for _, row, _ in want])
    np.testing.assert_allclose(
        found.scores, scores - scores.max(1, keepdims=True), atol=tolerance * np.abs(scores).max()
    )
    hits = sum(row.argmax() == label for _, row, label in want)
    assert run.top1
    if precision == "fp32":
        assert run.top1.value == hits / len(want)
    assert 0.5 < hits / len(want) < 1  # some films are hard, so that a wrong answer would show
    # The record's figures are those of its predictions.
    assert {name: getattr(run, name) for name in Scores(found).figures()} == Scores(found).figures()


def test_no_single_frame_shows_the_class(films, tmp_path):
    """The same films a frame at a time: the network sees no motion, and is right by chance."""
    still = tmp_path / "still"
    for file in films.rglob("*.mp4"):
        with av.open(str(file)) as container:
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        moving.write_film(still / file.parent.name / file.name, [pictures[len(pictures) // 2]] * 20)
    run, _ = evaluated(tmp_path, still, "clip")
    assert run.top1
    assert run.top1.value < 0.4


def test_another_frame_rate_and_a_limit(films, tmp_path):
    run, found = evaluated(tmp_path, films, "frames", {"fps": 30, "limit": 10})
    assert run.asked == run.scored == 10
    assert {name.partition("/")[0] for name in found.films} == set(moving.CLASSES)
    half, _ = evaluated(tmp_path, films, "frames", {"limit": 10})
    assert run.predictions != half.predictions


def test_films_with_several_labels_have_a_mean_average_precision(films, tmp_path):
    """Charades' CSV: each film is of its own class, every third of another one as well, and one of none."""
    lines, truth, files = ["id,actions,length"], np.zeros((30, 157), bool), sorted(films.rglob("*.mp4"))
    for number, file in enumerate(files):
        name, own = f"F{number:04d}", moving.CLASSES.index(file.parent.name)
        (tmp_path / f"{name}.mp4").write_bytes(file.read_bytes())
        labels = [] if number == 7 else [own, (own + 1) % 5] if number % 3 == 0 else [own]
        truth[number, labels] = True
        lines.append(f"{name},{';'.join(f'c{label:03d} 0.00 1.00' for label in labels)},1.00")
    (tmp_path / "test.csv").write_text("\n".join(lines))
    run, found = evaluated(tmp_path / "results", tmp_path / "test.csv", "many")
    assert (run.scored, run.classes, run.top1) == (30, 157, None)
    np.testing.assert_array_equal(found.labels, truth)
    precisions = []
    for label in range(5):  # nothing is of the other classes, which are left out
        order = np.argsort(-found.scores[:, label].astype(float), kind="stable")
        hits = truth[order, label]
        at = np.arange(1, 31)
        precisions.append((np.cumsum(hits) / at)[hits].mean())
    assert run.mean_ap
    assert run.mean_ap.value == pytest.approx(np.mean(precisions))
    assert 0.5 < run.mean_ap.value < 1


def test_films_that_cannot_be_decoded_are_named_and_the_rest_is_scored(films, tmp_path):
    data = tmp_path / "data"
    for name in ("up/0.mp4", "up/1.mp4", "down/0.mp4"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes((films / name).read_bytes() if "1" not in name else b"no film")
    (data / "left").mkdir()
    listed = tmp_path / "list.txt"
    cut = data / "left/0.mkv"  # two thirds of a film
    moving.write_film(cut, moving.pictures("left", 60, random.Random(0)))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    moving.write_film(data / "left/short.mp4", moving.pictures("left", 5, random.Random(1)))
    names = ("up/0.mp4 4", "up/1.mp4 4", "gone.mp4 1", "down/0.mp4 1", "left/0.mkv 2", "left/short.mp4 2")
    listed.write_text("".join(f"data/{name}\n" for name in names))
    run, found = evaluated(tmp_path, listed, "clip")
    assert (run.asked, run.scored, run.missing) == (5, 4, 1)
    assert [note.film for note in run.unreadable] == ["data/up/1.mp4"]
    assert [note.film for note in run.damaged] == ["data/left/0.mkv"]
    assert found.labels.tolist() == [4, 1, 2, 2]
    short = sum(isinstance(each := show(data / name.split()[0], SAMPLING), Shown) and each.padded for name in names)
    assert run.padded == short > 0
    assert 0 < run.network_s < run.duration_s
    assert 0 < run.waited_s < run.duration_s


def test_what_is_scored_is_not_scored_again(films, tmp_path, monkeypatch):
    """A process that is killed after some films: the next one shows only the others."""
    (job,) = jobs(tmp_path, films, models=["clip"])
    asked = []

    def each_shown(files, *more):
        asked.append(len(files))
        yield from real(files, *more)

    class Killed(BaseException):
        pass

    def dies(event):
        if event.phase == "scoring" and event.done == 12:
            raise Killed

    real = worker.each_shown
    monkeypatch.setattr(worker, "each_shown", each_shown)
    monkeypatch.setattr(worker, "seldom", lambda report, clock: report)
    with pytest.raises(Killed):
        evaluate_case(job, dies, moving.SPECS.__getitem__)
    done = evaluate_case(job, lambda event: None, moving.SPECS.__getitem__)
    assert asked == [30, 18]
    assert done.measurement
    assert done.measurement.evaluation
    again = evaluate_case(job.model_copy(update={"run_id": "run-2"}), lambda event: None, moving.SPECS.__getitem__)
    assert again.measurement
    assert again.measurement.evaluation
    assert again.measurement.evaluation.predictions == done.measurement.evaluation.predictions
    assert asked == [30, 18, 30]


def test_films_scored_by_other_weights_do_not_count(films, tmp_path):
    (job,) = jobs(tmp_path, films, models=["clip"])
    (other,) = jobs(tmp_path, films, {"fps": 10}, models=["clip"])
    assert identity(job) == identity(job.model_copy(update={"run_id": "run-2"}))
    weights = WeightsFile(path="a.pth", sha256="0" * 64)
    jobs_apart = job, other, job.model_copy(update={"weights": weights}), job.model_copy(update={"classes": 7})
    assert len({identity(each) for each in jobs_apart}) == 4


def test_an_engine_that_answers_otherwise_has_no_accuracy(films, tmp_path, monkeypatch):
    (job,) = jobs(tmp_path, films, models=["clip"])

    step = eager.EagerClip.step
    monkeypatch.setattr(eager.EagerClip, "step", lambda self, x: step(self, x) + torch.arange(5))
    done = evaluate_case(job, lambda event: None, moving.SPECS.__getitem__)
    assert done.measurement
    assert done.measurement.verification
    assert not done.measurement.verification.passed
    assert done.measurement.evaluation is None


def test_films_that_change_during_a_run_are_not_scored(films, tmp_path):
    data = tmp_path / "data"
    for name in moving.CLASSES:
        (data / name).mkdir(parents=True)
        (data / name / "0.mp4").write_bytes((films / name / "0.mp4").read_bytes())
    (job,) = jobs(tmp_path, data, models=["clip"])
    (data / "up/1.mp4").write_bytes(b"one more")
    with pytest.raises(UserError, match="changed during the run"):
        evaluate_case(job, lambda event: None, moving.SPECS.__getitem__)
