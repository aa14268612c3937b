"""The process that has a case's films scored by hosts: `python -m co3d_bench.bench.fleet.films URL [TLS]`.

It is the process of `evaluate` in all but who shows the films to a network: journal, figures and record are made here.
A host takes one part of the films after another, and sends each score at once; a film whose score is in the journal is
done. What a host that is lost has not sent goes to the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import secrets
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...devices.own_path import python_command
from ..errors import NOT_HERE, NOTHING, UserError
from ..evaluate.data import Data
from ..evaluate.journal import Scored
from ..evaluate.shards import films_root, shard_films
from ..evaluate.worker import Network, Spent, ToScore, evaluate_case
from ..measure.job import Event, Job, phase_event
from ..measure.passes import Emit
from ..measure.worker import serve
from ..plan.plan import Plan
from ..plan.resolve import Resolved
from ..plan.weights import find_weights
from ..record.blobs import blobs_folder, read_blob
from ..run.processes import evaluation_job
from .cluster import Fleet, open_cluster
from .film_host import Answer, Ask, HostAnswer, Order, check_host, differences, facts_of, score_shard
from .security import SchedulerAddress, parse_address, reached_by

if TYPE_CHECKING:
    from distributed import Client

# On average: the faster ones take more, and at the end none waits long for another. Each part is a fresh process, which
# has the network to load.
PARTS_OF_A_HOST = 3
LOST = "was lost"
_LOOK_S = 1.0  # between two looks at which hosts are there


class NoHostsError(Exception):
    """Nobody is left to score films. The message says why."""


@dataclass(frozen=True)
class Ended:
    """A host has ended an order; `why`: it did not do all of it, and gets no other one."""

    host: str
    scored: tuple[Scored, ...] = ()
    spent: Spent | None = None
    why: str = ""


class Hosts(Protocol):
    """Hosts that score films."""

    def idle(self) -> Sequence[str]:
        """Those that could take an order now; their number is not the same for ever."""
        ...

    def give(self, host: str, positions: Sequence[int]) -> None:
        """Have it score these films."""
        ...

    def wait(self) -> Sequence[Scored | Ended]:
        """What came meanwhile, after a short while at most."""
        ...


def parts_of(positions: Sequence[int], hosts: int) -> list[Sequence[int]]:
    """Films that lie side by side, in parts of one size, the last one aside."""
    size = max(1, -(-len(positions) // (PARTS_OF_A_HOST * max(1, hosts))))
    return [positions[begin : begin + size] for begin in range(0, len(positions), size)]


def distribute(left: Sequence[int], hosts: Hosts, take: Callable[[Scored], None]) -> Spent:
    """Have each film scored and taken once. Raises NoHostsError once no host is left that could."""
    open_films = set(left)
    waiting = deque(parts_of(left, len(hosts.idle())))
    given: dict[str, Sequence[int]] = {}
    network_s, waited_s, decoders, lost = 0.0, 0.0, dict[str, int](), list[str]()

    def taken(scored: Scored) -> None:
        if scored.film in open_films:
            open_films.remove(scored.film)
            take(scored)

    while open_films or given:  # the last ones have yet to say what it took
        for host in hosts.idle():
            if host not in given and waiting:
                given[host] = waiting.popleft()
                hosts.give(host, given[host])
        if not given:
            raise NoHostsError("; ".join(lost) or "none is there")
        for event in hosts.wait():
            if isinstance(event, Scored):
                taken(event)
                continue
            for scored in event.scored:
                taken(scored)
            if event.spent:
                network_s, waited_s = network_s + event.spent.network_s, waited_s + event.spent.waited_s
                decoders[event.host] = event.spent.decoders
            if event.why:
                lost.append(f"{event.host} {event.why}")
            if rest := [film for film in given.pop(event.host, ()) if film in open_films]:
                waiting.appendleft(rest)
    notes = tuple(f"host {each}; what it had not scored, others did" for each in lost)
    return Spent(network_s=network_s, waited_s=waited_s, decoders=sum(decoders.values()), notes=notes)


@dataclass
class DaskHosts:
    """Hosts by way of dask: the workers of a scheduler that are for films, and that have what it takes."""

    client: Client
    ask: Ask
    order: Callable[[Sequence[int]], Order]
    report: Callable[[str], None]
    _names: dict[str, str | None] = field(default_factory=dict)  # by address; None: gets no orders
    _running: dict[str, Any] = field(default_factory=dict)  # by name: dask's future
    _events: queue.SimpleQueue[Scored | Ended] = field(default_factory=queue.SimpleQueue)

    def listen(self, topic: str) -> None:
        """Take the scores that hosts send under that topic."""

        def on_event(event: tuple[float, Any]) -> None:
            for line in event[1]:
                self._events.put(Scored.model_validate_json(line))

        self.client.subscribe_topic(topic, on_event)

    def idle(self) -> Sequence[str]:
        threads: Any = self.client.nthreads()
        there = set(threads)
        for address in self._names.keys() - there:
            self._lose(address)
        if new := [address for address in there if address not in self._names]:
            for address, answer in ask_hosts(self.client, self.ask, new).items():
                wrong = () if answer is None else problems(answer, self.ask)
                self._names[address] = answer.host if answer and not wrong else None
                if answer and wrong:
                    self.report(f"host {answer.host} gets no films: {wrong[0]}")
        return [name for name in self._names.values() if name and name not in self._running]

    def give(self, host: str, positions: Sequence[int]) -> None:
        address = next(address for address, name in self._names.items() if name == host)
        future = self.client.submit(
            score_shard, self.order(positions), workers=[address], allow_other_workers=False, pure=False
        )
        self._running[host] = future
        future.add_done_callback(lambda done: self._events.put(_ended(host, done)))

    def wait(self) -> Sequence[Scored | Ended]:
        found: list[Scored | Ended] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._events.get(timeout=_LOOK_S))
            while True:
                found.append(self._events.get_nowait())
        for event in found:
            if isinstance(event, Ended):
                self._running.pop(event.host, None)
                if event.why:
                    self._names |= {address: None for address, name in self._names.items() if name == event.host}
        return found

    def _lose(self, address: str) -> None:
        """A worker is gone; dask would wait for it to come back."""
        name = self._names.pop(address)
        if name and (future := self._running.get(name)):
            self.report(f"host {name} {LOST}")
            future.cancel()  # which ends the order, as `_ended` has it


def _ended(host: str, future: Any) -> Ended:
    """What a finished future says. Called in a thread of dask's."""
    from distributed.scheduler import KilledWorker

    if future.status != "finished":
        error = None if future.status in ("cancelled", "lost") else future.exception()
        return Ended(host, why=f"failed: {error}" if error and not isinstance(error, KilledWorker) else LOST)
    answer: Answer = future.result()
    if answer.spent:
        return Ended(host, answer.scored, answer.spent)
    return Ended(host, answer.scored, why=f"failed: {answer.failure.message}" if answer.failure else "was ended")


