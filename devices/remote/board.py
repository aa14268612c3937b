"""The host's side of `agent.py`: installs it on a board, runs cases there, follows them over lost connections.

A case is named by its job, so the same job is not begun twice, and one that was begun before the connection or this
process was lost is followed from its beginning.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from ..root import Reason, Snapshot
from .ssh import Done, TooMuch, Unreachable

AGENT = (Path(__file__).with_name("agent.py"), Path(__file__).parents[1] / "guard.py")
# Below the home folder of the board's user. The agent removes no folder elsewhere.
FOLDER = ".cache/co3d-bench/agent"
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")

Event = dict[str, Any]


class AgentError(Exception):
    """The board is reached, but something there is wrong; one line for people."""


class Transport(Protocol):
    """What a board is reached by: `ssh.Ssh`, or a stand-in in tests."""

    @property
    def host(self) -> str: ...

    def run(self, words: Sequence[str], stdin: str = "", timeout_s: float = 120.0) -> Done: ...

    def copy(self, files: Sequence[Path], folder: str, timeout_s: float = 1800.0) -> None: ...

    def lines(self, words: Sequence[str]) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Patience:
    """For how long a lost board is tried again, and the waits between the tries. Seconds."""

    first_s: float = 1.0
    most_s: float = 30.0
    all_s: float = 600.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class _Torch(BaseModel):
    """What `torch_facts` of the agent reports."""

    version: str | None = None
    cuda: str | None = None
    cudnn: int | None = None
    gpus: list[tuple[str, tuple[int, int]]] = []
    missing: str | None = None


class _HelloLine(BaseModel):
    """The agent's line `hello`."""

    machine: str
    torch: _Torch | None
    trtexec: str | None
    files: dict[str, str]
    unread: dict[str, Reason]
    here: list[str]


@dataclass(frozen=True)
class Hello:
    """A board, as its agent describes it."""

    machine: str
    snapshot: Snapshot
    torch: Mapping[str, Any]  # version, cuda, cudnn, gpus; or `missing`: why there is none
    trtexec: str | None  # what it prints for --help; None where it is not there, or was not asked for

    @property
    def torch_missing(self) -> str | None:
        """Why torch cannot be used there; None if it can."""
        return self.torch.get("missing")


