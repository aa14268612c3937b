"""What a host of a fleet does with films: say whether it can score them as the others do, and score some.

Both are called there by dask, in a process of `co3d-bench fleet worker`. The network runs in a fresh process of its
own, as it does everywhere; this one waits for it.
"""

from __future__ import annotations

import hashlib
import platform
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...devices.cgroup import oom_kills
from ..errors import NOT_HERE, UserError
from ..evaluate.journal import Scored
from ..evaluate.shards import Shard, ShardFilm, command
from ..evaluate.worker import Spent
from ..measure.job import Event, Job, job_line
from ..measure.video import sha256
from ..record.blobs import blobs_folder, write_blob
from ..record.environment import DISTRIBUTIONS, ROOT, installed_version
from ..record.failure import wrong_answer
from ..record.record import Failure
from ..run.child import Outcome, child_environment, run_child
from ..run.outcome import diagnose
from ..run.stop import Stop

if TYPE_CHECKING:
    from distributed import Client

_MOST_NAMED = 5
_ROOMS = ("bench", "cli", "devices", "models", "reports")
_CODE = (".py", ".cpp", ".in", ".toml")


PLUGIN = "co3d-bench-films"


@dataclass
class FilmHost:
    """Of a worker that scores films: their folder here, where it is another one, and how its process is stopped."""

    films: Path | None = None
    ending: bool = False
    _process: Stop | None = None  # of the order that runs

    def end(self) -> None:
        """Take no other order, and give back the one that runs."""
        self.ending = True
        self.stop_order()

    def stop_order(self) -> None:
        """End the process of the order that runs."""
        if self._process:
            self._process.request(signal.SIGTERM)

    @contextmanager
    def order(self) -> Iterator[Stop]:
        """While one runs: what stops its process."""
        with Stop() as self._process:
            if self.ending:
                self.stop_order()
            try:
                yield self._process
            finally:
                self._process = None

    def file(self, root: str, film: ShardFilm) -> Path:
        """Where a film lies here."""
        return Path(self.films or root, film.file)


@dataclass(frozen=True)
class Ask:
    """What a host must have to score films: the engines' distributions, the films, other files by their sha256."""

    engines: tuple[str, ...]
    root: str
    films: tuple[ShardFilm, ...]
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HostAnswer:
    """What a host is: its name, the facts that decide on scores, and what it lacks, for people."""

    host: str
    facts: Mapping[str, str]
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """Films for one host. `drops`: the blob of the camera's record whose drops the case names."""

    job: Job
    root: str
    films: tuple[ShardFilm, ...]
    several: bool
    topic: str
    drops: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """What came of an order: the films that are scored, whatever happened; None spent: not all of them are."""

    scored: tuple[Scored, ...]
    spent: Spent | None
    failure: Failure | None = None


def facts_of(engines: Sequence[str]) -> dict[str, str]:
    """What must be the same on all hosts for a film to have the same scores: our code, torch, what decodes, the
    engines."""
    import av

    named = {name: installed_version(name) for name in (*DISTRIBUTIONS, "distributed", *engines)}
    libraries = ", ".join(f"{name} {'.'.join(map(str, of))}" for name, of in sorted(av.library_versions.items()))
    return {
        **{name: version for name, version in named.items() if version is not None},
        "FFmpeg": libraries,
        "architecture": platform.machine(),
        "code of co3d-bench": code_digest(),
    }


