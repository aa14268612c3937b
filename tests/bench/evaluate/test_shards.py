"""Films in parts, each scored by a process that knows of no other: the same predictions, byte by byte."""

import shutil
from pathlib import Path

import moving
import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.evaluate import worker
from co3d_bench.bench.evaluate.data import read_data
from co3d_bench.bench.evaluate.drops import drops_of
from co3d_bench.bench.evaluate.films import show
from co3d_bench.bench.evaluate.journal import Journal, journal_file
from co3d_bench.bench.evaluate.shards import Shard, films_root, shard_case, shard_films
from co3d_bench.bench.evaluate.worker import Spent, evaluate_case, identity
from co3d_bench.bench.fleet.film_host import FilmHost, Order, _Follower, _prepared
from co3d_bench.bench.fleet.films import Ended, _drops, ask_of, distribute
from co3d_bench.bench.measure.job import EvaluationJob, Job
from co3d_bench.bench.record.case import Case, Drop, EvaluationSetup
from co3d_bench.bench.record.record import Settings
from co3d_bench.bench.record.store import read_records

from .test_drops import watched
from .test_known_truth import jobs


@pytest.fixture(autouse=True)
def _decoded_here(monkeypatch):
    """Without processes, which load torch each."""
    monkeypatch.setattr(
        worker, "each_shown", lambda files, sampling, decoders: (show(each, sampling) for each in files)
    )


class HostsHere:
    """Two hosts, both this one: films in other folders, journals of their own, and orders as dask carries them."""

    def __init__(self, given, folder, roots):
        self.given, self.folder, self.roots, self.orders, self.parts = given, folder, roots, {}, 0
        self.ask = ask_of(given.job, given.data, given.left)
        self.film = dict(zip(given.left, self.ask.films, strict=True))

    def idle(self):
        return [host for host in self.roots if host not in self.orders]

    def give(self, host, positions):
        self.orders[host] = positions

    def wait(self):
        host, positions = self.orders.popitem()
        self.parts += 1
        folder = self.folder / str(self.parts)
        folder.mkdir(parents=True)
        films = tuple(self.film[position] for position in positions)
        several = self.given.data.several
        job, file = _prepared(
            Order(self.given.job, self.ask.root, films, several, "topic"), FilmHost(self.roots[host]), folder
        )
        shard = Shard.model_validate_json(file.read_bytes())
        done = shard_case(job, lambda event: None, shard, moving.SPECS.__getitem__)
        assert done.event == "done"
        scored = _Follower(Path(shard.journal), host).new()
        return [Ended(host, tuple(scored), Spent.model_validate_json(Path(shard.spent).read_bytes()))]


def by_two_hosts(job, folder, roots, seen=None):
    """The record's evaluation, its films scored by hosts whose films lie there."""

    def score(given, network):
        hosts = HostsHere(given, folder, roots)
        spent = distribute(given.left, hosts, given.take)
        if seen is not None:
            seen.append((given, hosts.parts))
        return spent

    done = evaluate_case(job, lambda event: None, moving.SPECS.__getitem__, score)
    assert done.measurement
    assert done.measurement.evaluation
    return done.measurement.evaluation


def alone(job):
    done = evaluate_case(job, lambda event: None, moving.SPECS.__getitem__)
    assert done.measurement
    assert done.measurement.evaluation
    return done.measurement.evaluation


@pytest.mark.parametrize(
    ("model", "evaluate"), [("frames", {}), ("clip", {"drop": "30%"}), ("clip", {"limit": 7})], ids=str
)
def test_two_hosts_have_the_predictions_of_one_byte_by_byte(films, tmp_path, model, evaluate):
    elsewhere = shutil.copytree(films, tmp_path / "elsewhere")
    (job,) = jobs(tmp_path / "one", films, evaluate, models=[model], backends=["eager"])
    (again,) = jobs(tmp_path / "two", films, evaluate, models=[model], backends=["eager"])
    one, two = alone(job), by_two_hosts(again, tmp_path / "work", {"a": None, "b": elsewhere})
    assert two.predictions == one.predictions
    assert (two.top1, two.mean_class, two.scored, two.padded) == (one.top1, one.mean_class, one.scored, one.padded)
    assert sum(host.films for host in two.hosts) == one.asked
    assert {host.host for host in two.hosts} == {"a", "b"}
    assert one.hosts == ()
    assert two.decoders == 2 * one.decoders


