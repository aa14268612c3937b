"""What will be measured: the lists of a Config crossed, in a stable order. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ...devices.profile import DeviceProfile
from ..backends import Backend
from ..record.case import Case
from .config import AUTO_ENGINE
from .resolve import Resolved

# Characters that would break a case's key, which is one word with slashes.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


# What an engine is on a board over ssh: eager PyTorch is there too, but our networks are only in their portable form.
ON_BOARD = {"eager": "aten-json"}

# `auto` among the engines: this one, which defines the right answer and the speed that others are compared with,
REFERENCE_ENGINE = "eager"
# and by torch's device the fastest that is installed, in this order. One that refuses a network gives way to the next.
FASTEST: Mapping[str, tuple[str, ...]] = {
    "cpu": ("native", "openvino", "onnxruntime", "fused"),
    "cuda": ("tensorrt", "cudagraph", "fused"),
}


@dataclass(frozen=True)
class LeftOut:
    """A combination that cannot be run, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class BoardFacts:
    """A board that was reached: how many threads `auto` is there, and why engines cannot be used."""

    auto_threads: int
    lacks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanFacts:
    """What the plan needs to know of the world: how many threads `auto` is, which video was given, and of the devices
    that are at a host those that were reached, and why the others were not."""

    auto_threads: int
    video_sha256: str | None = None
    boards: Mapping[str, BoardFacts] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Search:
    """A case whose batch is to be found when the plan is run (`--batch auto`); `case` is it at batch 1."""

    case: Case

    @property
    def key(self) -> str:
        """The case's key with `bauto` in the place of the batch."""
        head, _, threads, source = self.case.key.rsplit("/", 3)
        return f"{head}/bauto/{threads}/{source}"

    def cases(self, batches: Iterable[int]) -> tuple[Case, ...]:
        """The cases that it stands for, once the batches are known."""
        return tuple(self.case.model_copy(update={"batch": batch}) for batch in batches)


@dataclass(frozen=True)
class Plan:
    """The cases in the order they are run, each once; those whose batch is to be found; and what makes no case."""

    cases: tuple[Case, ...]
    left_out: tuple[LeftOut, ...] = ()
    searches: tuple[Search, ...] = ()
    away: Mapping[str, str] = field(default_factory=dict)  # devices that are not reached, and why
    at_host: frozenset[str] = frozenset()  # devices that are reached over ssh
    # Of each case whose engine `auto` chose: the engines that take its place, one after the other, if it refuses the
    # network. Of a search: for the cases that it gives.
    instead: Mapping[Case, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # for people


@dataclass(frozen=True)
class Turn:
    """One fresh process: a case, and which of its processes this is."""

    case: Case
    process: int = 1


def plan(config: Resolved, facts: PlanFacts) -> Plan:
    """Every combination of the config's lists: device by device, then model, backend, precision, batch, threads.

    Engines are asked whether they are installed only where `auto` has to choose one.
    """
    wanted, backends = config.plan, config.catalog.backends
    cases: dict[Case, None] = {}
    searches: dict[Search, None] = {}
    left_out: dict[LeftOut, None] = {}
    instead: dict[Case, tuple[str, ...]] = {}
    notes: dict[str, None] = {}
    for device, model, word, precision, batch, count in itertools.product(
        wanted.devices, wanted.models, wanted.backends, wanted.precisions, wanted.batch, wanted.threads
    ):
        if device in facts.away:
            continue
        board = facts.boards.get(device)
        profile = config.profiles[device]
        if board is not None and (note := _renamed(device, word)):
            notes[note] = None
        for backend, others in _engines(word, profile, precision, board is not None, backends):
            engine = backends[backend]
            why = _misfit(engine, profile, precision, on_board=board is not None)
            if why := why or (board and _no_board_does(board, engine, config, batch)):
                left_out[LeftOut(f"{device} {backend} {precision}", why)] = None
                continue
            case = Case(
                model=model,
                device=device,
                backend=backend,
                precision=precision,
                batch=1 if batch == "auto" else batch,
                threads=(board or facts).auto_threads if count == "auto" else count,
                input=input_id(config, facts),
            )
            if others is not None and backend not in wanted.backends:
                instead[case] = others
            if batch == "auto":
                searches[Search(case)] = None
            else:
                cases[case] = None
    at_host = frozenset(facts.boards)
    return Plan(tuple(cases), tuple(left_out), tuple(searches), facts.away, at_host, instead, tuple(notes))


def _renamed(device: str, word: str) -> str | None:
    """What is measured on a board in the place of an engine that is named, for people."""
    engine = ON_BOARD.get(REFERENCE_ENGINE if word == AUTO_ENGINE else word)
    return engine and f"device {device}: {word} is measured as {engine} there, and its cases are named so"


def _engines(
    word: str, profile: DeviceProfile, precision: str, on_board: bool, backends: Mapping[str, Backend]
) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """The engines that a word of the config is; with one that `auto` chose, those that may take its place."""
    if word != AUTO_ENGINE:
        yield (ON_BOARD.get(word, word) if on_board else word), None
        return
    yield (ON_BOARD[REFERENCE_ENGINE] if on_board else REFERENCE_ENGINE), None
    if on_board:
        return
    known = [name for name in FASTEST.get(profile.torch_device, ()) if name in backends]
    fitting = [name for name in known if _misfit(backends[name], profile, precision, on_board=False) is None]
    for place, name in enumerate(fitting):
        if backends[name].missing() is None:
            yield name, tuple(fitting[place + 1 :])
            return


def input_id(config: Resolved, facts: PlanFacts) -> str:
    """How a case names its input: `random-SEED`, or `video:NAME:first 12 of its sha256`."""
    if config.input.kind == "random":
        return f"random-{config.input.seed}"
    name = _UNSAFE.sub("_", re.split(r"[\\/]", config.input.file or "")[-1])
    return f"video:{name}:{(facts.video_sha256 or '')[:12]}"


def _misfit(engine: Backend, profile: DeviceProfile, precision: str, *, on_board: bool) -> str | None:
    """Why an engine does not compute so on such a device."""
    offered = engine.on_board if on_board else engine.here
    where = "boards over ssh" if on_board else "this machine"
    if not offered:
        return f"backend {engine.name} does not run on {where}"
    if profile.torch_device not in offered:
        return f"backend {engine.name} runs on {', '.join(offered)}, not on {profile.torch_device}"
    if precision not in offered[profile.torch_device]:
        return f"backend {engine.name} computes in {', '.join(offered[profile.torch_device])}"
    if precision not in profile.precisions:
        return f"device {profile.name} computes in {', '.join(profile.precisions)}"
    return None


def _no_board_does(board: BoardFacts, engine: Backend, config: Resolved, batch: int | str) -> str | None:
    """Why a board over ssh cannot run a case."""
    if engine.name in board.lacks:
        return f"backend {engine.name}: {board.lacks[engine.name]}"
    if config.input.kind == "video":
        return "a board over ssh is shown seeded noise, no video"
    return "a batch is not looked for on a board over ssh; name some" if batch == "auto" else None