def ask_hosts(client: Client, ask: Ask, workers: Sequence[str] | None = None) -> dict[str, HostAnswer | None]:
    """What each worker answers; None for one that is not for films, or that was lost meanwhile."""
    answers: Any = client.run(check_host, ask, workers=list(workers) if workers else None, on_error="return")
    return {each: answer if isinstance(answer, HostAnswer) else None for each, answer in answers.items()}


def problems(answer: HostAnswer, ask: Ask) -> tuple[str, ...]:
    """Why this host cannot score the films as this one would, a line each."""
    return (*differences(facts_of(ask.engines), answer.facts), *answer.lacks)


def check_hosts(named: SchedulerAddress, ask: Ask) -> tuple[str, ...]:
    """The names of the hosts that will score. Raises UserError where there is none, or one that cannot."""
    with client_of(named) as client:
        answers = [answer for answer in ask_hosts(client, ask).values() if answer]
    if not answers:
        raise UserError(
            f"{named.url}: no host is there to score films; start `co3d-bench fleet worker {named.url}` on each; "
            "nothing was run",
            NOTHING,
        )
    wrong = [f"  {answer.host}: {line}" for answer in answers for line in problems(answer, ask)]
    if wrong:
        raise UserError(
            "\n".join(
                (
                    "a film must have the same scores on every host, so all need the same films and versions:",
                    *wrong,
                    "nothing was run; make them alike, or end the workers of those hosts (where films lie elsewhere: "
                    "`fleet worker --films FOLDER`)",
                )
            ),
            NOT_HERE,
        )
    return tuple(sorted(answer.host for answer in answers))


