"""Who may talk to a scheduler, what a host must have, and who scores which film when hosts come and go."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from co3d_bench.bench.errors import ENVIRONMENT, NOT_HERE, USAGE, UserError
from co3d_bench.bench.evaluate.journal import Scored
from co3d_bench.bench.evaluate.shards import ShardFilm
from co3d_bench.bench.evaluate.worker import Spent
from co3d_bench.bench.fleet import film_host, hosts
from co3d_bench.bench.fleet.film_host import Ask, FilmHost, HostAnswer, check_host, differences, facts_of, lacks
from co3d_bench.bench.fleet.films import PARTS_OF_A_HOST, Ended, NoHostsError, distribute, parts_of, problems
from co3d_bench.bench.fleet.hosts import Offers, plugin_of, serve_worker
from co3d_bench.bench.fleet.security import (
    CA,
    CERTIFICATE,
    FILES,
    KEY,
    _check_own,
    make_certificates,
    parse_address,
    security,
)

pytestmark = pytest.mark.usefixtures("no_loop")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates") / "keys"
    assert make_certificates(folder)
    return folder


@pytest.mark.parametrize(
    ("text", "tls", "url"),
    [
        ("127.0.0.1", None, "tcp://127.0.0.1:8786"),
        ("tcp://localhost:1234", None, "tcp://localhost:1234"),
        ("[::1]:80", None, "tcp://[::1]:80"),
        ("tls://lab-1", "keys", "tls://lab-1:8786"),
        ("lab-1:99", "keys", "tls://lab-1:99"),
        ("10.1.2.3", "keys", "tls://10.1.2.3:8786"),
    ],
)
def test_a_scheduler_is_named_by_host_and_port(text, tls, url):
    assert parse_address(text, tls and Path(tls)).url == url


@pytest.mark.parametrize(
    ("text", "tls", "why"),
    [
        ("tcp://10.1.2.3:8786", None, "without TLS anybody on the way may run code"),
        ("10.1.2.3", None, "Give --tls FOLDER"),
        ("[fd00::2]:99", None, "`co3d-bench fleet scheduler tls://[fd00::2]:99 --tls FOLDER`"),
        ("0.0.0.0", None, "without TLS"),  # noqa: S104
        ("no-such-host.invalid", None, "without TLS"),
        ("tls://lab-1", None, "TLS needs its certificates; give --tls FOLDER (ca.pem, cert.pem, key.pem)"),
        ("tcp://127.0.0.1", "keys", "--tls and tcp:// exclude each other"),
        ("inproc://x", None, "not the address of a scheduler"),
        ("ucx://127.0.0.1", None, "not the address of a scheduler"),
        ("ws://127.0.0.1", "keys", "not the address of a scheduler"),
        ("lab-1:99999", "keys", "not the address of a scheduler"),
        ("user@lab-1", "keys", "not the address of a scheduler"),
        ("", None, "not the address of a scheduler"),
    ],
)
def test_nothing_but_loopback_and_tls(text, tls, why):
    with pytest.raises(UserError) as error:
        parse_address(text, tls and Path(tls))
    assert why in error.value.message
    assert error.value.exit_code == USAGE


def test_a_scheduler_with_certificates_listens_on_all_addresses_and_one_without_on_loopback():
    assert parse_address("tls://lab-1", Path("keys")).listens_on is None
    assert parse_address("tls://127.0.0.1", Path("keys")).listens_on == "127.0.0.1"
    assert parse_address("tls://[::1]", Path("keys")).listens_on == "[::1]"
    assert parse_address("localhost").listens_on == "localhost"


def test_a_scheduler_listens_at_an_address_of_ipv6():
    from distributed import Scheduler

    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")

    async def address() -> str:
        named, options = parse_address("[::1]"), {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
        async with Scheduler(protocol=named.scheme, host=named.listens_on, port=0, **options) as scheduler:
            return scheduler.address

    assert asyncio.run(address()).startswith("tcp://[::1]:")


def test_certificates_are_made_once_and_for_their_owner_alone(certificates):
    assert stat.S_IMODE(certificates.stat().st_mode) == 0o700
    assert stat.S_IMODE((certificates / KEY).stat().st_mode) == 0o600
    assert {file.name for file in certificates.iterdir()} == set(FILES)
    before = {name: (certificates / name).read_bytes() for name in FILES}
    assert not make_certificates(certificates)
    assert before == {name: (certificates / name).read_bytes() for name in FILES}
    found = security(parse_address("tls://lab-1", certificates))
    assert found
    assert found.require_encryption


def test_certificates_that_cannot_be_used_are_refused(certificates, tmp_path):
    address = parse_address("tls://lab-1", tmp_path)
    with pytest.raises(UserError, match=r"ca\.pem, cert\.pem, key\.pem missing") as error:
        security(address)
    assert error.value.exit_code == ENVIRONMENT
    for name in FILES:
        (tmp_path / name).write_bytes((certificates / name).read_bytes())
    (tmp_path / KEY).chmod(0o640)
    with pytest.raises(UserError, match=r"key\.pem: others may read it \(mode 640\).*chmod go= /"):
        security(address)
    (tmp_path / KEY).chmod(0o600)
    (tmp_path / CA).chmod(0o664)
    with pytest.raises(UserError, match=r"ca\.pem: others may change it \(mode 664\)"):
        security(address)
    (tmp_path / CA).chmod(0o644)
    (tmp_path / CERTIFICATE).write_text("no certificate")
    with pytest.raises(UserError, match="cannot be used"):
        security(address)


def test_a_set_of_ones_own_is_never_written_over(tmp_path):
    (tmp_path / CA).write_text("ours")
    assert not make_certificates(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [CA]


def test_certificates_lie_where_nobody_else_could_put_others(tmp_path):
    tmp_path.chmod(0o755)
    assert make_certificates(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755  # whose own folder it is, keeps it
    address = parse_address("tls://lab-1", tmp_path)
    assert security(address)
    tmp_path.chmod(0o777)
    with pytest.raises(UserError, match=r"others may change it \(mode 777\)"):
        security(address)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UserError, match=r"open: others may change it"):
        make_certificates(tmp_path / "open")
    assert not list((tmp_path / "open").iterdir())


def test_certificates_of_another_user_are_refused():
    anothers = SimpleNamespace(stat=lambda: SimpleNamespace(st_uid=os.geteuid() + 1, st_mode=0o600))
    with pytest.raises(UserError, match="is another user's, who could run code as you"):
        _check_own(anothers, 0o022)


def test_only_who_holds_the_certificates_reaches_a_scheduler(certificates, tmp_path):
    from distributed import Scheduler
    from distributed.comm import connect
    from distributed.security import Security

    others = tmp_path / "others"
    assert make_certificates(others)
    own = security(parse_address("tls://127.0.0.1", certificates))
    strangers = (security(parse_address("tls://127.0.0.1", others)), Security(require_encryption=False))

    async def reached(url: str, keys) -> bool:
        try:
            comm = await connect(url, timeout=1, **keys.get_connection_args("client"))
        except (OSError, TypeError, RuntimeError):
            return False
        await comm.close()
        return True

    async def tried() -> list[bool]:
        options = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
        async with Scheduler(protocol="tls", host="127.0.0.1", port=0, security=own, **options) as scheduler:
            plain = scheduler.address.replace("tls://", "tcp://")
            answers = [await reached(scheduler.address, keys) for keys in (own, *strangers)]
            return [*answers, await reached(plain, strangers[1])]

    assert asyncio.run(tried()) == [True, False, False, False]


def film(position, size=3):
    return ShardFilm(position=position, name=f"up/{position}.mp4", file=f"up/{position}.mp4", size=size)


def test_a_worker_without_a_scheduler_says_why_and_how_to_start_one(monkeypatch):
    monkeypatch.setattr(hosts, "_CONNECT_S", 0.5)
    message = r"tcp://127\.0\.0\.1:1: \S.*; start it with `co3d-bench fleet scheduler tcp:"
    with pytest.raises(UserError, match=message) as raised:
        serve_worker(parse_address("127.0.0.1:1"), Offers(), lambda name: None)
    assert raised.value.exit_code == NOT_HERE


def test_a_host_says_what_it_lacks_by_name_size_and_hash(tmp_path):
    (tmp_path / "up").mkdir()
    for position in range(2):
        (tmp_path / f"up/{position}.mp4").write_text("abc")
    weights = tmp_path / "w.pth"
    weights.write_text("weights")
    films = (film(0), film(1, size=4), film(2))
    ask = Ask(("eager",), "/elsewhere", films, {str(weights): "0" * 64, "/gone.pth": "", str(tmp_path / "up"): ""})
    assert lacks(ask, FilmHost(tmp_path)) == (
        "/gone.pth: not there",
        f"{tmp_path / 'up'}: not there",
        f"{weights}: another file than on the host of `evaluate`",
        f"film {tmp_path / 'up/1.mp4'}: 3 bytes, on the host of `evaluate` 4",
        f"film {tmp_path / 'up/2.mp4'}: No such file or directory",
    )
    assert lacks(Ask(("eager",), str(tmp_path), films[:1]), FilmHost()) == ()
    many = lacks(Ask((), str(tmp_path), tuple(film(number) for number in range(2, 20))), FilmHost())
    assert many[-1] == "and 13 more of 18 films"
    assert len(many) == 6


def test_hosts_whose_versions_differ_are_named():
    ask = Ask(("onnxruntime",), "/films", ())
    here = facts_of(ask.engines)
    assert {"torch", "av", "FFmpeg", "onnxruntime", "architecture", "code of co3d-bench"} <= set(here)
    assert problems(HostAnswer("b", here, ()), ask) == ()
    there = {**here, "torch": "1.0"}
    assert differences(here, there) == (f"torch: 1.0, here {here['torch']}",)
    del there["onnxruntime"]
    assert problems(HostAnswer("b", there, ("film x",)), ask) == (
        f"onnxruntime: not there, here {here['onnxruntime']}",
        f"torch: 1.0, here {here['torch']}",
        "film x",
    )


def test_workers_of_boards_run_the_same_code():
    here = facts_of(())
    answers = {"tls://b:1": {**here, "architecture": "aarch64", "av": "1"}, "tls://gone:1": OSError("gone")}
    client = SimpleNamespace(run=lambda function, engines, on_error: answers)
    film_host.check_code(client)
    answers["tls://c:1"] = {**here, "torch": "1.0"}
    with pytest.raises(UserError, match=r"other code than this host.*\n  tls://c:1: torch: 1\.0, here "):
        film_host.check_code(client)


def test_the_code_of_all_rooms_is_one_digest(tmp_path):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/a.py").write_text("1")
    first = film_host.code_digest(tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/b.py").write_text("2")
    assert film_host.code_digest(tmp_path) == first
    (tmp_path / "bench/a.py").write_text("3")
    assert film_host.code_digest(tmp_path) != first


def test_workers_that_are_not_for_films_and_those_that_end_are_not_asked():
    ask, host = Ask((), "/", ()), FilmHost()
    worker = SimpleNamespace(name="b", plugins={})
    assert check_host(ask, worker) is None
    plugin = plugin_of(host)
    worker.plugins[plugin.name] = plugin
    answer = check_host(ask, worker)
    assert answer
    assert answer.host == "b"
    with host.order() as stop:
        host.end()
        assert stop.signal
    assert check_host(ask, worker) is None
    with host.order() as stop:  # one that dask had still given to it
        assert stop.signal


class Lab:
    """Hosts that score a film a turn. `lost`: after so many films of an order; `late`: not there before that turn;
    `silent`: what they score comes with the answer alone; `spoils`: why they do not score at all."""

    def __init__(self, names, lost=None, late=None, silent=(), spoils=None):
        self.lost, self.late, self.silent, self.spoils = lost or {}, late or {}, silent, spoils or {}
        self.names, self.orders, self.scored, self.turn = list(names), {}, [], 0

    def idle(self):
        there = [name for name in self.names if self.turn >= self.late.get(name, 0)]
        return [name for name in there if name not in self.orders]

    def give(self, host, positions):
        assert host not in self.orders, "one order at a time"
        self.orders[host] = (list(positions), [])

    def wait(self):
        self.turn += 1
        events = []
        for host, (left, done) in list(self.orders.items()):
            if host in self.spoils or len(done) == self.lost.get(host, -1):
                del self.orders[host]
                self.names.remove(host)
                events.append(Ended(host, why=self.spoils.get(host, "was lost")))
                continue
            if left:
                scored = Scored(film=left.pop(0), host=host)
                done.append(scored)
                self.scored.append(scored.film)
                events += [] if host in self.silent else [scored]
            else:
                del self.orders[host]
                events.append(Ended(host, tuple(done), Spent(network_s=1.0, waited_s=0.5, decoders=2)))
        return events


def taken_by(lab, films=range(24)):
    taken = []
    spent = distribute(list(films), lab, lambda scored: taken.append(scored.film))
    return spent, taken


def test_parts_are_whole_stretches_of_the_films():
    parts = parts_of(list(range(100)), 2)
    assert [film for part in parts for film in part] == list(range(100))
    assert len(parts) == 2 * PARTS_OF_A_HOST
    assert parts_of([], 2) == []
    assert parts_of([3, 9], 0) == [[3], [9]]


def test_each_film_is_taken_once_and_seconds_are_summed():
    spent, taken = taken_by(Lab("ab"))
    assert sorted(taken) == list(range(24))
    assert spent.decoders == 4
    assert spent.network_s == 2 * PARTS_OF_A_HOST
    assert spent.notes == ()


def test_what_a_lost_host_has_not_sent_goes_to_the_others():
    lab = Lab("ab", lost={"b": 2})
    spent, taken = taken_by(lab)
    assert sorted(taken) == list(range(24))
    assert sorted(lab.scored) == list(range(24))  # what it had sent is not scored again
    assert spent.notes == ("host b was lost; what it had not scored, others did",)


def test_scores_that_were_not_sent_come_with_the_answer():
    _, taken = taken_by(Lab("ab", silent="ab"))
    assert sorted(taken) == list(range(24))


def test_what_two_hosts_scored_is_taken_once():
    lab = Lab("ab", lost={"b": 2}, silent="b")  # its scores were lost with it
    _, taken = taken_by(lab)
    assert sorted(taken) == list(range(24))
    assert len(lab.scored) == 26


def test_a_host_that_comes_late_takes_its_share():
    lab = Lab("ab", late={"b": 5})
    spent, taken = taken_by(lab)
    assert sorted(taken) == list(range(24))
    assert spent.decoders == 4


def test_without_hosts_it_ends_with_the_reasons_of_all():
    with pytest.raises(NoHostsError, match="none is there"):
        taken_by(Lab(""))
    with pytest.raises(NoHostsError, match="a failed: no compiler; b was lost"):
        taken_by(Lab("ab", lost={"b": 3}, spoils={"a": "failed: no compiler"}))
