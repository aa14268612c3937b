"""`transient` beside plain lines that do the same, on films and networks whose truth is known."""

import math
import random
from dataclasses import replace
from functools import partial

import av
import moving
import numpy as np
import pytest
import torch

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.evaluate import transient, worker
from co3d_bench.bench.evaluate.films import show
from co3d_bench.bench.evaluate.scenes import film_scenes, moving_scene
from co3d_bench.bench.evaluate.starts import films_of_transient, transient_config, transient_plan
from co3d_bench.bench.evaluate.transient import before_start, extent_of, partners_of, relative_errors, transient_case
from co3d_bench.bench.measure.job import PREPARING, Job, TransientJob
from co3d_bench.bench.measure.passes import load
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.plan import PlanFacts
from co3d_bench.bench.plan.plan import plan as cross
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.bench.record.blobs import blobs_folder
from co3d_bench.bench.record.case import TransientSetup
from co3d_bench.bench.record.transient_answers import Answers, read_transient, write_transient
from co3d_bench.bench.run.processes import evaluation_job
from co3d_bench.bench.run.ready import settings_of
from co3d_bench.bench.stats.transient import curve_of
from co3d_bench.models.zoo import find_model

STARTS = ("zeros", "replicate", "cut")


@pytest.fixture(autouse=True)
def _decoded_here(monkeypatch):
    """Without processes, which load torch each: the tests of `evaluate` have them."""
    monkeypatch.setattr(
        transient, "each_shown", lambda files, sampling, decoders: (show(each, sampling) for each in files)
    )


def small_cox3d():
    """The zoo's network with every layer and delay, on pictures so small that it is quick."""
    spec = find_model("cox3d-s-2")

    def build():
        net = spec.build()
        net.input_shape = (3, 16, 16)
        return net

    return replace(spec, name="cox3d", input_shape=(3, 16, 16), build=build)


SPECS = {**moving.SPECS, "cox3d": small_cox3d()}


def configured(folder, data=None, video=None, evaluate=None, **tables):
    given = {"evaluate": {**({"data": str(data)} if data else {}), **(evaluate or {})}, "run": {"out": str(folder)}}
    given |= {"input": {"kind": "video", "file": str(video)}} if video else {}
    return transient_config(make_config({**given, **tables}, Catalog(find_model=SPECS.__getitem__)))


def jobs(folder, model, data=None, video=None, **start):
    config = configured(folder, data, video, plan={"models": [model]}, transient=start)
    facts = PlanFacts(auto_threads=1, video_sha256="0" * 64)
    for case in transient_plan(config, cross(config, facts), films_of_transient(config)).cases:
        yield Job(
            run_id="run-1",
            case=case,
            settings=settings_of(config),
            evaluation=evaluation_job(config) if data else None,
            transient=TransientJob(store=str(folder)),
            video=str(video) if video else None,
        )


def measured(job, emit=lambda event: None):
    """(the record's curve, the answers it is of)"""
    done = transient_case(job, emit, SPECS.__getitem__)
    assert done.measurement
    run = done.measurement.transient
    assert run
    found = read_transient(blobs_folder(job.transient.store), run.answers)
    assert run.curve == curve_of(run.measure, found.values)  # a function of the blob alone
    assert (run.shown, len(run.curve)) == found.values.shape
    return run, found