@contextmanager
def client_of(named: SchedulerAddress) -> Iterator[Client]:
    """A client of that scheduler. Raises UserError where it is not reached."""
    with open_cluster(Fleet(()), scheduler=reached_by(named)) as client:
        yield client


def files_of(*files: tuple[str | None, str]) -> Mapping[str, str]:
    """Paths that hosts must have too, with the sha256 of their text where it is known."""
    return {path: known for path, known in files if path}


def ask_of(job: Job, data: Data, left: Sequence[int]) -> Ask:
    """What hosts must have for a job's films."""
    assert job.evaluation is not None  # noqa: S101 - it is of `evaluate`
    root = films_root(job.evaluation)
    weights = (job.weights.path, job.weights.sha256) if job.weights else (None, "")
    code = job.own.reference.rpartition(":")[0] if job.own else None
    files = files_of(weights, (code, ""), (job.video, ""))
    return Ask((job.case.backend,), str(root), shard_films(data, root, left), files)


def ask_of_run(config: Resolved, plan: Plan, data: Data) -> Ask:
    """What hosts must have for the films of a run's cases. Raises UserError."""
    given = evaluation_job(config)
    root = films_root(given)
    weights = [(file.path, file.sha256) for file in find_weights(config).values()]
    codes = [(model.reference.rpartition(":")[0], "") for model in config.custom.values()]
    video = str(Path(config.input.file).absolute()) if config.input.file else None
    engines = tuple(dict.fromkeys(case.backend for case in plan.cases))
    films = shard_films(data, root, range(len(data.films)))
    return Ask(engines, str(root), films, files_of(*weights, *codes, (video, "")))


def score_on(client: Client, emit: Emit, given: ToScore, network: Network) -> Spent:
    """Have films scored by the hosts of a scheduler. Raises NoHostsError."""
    ask = ask_of(given.job, given.data, given.left)
    film_of = dict(zip(given.left, ask.films, strict=True))
    topic = f"films-{secrets.token_hex(8)}"
    drops = _drops(given.job)

    def order(positions: Sequence[int]) -> Order:
        films = tuple(film_of[position] for position in positions)
        return Order(given.job, ask.root, films, given.data.several, topic, drops)

    hosts = DaskHosts(client, ask, order, lambda text: emit(phase_event(text)))
    hosts.listen(topic)
    try:
        return distribute(given.left, hosts, given.take)
    except (OSError, asyncio.TimeoutError) as error:  # the latter is a class of its own in 3.10
        raise NoHostsError(f"the scheduler is lost: {error}") from error


def _drops(job: Job) -> bytes | None:
    """The blob of a camera's record, where the case names its drops."""
    drop = job.case.evaluation.drop if job.case.evaluation else None
    if drop is None or drop.times is None or job.evaluation is None:
        return None
    return read_blob(blobs_folder(job.evaluation.cameras or ""), drop.times)


def scoring_command(named: SchedulerAddress) -> list[str]:
    """The process of a case whose films the hosts of that scheduler score."""
    certificates = (str(named.certificates.absolute()),) if named.certificates else ()
    return python_command("-m", "co3d_bench.bench.fleet.films", named.url, *certificates)


def main(url: str, certificates: str | None = None) -> int:
    """Do the job on standard input."""
    named = parse_address(url, Path(certificates) if certificates else None)

    def work(job: Job, emit: Emit) -> Event:
        def score(given: ToScore, network: Network) -> Spent:
            if not given.left:
                return Spent(network_s=0.0, waited_s=0.0, decoders=0)
            with client_of(named) as client:
                return score_on(client, emit, given, network)

        try:
            return evaluate_case(job, emit, score=score)
        except NoHostsError as error:
            return Event(event="lost", phase=f"no host of the fleet is left ({error})")

    return serve(work)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