@dataclass
class Board:
    """One run's folder on a board."""

    transport: Transport
    run_id: str
    python: str = "python3"
    patience: Patience = Patience()
    on_wait: Callable[[str], None] = lambda text: None  # called before each wait for a lost board
    # End a case of the same run that is not the one to be run: its host was killed, and nobody else follows it.
    takes_over: bool = False
    _there: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not _RUN.fullmatch(self.run_id):
            raise ValueError(f"{self.run_id!r} is no name for a folder on a board")

    @property
    def folder(self) -> str:
        return f"{FOLDER}/{self.run_id}"

    def open(self, scripts: Sequence[Path] = ()) -> None:
        """Make the folder and put the agent and what it runs into it. Raises Unreachable, AgentError."""
        made = self.transport.run(["mkdir", "-p", "-m", "700", self.folder])
        if made.returncode:
            raise AgentError(f"cannot make {self.folder}: {_last(made.stderr)}")
        self.transport.copy([*AGENT, *scripts], self.folder)

    def hello(self, patterns: Sequence[str] = (), *, torch: bool = False, trtexec: bool = False) -> Hello:
        """Who is there, with the system's files that match the patterns. Raises Unreachable, AgentError."""
        asked = {"patterns": list(patterns), "torch": torch, "trtexec": trtexec}
        try:
            answer = _HelloLine.model_validate(self._ask("hello", stdin=json.dumps(asked)))
        except ValidationError as error:
            raise AgentError(f"the answer there is no agent's: {_first(error)}") from None
        self._there.update(answer.here)
        return Hello(
            machine=answer.machine,
            snapshot=Snapshot(answer.files, answer.unread),
            torch=answer.torch.model_dump(exclude_unset=True) if answer.torch else {},
            trtexec=answer.trtexec,
        )

    def put(self, file: Path) -> str:
        """Bring a file there, whole, if it is not there yet; returns its name there. Raises Unreachable, AgentError."""
        name = _sha256(file) + file.suffix
        if name in self._there:
            return name
        part = file.with_name(f"{name}.part")
        part.unlink(missing_ok=True)
        part.hardlink_to(file)
        try:
            for _ in range(2):
                self.again(lambda: self.transport.copy([part], self.folder))
                if self.again(lambda: self._ask("finish_upload", name)).get("whole"):
                    self._there.add(name)
                    return name
        finally:
            part.unlink()
        raise AgentError(f"{file.name} arrives damaged, twice")

    def run(self, job: Mapping[str, Any], on_event: Callable[[Event], None]) -> Event:
        """Run a case, or follow one that was started before; returns its last event, `ended`.

        Raises Unreachable where the board stays away longer than `patience`, AgentError.
        """
        name = case_name(job)
        answer = self.again(lambda: self._ask("start", name, stdin=json.dumps(job)))
        if answer["event"] == "busy" and answer.get("run") == self.run_id and self.takes_over:
            self.again(self.remove_cases)
            answer = self.again(lambda: self._ask("start", name, stdin=json.dumps(job)))
        if answer["event"] == "busy":
            raise AgentError(self.busy_text(str(answer.get("run")), str(answer.get("since"))))
        return self._follow(name, on_event)

    def holder(self) -> tuple[str, str] | None:
        """The run whose case runs there, and since when; None where the board is free. Raises Unreachable,
        AgentError."""
        answer = self._ask("holder")
        return (str(answer["run"]), str(answer.get("since"))) if answer.get("run") else None

    def busy_text(self, run: str, since: str) -> str:
        """Which other run measures there, and how to end it."""
        end = shlex.join(["ssh", self.transport.host, self.python, f"{FOLDER}/{run}/agent.py", "clean"])
        return f"run {run} measures there since {since}; wait for it, or end it: {end}"

    def remove_cases(self) -> None:
        """End what runs there and remove all cases, once their records are kept: the same job may be run again."""
        self._ask("remove_cases")

    def clean(self) -> None:
        """End what runs there and remove the folder."""
        self._ask("clean")

    def _follow(self, name: str, on_event: Callable[[Event], None]) -> Event:
        offset = 0

        def read_events() -> Event:
            nonlocal offset
            begun = False
            for line in self.transport.lines(self._words("follow", name, str(offset))):
                event = _parsed(line)
                if event.get("event") == "error":
                    raise AgentError(str(event.get("message")))
                if not begun:  # what its shell prints is before this line
                    begun = event.get("event") == "from"
                    continue
                if event.get("event") == "ended":
                    return event
                offset += len(line)
                if event:
                    on_event(event)
            raise Unreachable("the connection ended in the middle")

        wait_s, since_s = self.patience.first_s, None
        while True:
            before = offset
            try:
                return read_events()
            except OSError as error:
                raise AgentError(f"the agent on the board has ended: {error}") from error
            except TooMuch as error:
                raise AgentError(str(error)) from error
            except Unreachable as error:
                if since_s is None or offset > before:  # it was there until now, even if it was silent for long
                    wait_s, since_s = self.patience.first_s, self.patience.clock()
                wait_s = self._wait(wait_s, since_s, error)

    def again(self, call: Callable[[], Any]) -> Any:
        """Call until the board is reached. Raises Unreachable where it is away for longer than our patience."""
        begin, wait_s = self.patience.clock(), self.patience.first_s
        while True:
            try:
                return call()
            except Unreachable as error:  # noqa: PERF203 - as above
                wait_s = self._wait(wait_s, begin, error)

    def _wait(self, wait_s: float, since_s: float, error: Unreachable) -> float:
        """Wait, and return how long to wait next time. Raises Unreachable after `patience`."""
        away_s = self.patience.clock() - since_s
        if away_s + wait_s > self.patience.all_s:
            raise Unreachable(f"{self.transport.host} was not reachable for {away_s:.0f} s: {error}") from error
        self.on_wait(f"connection lost ({error}); trying again in {wait_s:g} s")
        self.patience.sleep(wait_s)
        return min(2 * wait_s, self.patience.most_s)

    def _words(self, verb: str, *words: str) -> list[str]:
        return [self.python, "-u", f"{self.folder}/agent.py", verb, *words]

    def _ask(self, verb: str, *words: str, stdin: str = "") -> Event:
        done = self.transport.run(self._words(verb, *words), stdin)
        lines = [event for line in done.stdout.splitlines() if (event := _parsed(line.encode()))]
        if not lines:
            why = _last(done.stderr) or f"exit code {done.returncode}"
            raise AgentError(f"{self.python} there does not run the agent: {why}")
        if lines[-1]["event"] == "error":
            raise AgentError(str(lines[-1].get("message")))
        return lines[-1]


def case_name(job: Mapping[str, Any]) -> str:
    """What a job is called over there: the same for the same job, whoever asks."""
    return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()[:20]


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _parsed(line: bytes) -> Event:
    """An event; empty for a line that is none, e.g. torn by a process that was killed."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else {}


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