def code_digest(root: Path = ROOT) -> str:
    """Names the text of all our files that are run: 12 digits in hex."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for file in sorted(each for each in (root / room).rglob("*") if each.suffix in _CODE):
            digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> tuple[str, ...]:
    """The facts of two hosts that are not the same, a line each."""
    names = sorted({*here, *there})
    differing = [name for name in names if here.get(name) != there.get(name)]
    return tuple(f"{name}: {there.get(name, 'not there')}, here {here.get(name, 'not there')}" for name in differing)


# What hosts that only reach boards must have alike: they hand each other our own objects, and export networks.
_OF_CODE = ("code of co3d-bench", "torch", "distributed")


def check_code(client: Client) -> None:
    """Raises UserError where a worker of a scheduler runs other code than this process, with what differs."""
    answers: Any = client.run(facts_of, (), on_error="return")
    here = facts_of(())
    wrong = [
        f"  {worker}: {line}"
        for worker, there in sorted(answers.items())
        if isinstance(there, dict)
        for line in differences(*({name: facts.get(name, "") for name in _OF_CODE} for facts in (here, there)))
    ]
    if wrong:
        raise UserError("\n".join(("workers run other code than this host; nothing was run:", *wrong)), NOT_HERE)


def check_host(ask: Ask, dask_worker: Any) -> HostAnswer | None:
    """Whether this host can score these films; None where its worker is not for films."""
    plugin = dask_worker.plugins.get(PLUGIN)
    if plugin is None or plugin.host.ending:
        return None
    host: FilmHost = plugin.host
    return HostAnswer(dask_worker.name, facts_of(ask.engines), lacks(ask, host))


def lacks(ask: Ask, host: FilmHost) -> tuple[str, ...]:
    """What of it is not here, a line each; of many films the first ones, and how many."""
    wrong = [f"{path}: not there" for path in ask.files if not Path(path).is_file()]
    wrong += [
        f"{path}: another file than on the host of `evaluate`"
        for path, known in ask.files.items()
        if known and Path(path).is_file() and sha256(Path(path)) != known
    ]
    films = [why for film in ask.films if (why := _film_lacks(film, host.file(ask.root, film)))]
    if len(films) > _MOST_NAMED:
        films[_MOST_NAMED:] = [f"and {len(films) - _MOST_NAMED} more of {len(ask.films)} films"]
    return (*wrong, *films)


def _film_lacks(film: ShardFilm, file: Path) -> str:
    try:
        size = file.stat().st_size
    except OSError as error:
        return f"film {file}: {error.strerror}"
    return "" if size == film.size else f"film {file}: {size:,} bytes, on the host of `evaluate` {film.size:,}"


def score_shard(order: Order) -> Answer:
    """Score these films in a fresh process. Each one that is done is sent at once under the order's topic."""
    from distributed import get_worker

    worker = get_worker()
    plugin: Any = worker.plugins[PLUGIN]
    host: FilmHost = plugin.host
    name = str(worker.name)
    with tempfile.TemporaryDirectory(prefix="co3d-bench-films-") as folder:
        job, file = _prepared(order, host, Path(folder))
        follow = _Follower(Path(folder, "journal.jsonl"), name)
        scored: list[Scored] = []

        def send() -> None:
            if new := follow.new():
                scored.extend(new)
                worker.log_event(order.topic, [each.model_dump_json() for each in new])

        def on_event(event: Event) -> None:
            send()
            if _unwanted(worker):
                host.stop_order()

        killed = oom_kills()
        with host.order() as stop:
            outcome = run_child(
                command(file),
                job_line(job),
                job.settings.timeout_s,
                stop=stop,
                on_event=on_event,
                environment=child_environment(job.case.threads),
            )
        send()
        spent = Path(folder, "spent.json")
        done = Spent.model_validate_json(spent.read_bytes()) if outcome.done and spent.exists() else None
        return Answer(tuple(scored), done, None if done else _failure(outcome, job, oom_kills() - killed))


def _unwanted(worker: Any) -> bool:
    """Whether nobody waits for the answer any more: dask lets a task that runs run on."""
    task = worker.state.tasks.get(worker.get_current_task())
    return task is None or task.state == "cancelled"


def _prepared(order: Order, host: FilmHost, folder: Path) -> tuple[Job, Path]:
    """The job as it is done here, and the file that names its films."""
    assert order.job.evaluation is not None  # noqa: S101 - it is of `evaluate`
    if order.drops is not None:
        write_blob(blobs_folder(folder), order.drops)
    given = order.job.evaluation.model_copy(update={"store": str(folder), "cameras": str(folder)})
    films = tuple(film.model_copy(update={"file": str(host.file(order.root, film))}) for film in order.films)
    shard = Shard(
        films=films,
        several=order.several,
        journal=str(folder / "journal.jsonl"),
        spent=str(folder / "spent.json"),
    )
    file = folder / "shard.json"
    file.write_text(shard.model_dump_json())
    return order.job.model_copy(update={"evaluation": given}), file


def _failure(outcome: Outcome, job: Job, killed: int) -> Failure | None:
    """Why not all films are scored; None where this host was asked to end."""
    if outcome.stopped:
        return None
    measured = outcome.measurement
    wrong = wrong_answer(measured.verification) if measured.verification else None
    reported = outcome.final.failure if outcome.final else None
    return wrong or reported or diagnose(outcome, job.settings.timeout_s, killed)


class _Follower:
    """Reads what a journal got since the last look, its first line aside."""

    def __init__(self, file: Path, host: str) -> None:
        self._file, self._host, self._read, self._begun = file, host, 0, False

    def new(self) -> list[Scored]:
        """The films of the whole lines since then, with the host that scored them."""
        try:
            with self._file.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        lines = data[: data.rfind(b"\n") + 1].splitlines()
        self._read += data.rfind(b"\n") + 1
        if lines and not self._begun:
            self._begun, lines = True, lines[1:]
        return [Scored.model_validate_json(line).model_copy(update={"host": self._host}) for line in lines]


def host_name() -> str:
    """Of this machine, as a person knows it."""
    return socket.gethostname() or "host"


def folder_of_films(given: Path | None) -> Path | None:
    """The folder that a person names. Raises UserError where it is none."""
    if given is not None and not given.is_dir():
        raise UserError(f"--films {given}: not a folder")
    return given and given.absolute()