def frames_of(file, count):
    """(count, 3, 32, 32): every second frame of the middle of a film, the last one again where it is short."""
    with av.open(str(file)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    last = len(pictures) - 1
    begin = max(0, (last - 2 * (count - 1)) / 2)
    chosen = [min(last, math.floor(begin + 2 * number + 0.5)) for number in range(count)]
    x = torch.stack([torch.from_numpy(pictures[number]) for number in chosen]).permute(0, 3, 1, 2) / 255
    return ((torch.nn.functional.interpolate(x, (32, 42), mode="bilinear", align_corners=False) - 0.5) / 0.5)[..., 5:37]


def plain(films, start, count=10):
    """(films, frames): whether each answer is right, in float32 and without anything of ours but the network."""
    files = sorted(films.rglob("*.mp4"))
    label = [moving.CLASSES.index(file.parent.name) for file in files]
    net, found = moving.Frames().eval(), []
    for number, file in enumerate(files):
        shown = frames_of(file, count)
        before = {"zeros": [], "replicate": [shown[0]] * 8, "cut": []}[start]
        if start == "cut":  # the two films as one: the other one's last frames, then this one
            other = next(n % 30 for n in range(number + 15, number + 45) if label[n % 30] != label[number])
            before = list(frames_of(files[other], 8))
        state, right = net.initial_state(1), []
        for frame in (*before, *shown):
            scores, state = net.step(frame[None], state)
            right.append(int(scores[0].half().argmax()) == label[number])
        found.append(right[-count:])
    return np.array(found)


@pytest.mark.parametrize("start", STARTS)
def test_the_same_answers_as_plain_lines(films, tmp_path, start):
    (job,) = jobs(tmp_path, "frames", films, start=[start])
    run, found = measured(job)
    right = plain(films, start)
    np.testing.assert_array_equal(found.values == 0, right)
    assert (run.start, run.measure, run.source, run.asked, run.shown) == (start, "top1", "films", 30, 30)
    assert [point.value for point in run.curve] == pytest.approx(right.mean(0))
    assert found.names[0] == "clockwise/0.mp4"
    assert run.padded  # of ten frames: the shortest films have five


@pytest.fixture(scope="session")
def long_films(tmp_path_factory):
    return moving.make_films(tmp_path_factory.mktemp("long") / "films", each=4, lengths=(40, 60))


def test_what_only_motion_shows_is_chance_before_there_was_any(long_films, tmp_path):
    """A frame alone, and that frame for ever, shows no motion; a state of zeros shows a jump. Filled, it is right."""
    curves = {}
    for job in jobs(tmp_path, "frames", long_films, start=list(STARTS), frames=12):
        run, _ = measured(job)
        assert not run.padded
        curves[run.start] = [point.value for point in run.curve]
    assert curves["replicate"][0] == 0.2
    assert curves["zeros"][0] <= 0.45
    assert curves["cut"][0] <= 0.3  # as the film before it
    steady = {start: curve[7:] for start, curve in curves.items()}  # eight frames were seen: the start is forgotten
    assert steady["zeros"] == steady["replicate"] == steady["cut"]
    assert min(steady["zeros"]) >= 0.75


def test_the_error_is_gone_once_the_receptive_field_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(transient, "SCENES", 1)
    monkeypatch.setattr(worker, "_COMPARE_S", 0.0)
    net = load(SPECS["cox3d"]).net
    filled = net.receptive_field
    (job,) = jobs(tmp_path, "cox3d", start=["zeros"])
    run, found = measured(job)
    assert (run.measure, run.source, run.asked) == ("error", "noise", None)
    assert len(run.curve) == math.ceil(1.25 * filled)
    assert (found.values[0, : filled - 1] > 0).all()
    assert (found.values[0, filled - 1 :] == 0).all()  # to the bit: both states hold the same
    assert found.values[0, net.delay] < 0.1 < found.values[0, net.delay // 2]
    # By hand, from the network's own states.
    scene = moving_scene((3, 16, 16), filled + len(run.curve), torch.Generator().manual_seed(0))
    with torch.inference_mode():
        _, long = net.steps(torch.stack(scene[:filled], 2), net.initial_state(1))
        short, errors = net.initial_state(1), []
        for frame in scene[filled:]:
            (right, long), (given, short) = net.step(frame, long), net.step(frame, short)
            errors.append(float((given - right).norm() / right.norm()))
    np.testing.assert_allclose(found.values[0], errors, atol=1e-5)


def test_repeating_the_first_frame_is_the_fill_of_section_3_6():
    net, frame = load(SPECS["cox3d"]).net, moving_scene((3, 16, 16), 1, torch.Generator().manual_seed(0))[0]
    extent = extent_of(net, TransientSetup(start="replicate"), "CoX3D", with_data=False)
    with torch.inference_mode():
        state = net.initial_state(1)
        for each in before_start(extent, [frame], ()):
            _, state = net.step(each, state)
        given, _ = net.step(frame, state)
        right, _ = net.step(frame, net.initial_state(1, fill="replicate", frame=frame))
    np.testing.assert_allclose(given, right, rtol=1e-4, atol=1e-6)


def test_a_film_gives_scenes_that_do_not_overlap(tmp_path):
    film = tmp_path / "film.mp4"
    moving.write_film(film, moving.pictures("right", 150, random.Random(0)))
    for job in jobs(tmp_path, "frames", video=film, start=["zeros", "cut"]):
        run, found = measured(job)
        assert run.source == "film.mp4"
        # 75 frames at 15 a second: four parts of 18. Before a cut there is one of them.
        assert run.shown == len(found.names) == (4 if run.start == "zeros" else 3)
        assert found.values[:, 7:].max() < 1e-5
        assert found.values[:, :7].max(0).min() > 1e-3
    spec = SPECS["frames"]
    parts = list(film_scenes(film, spec, 4, 18))
    assert [len(part) for part in parts] == [18] * 4
    assert len({float(part[0].sum()) for part in parts}) == 4
    with pytest.raises(UserError, match="75 frames at 15 a second, and a scene needs 80"):
        list(film_scenes(film, spec, 4, 80))
    (job,) = jobs(tmp_path, "frames", video=film, start=["cut"], frames=50)
    with pytest.raises(UserError, match="too short for a cut, which needs two scenes of 58 frames"):
        measured(job)


def test_what_is_wrong_before_the_engine_has_the_network_is_not_the_engines(films, tmp_path, monkeypatch):
    (job,) = jobs(tmp_path, "frames", films, start=["zeros"])
    phases = []
    measured(job, lambda event: phases.append(event.phase))
    assert phases.index("loading") < phases.index(PREPARING) < phases.index("verifying")
    phases.clear()
    monkeypatch.setattr(transient, "has_receptive_field", lambda net: False)
    with pytest.raises(UserError, match="its curve has no end"):
        measured(job, lambda event: phases.append(event.phase))
    assert phases == ["loading"]


def test_what_is_answered_is_not_answered_again(films, tmp_path, monkeypatch):
    """A process that is killed after some films: the next one shows only the others."""
    (job,) = jobs(tmp_path, "frames", films, start=["zeros"])
    asked = []

    def each_shown(files, *more):
        asked.append(len(files))
        yield from real(files, *more)

    class Killed(BaseException):
        pass

    def dies(event):
        if event.phase == "scoring" and event.done == 12:
            raise Killed

    real = transient.each_shown
    monkeypatch.setattr(transient, "each_shown", each_shown)
    monkeypatch.setattr(transient, "seldom", lambda report, clock: report)
    with pytest.raises(Killed):
        measured(job, dies)
    run, _ = measured(job)
    assert asked == [30, 18]
    assert run == measured(job.model_copy(update={"run_id": "run-2"}))[0].model_copy(
        update={"duration_s": run.duration_s, "network_s": run.network_s}
    )


def test_films_that_cannot_be_decoded_are_named(films, tmp_path):
    data = tmp_path / "data"
    for name in ("up/0.mp4", "up/1.mp4", "down/0.mp4"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes((films / name).read_bytes() if "1" not in name else b"no film")
    (tmp_path / "list.txt").write_text("data/up/1.mp4 4\ndata/up/0.mp4 4\ndata/down/0.mp4 1\n")
    (job,) = jobs(tmp_path, "frames", tmp_path / "list.txt", start=["cut"])
    run, found = measured(job)
    assert run.asked == 3
    # Half of the films away from the last one is the one that cannot be decoded.
    assert [note.film for note in run.unreadable] == ["data/up/1.mp4", "data/down/0.mp4"]
    assert run.unreadable[1].why.startswith("the film before the cut: ")
    assert found.names == ("data/up/0.mp4",)


def test_a_cut_leads_to_another_class():
    labels = [0, 0, 0, 1, 1, 2]
    found = partners_of(labels)
    assert all(labels[place] != label for place, label in zip(found, labels, strict=True))
    assert found[0] == 3
    with pytest.raises(UserError, match="all films are of one class"):
        partners_of([1, 1])


def test_what_has_no_start_is_refused(films, tmp_path):
    wrong = partial(configured, tmp_path)
    with pytest.raises(UserError, match=r"clip is a clip network: .* name a frame network"):
        wrong(plan={"models": ["clip"]})
    with pytest.raises(UserError, match=r"evaluate.fps, config: evaluate.limit: for films whose classes are known"):
        wrong(plan={"models": ["frames"]}, evaluate={"fps": 15, "limit": 3})
    with pytest.raises(UserError, match=r"transient.start\[0\] = 'ones': must be 'zeros', 'replicate' or 'cut'"):
        wrong(plan={"models": ["frames"]}, transient={"start": "ones"})
    csv = tmp_path / "charades.csv"
    (tmp_path / "F.mp4").write_bytes(b"")
    csv.write_text("id,actions,length\nF,c001 0 1,1\n")
    with pytest.raises(UserError, match="films have several labels each"):
        films_of_transient(wrong(csv, plan={"models": ["frames"]}))


def test_a_network_that_never_forgets_starts_from_zeros_on_films():
    ask = partial(extent_of, object(), title="Sums")
    assert ask(TransientSetup(start="zeros", frames=9), with_data=True).frames == 9
    for setup, data, why in (
        (TransientSetup(start="zeros"), True, "its curve has no end; give one by --frames"),
        (TransientSetup(start="zeros", frames=9), False, "it has no steady answer; give films by --data"),
        (TransientSetup(start="cut", frames=9), True, "give --start zeros"),
    ):
        with pytest.raises(UserError, match=f"Sums has no receptive field: it never forgets its start, .*{why}"):
            ask(setup, with_data=data)


def test_classes_that_do_not_fit_are_refused_before_anything_runs(tmp_path):
    (tmp_path / "data" / "only").mkdir(parents=True)
    (tmp_path / "data" / "only" / "1.mp4").write_bytes(b"no film")
    config = configured(tmp_path, tmp_path / "data", plan={"models": ["frames"]})
    with pytest.raises(UserError, match="data has 1 class"):
        transient_plan(config, cross(config, PlanFacts(auto_threads=1)), films_of_transient(config))


def test_an_error_that_says_nothing_is_refused():
    right = np.array([[3.0, 4.0], [0.0, 5.0]])
    assert relative_errors(np.array([[3.0, 4.0], [5.0, 5.0]]), right).tolist() == [0, 1]
    with pytest.raises(UserError, match="not finite"):
        relative_errors(np.array([[np.nan, 4.0], [0.0, 5.0]]), right)
    with pytest.raises(UserError, match="zero"):
        relative_errors(right, np.zeros((2, 2)))


def test_a_wrong_blob_is_named(tmp_path):
    for values in (np.zeros(3), np.zeros((2, 3), np.int8), -np.ones((2, 3)), np.full((2, 3), np.nan), np.zeros((1, 3))):
        name = write_transient(tmp_path, Answers(("a", "b"), values))
        with pytest.raises(UserError, match="holds no answers after a start"):
            read_transient(tmp_path, name)


def test_an_engine_that_answers_otherwise_has_no_curve(films, tmp_path, monkeypatch):
    (job,) = jobs(tmp_path, "frames", films, start=["zeros"])
    wrong = worker.compare

    def compare(*given, **more):
        return wrong(*given, **more).model_copy(update={"passed": False})

    monkeypatch.setattr(worker, "compare", compare)
    done = transient_case(job, lambda event: None, SPECS.__getitem__)
    assert done.measurement
    assert done.measurement.transient is None
