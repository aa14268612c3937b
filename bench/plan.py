"""What will be measured: the lists of a Config crossed, in a stable order. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..devices.profile import DeviceProfile
from .case import Case
from .config import Config
from .names import Names

# Characters that would break a case's key, which is one word with slashes.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class PlanFacts:
    """What the plan needs to know of the world: how many threads `auto` is, and which video was given."""

    auto_threads: int
    video_sha256: str | None = None


@dataclass(frozen=True)
class LeftOut:
    """A combination that cannot be run, and why."""

    what: str
    why: str


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


@dataclass(frozen=True)
class Turn:
    """One fresh process: a case, and which of its processes this is."""

    case: Case
    process: int = 1


def turns(cases: Sequence[Case], processes: int) -> tuple[Turn, ...]:
    """Every case so many times: all of them once, then all of them again in reversed order, and so on.

    So what happens to the machine meanwhile meets all cases alike, and none is always the first.
    """
    return tuple(
        Turn(case, process)
        for process in range(1, processes + 1)
        for case in (cases if process % 2 else tuple(reversed(cases)))
    )


def plan(config: Config, facts: PlanFacts, names: Names | None = None) -> Plan:
    """Every combination of the config's lists: model by model, then device, backend, precision, batch, threads."""
    names = names or Names()
    wanted = config.plan
    threads = [facts.auto_threads if count == "auto" else count for count in wanted.threads]
    cases: dict[Case, None] = {}
    searches: dict[Search, None] = {}
    left_out: dict[LeftOut, None] = {}
    for model, device, backend, precision, batch, count in itertools.product(
        wanted.models, wanted.devices, wanted.backends, wanted.precisions, wanted.batch, threads
    ):
        if why := _misfit(names, config.profiles[device], backend, precision):
            left_out[LeftOut(f"{device} {backend} {precision}", why)] = None
            continue
        case = Case(
            model=model,
            device=device,
            backend=backend,
            precision=precision,
            batch=1 if batch == "auto" else batch,
            threads=count,
            input=input_id(config, facts),
        )
        if batch == "auto":
            searches[Search(case)] = None
        else:
            cases[case] = None
    return Plan(tuple(cases), tuple(left_out), tuple(searches))


def input_id(config: Config, facts: PlanFacts) -> str:
    """How a case names its input: `random-SEED`, or `video:NAME:first 12 of its sha256`."""
    if config.input.kind == "random":
        return f"random-{config.input.seed}"
    name = _UNSAFE.sub("_", re.split(r"[\\/]", config.input.file or "")[-1])
    return f"video:{name}:{(facts.video_sha256 or '')[:12]}"


def _misfit(names: Names, profile: DeviceProfile, backend: str, precision: str) -> str | None:
    engine = names.backends[backend]
    if profile.torch_device not in engine.torch_devices:
        return f"backend {backend} runs on {', '.join(engine.torch_devices)}, not on {profile.torch_device}"
    if precision not in engine.precisions:
        return f"backend {backend} computes in {', '.join(engine.precisions)}"
    if precision not in profile.precisions:
        return f"device {profile.name} computes in {', '.join(profile.precisions)}"
    return None
