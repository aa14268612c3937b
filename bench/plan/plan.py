"""The cases to measure: the lists of a config crossed, in a stable order. Pure."""

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


# The engine that replaces another on a board over ssh: PyTorch runs there too, but with our portable network file.
ON_BOARD = {"eager": "aten-json"}

# `auto` among the engines: the reference for answers and speed,
REFERENCE_ENGINE = "eager"
# and, by torch device, the first installed of these. If it refuses a network, the next one is used.
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
    """A board that was reached: its number of threads for `auto`, and why engines are missing there."""

    auto_threads: int
    lacks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanFacts:
    """Facts the plan depends on: threads for `auto`, the video, and the devices at a host: those that were reached, and
    why the others were not."""

    auto_threads: int
    video_sha256: str | None = None
    boards: Mapping[str, BoardFacts] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Search:
    """A case whose batches are searched during the run (`--batch auto`); `case` has batch 1."""

    case: Case

    @property
    def key(self) -> str:
        """The case's key with `bauto` instead of the batch."""
        head, _, threads, source = self.case.key.rsplit("/", 3)
        return f"{head}/bauto/{threads}/{source}"

    def cases(self, batches: Iterable[int]) -> tuple[Case, ...]:
        """The cases with these batches."""
        return tuple(self.case.model_copy(update={"batch": batch}) for batch in batches)


@dataclass(frozen=True)
class Plan:
    """Distinct cases in the order they are run, batch searches, and combinations that cannot be run."""

    cases: tuple[Case, ...]
    left_out: tuple[LeftOut, ...] = ()
    searches: tuple[Search, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)  # devices that are not reached, and why
    at_host: frozenset[str] = frozenset()  # devices that are reached over ssh
    # Case (or the case of a search) whose engine `auto` chose -> the engines to try next if it refuses the network.
    instead: Mapping[Case, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # for people


@dataclass(frozen=True)
class CaseProcess:
    """One fresh process: a case, and the number of this process among those of the case."""

    case: Case
    number: int = 1


def plan(config: Resolved, facts: PlanFacts) -> Plan:
    """Every combination of the config's lists: device by device, then model, backend, precision, batch, threads.

    Only `auto` checks whether engines are installed.
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
        if device in facts.unavailable:
            continue
        board = facts.boards.get(device)
        profile = config.profiles[device]
        if board is not None and (note := _renamed(device, word)):
            notes[note] = None
        taking = {name: each for name, each in backends.items() if not _input_misfit(each, config, model)}
        known = taking if word == AUTO_ENGINE and board is None else backends
        for backend, others in _engines(word, profile, precision, board is not None, known):
            engine = backends[backend]
            why = _misfit(engine, profile, precision, on_board=board is not None)
            if why := why or (board and _board_misfit(board, engine, config, batch)):
                left_out[LeftOut(f"{device} {backend} {precision}", why)] = None
                continue
            if why := _input_misfit(engine, config, model):
                left_out[LeftOut(f"{model} {backend}", why)] = None
                continue
            cores = (board or facts).auto_threads
            if isinstance(count, int) and count > cores:
                notes[f"{count} threads: there {_are(cores)} on {device}, so the threads take turns"] = None
            case = Case(
                model=model,
                device=device,
                backend=backend,
                precision=precision,
                batch=1 if batch == "auto" else batch,
                threads=cores if count == "auto" else count,
                input=input_id(config, facts),
            )
            if others is not None and backend not in wanted.backends:
                instead[case] = others
            if batch == "auto":
                searches[Search(case)] = None
            else:
                cases[case] = None
    at_host = frozenset(facts.boards)
    return Plan(tuple(cases), tuple(left_out), tuple(searches), facts.unavailable, at_host, instead, tuple(notes))


def _are(cores: int) -> str:
    return "is 1 core" if cores == 1 else f"are {cores} cores"


def _renamed(device: str, word: str) -> str | None:
    """A note for people where a board replaces the requested engine; else None."""
    engine = ON_BOARD.get(REFERENCE_ENGINE if word == AUTO_ENGINE else word)
    return engine and f"device {device}: {word} is measured as {engine} there, and its cases have that name"


def _engines(
    word: str, profile: DeviceProfile, precision: str, on_board: bool, backends: Mapping[str, Backend]
) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """The engines that a word of the config means; with one that `auto` chose, its replacements."""
    if word != AUTO_ENGINE:
        yield (ON_BOARD.get(word, word) if on_board else word), None
        return
    yield (ON_BOARD[REFERENCE_ENGINE] if on_board else REFERENCE_ENGINE), None
    if on_board:
        return
    known = [name for name in FASTEST.get(profile.torch_device, ()) if name in backends]
    fitting = [name for name in known if _misfit(backends[name], profile, precision, on_board=False) is None]
    for index, name in enumerate(fitting):
        if backends[name].missing() is None:
            yield name, tuple(fitting[index + 1 :])
            return


def input_id(config: Resolved, facts: PlanFacts) -> str:
    """How a case names its input: `random-SEED`, or `video:NAME:first 12 of its sha256`."""
    if config.input.kind == "random":
        return f"random-{config.input.seed}"
    name = _UNSAFE.sub("_", re.split(r"[\\/]", config.input.file or "")[-1])
    return f"video:{name}:{(facts.video_sha256 or '')[:12]}"


def _misfit(engine: Backend, profile: DeviceProfile, precision: str, *, on_board: bool) -> str | None:
    """Why an engine cannot run on this device in this precision; None if it can."""
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


def _input_misfit(engine: Backend, config: Resolved, model: str) -> str | None:
    """Why an engine cannot take the inputs of a network; None if it can."""
    inputs = config.spec(model).inputs
    if inputs is None or engine.any_input:
        return None
    return f"backend {engine.name} takes one float32 tensor, and {model} is called with {inputs}"


def _board_misfit(board: BoardFacts, engine: Backend, config: Resolved, batch: int | str) -> str | None:
    """Why a board over ssh cannot run a case; None if it can."""
    if engine.name in board.lacks:
        return f"backend {engine.name}: {board.lacks[engine.name]}"
    if config.input.kind == "video":
        return "boards over ssh run on seeded noise, not on video"
    return "boards over ssh cannot search for a batch; give numbers, e.g. --batch 1" if batch == "auto" else None