def test_a_film_that_one_host_cannot_decode_is_the_same_film_for_all(films, tmp_path):
    data = shutil.copytree(films, tmp_path / "films")
    broken = sorted(data.rglob("*.mp4"))[3]
    broken.write_bytes(b"no film")
    (job,) = jobs(tmp_path / "one", data, models=["clip"], backends=["eager"])
    (again,) = jobs(tmp_path / "two", data, models=["clip"], backends=["eager"])
    one, two = alone(job), by_two_hosts(again, tmp_path / "work", {"a": None, "b": None})
    assert [note.film for note in two.unreadable] == [str(broken.relative_to(data))]
    assert (two.predictions, two.unreadable) == (one.predictions, one.unreadable)


def test_what_is_in_the_journal_is_asked_of_no_host(films, tmp_path):
    (job,) = jobs(tmp_path / "one", films, models=["clip"], backends=["eager"])
    (again,) = jobs(tmp_path / "two", films, models=["clip"], backends=["eager"])
    one, seen = alone(job), []
    earlier = Journal(journal_file(job.evaluation.store, job.run_id, job.case), identity(job)).read()
    journal = Journal(journal_file(again.evaluation.store, again.run_id, again.case), identity(again))
    journal.begin()
    for film in range(0, 30, 2):
        journal.add(earlier[film])
    two = by_two_hosts(again, tmp_path / "work", {"a": None, "b": None}, seen)
    assert list(seen[0][0].left) == list(range(1, 30, 2))
    assert two.predictions == one.predictions
    assert sum(host.films for host in two.hosts) == 30  # this host's own among them


def test_the_drops_of_a_cameras_record_travel_with_the_order(tmp_path):
    watched(tmp_path / "board", [1, 0, 1, 1])
    times = read_records(tmp_path / "board")[-1].camera.times
    drop = Drop(share=0.25, seed=0, times=times)
    case = Case(model="frames", threads=1, evaluation=EvaluationSetup(data="x", films=1, sha256="0" * 12, drop=drop))
    given = EvaluationJob(data=str(tmp_path), cameras=str(tmp_path / "board"), store=str(tmp_path / "store"))
    job = Job(run_id="run", case=case, settings=Settings(runs=1, timeout_s=1.0), evaluation=given)
    (tmp_path / "there").mkdir()
    there, _ = _prepared(Order(job, "/", (), False, "topic", _drops(job)), FilmHost(), tmp_path / "there")
    names = {Path("/a"): "a"}
    here, sent = (drops_of(drop, names, each.evaluation.cameras) for each in (job, there))
    assert here
    assert sent == here
    assert here.record.answered == (True, False, True, True)


def test_films_are_named_below_their_folder_and_by_their_path_outside(films, tmp_path):
    inside = sorted(films.rglob("*.mp4"))[0]
    outside = shutil.copy(inside, tmp_path / "own.mp4")
    listed = tmp_path / "list.txt"
    listed.write_text(f"{inside.relative_to(films)} 0\n{outside} 1\n")
    given = EvaluationJob(data=str(listed), films=str(films), store=str(tmp_path))
    data = read_data(listed, films)
    found = shard_films(data, films_root(given), (0, 1))
    assert [each.file for each in found] == [str(inside.relative_to(films)), str(outside)]
    assert [each.size for each in found] == [inside.stat().st_size] * 2
    assert films_root(EvaluationJob(data=str(films), store="")) == films
    assert films_root(EvaluationJob(data=str(listed), store="")) == tmp_path


def test_films_that_nobody_can_decode_are_an_error_as_on_one_host(films, tmp_path):
    data = tmp_path / "films"
    (data / "up").mkdir(parents=True)
    (data / "up/0.mp4").write_bytes(b"no film")
    (data / "down").mkdir()
    (data / "down/0.mp4").write_bytes(b"neither")
    for name in ("left", "right", "round"):
        (data / name).mkdir()
    (job,) = jobs(tmp_path / "one", data, models=["clip"], backends=["eager"])
    with pytest.raises(UserError, match="none of 2 films can be decoded"):
        by_two_hosts(job, tmp_path / "work", {"a": None})
