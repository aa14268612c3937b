"""What the two words after `--pair` name: base and head, and the cases to measure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...models.custom import is_file
from ..errors import USAGE, UserError
from ..plan.config import AUTO_ENGINE, Override
from ..plan.resolve import Resolved, load_config
from ..record.case import Case
from ..record.environment import ROOT
from ..record.record import REFERENCE
from ..record.store import cannot_write, make_store
from ..run.ready import make_plan
from . import code
from .journal import GATE, make_gate_folder
from .measure import Runners
from .runners import code_runner, command_runner, factory_runner

Words = tuple[str, str]  # base, head


@dataclass(frozen=True)
class Selection:
    """What to measure, and the store for it."""

    runners: Runners
    cases: tuple[Case, ...]
    out: Path  # absolute
    note: str | None = None  # what is not part of the check, for people


def select_runners(pair: Words, config: Path | None, given: Mapping[str, Override], stack: ExitStack) -> Selection:
    """Two factories (`file.py:name`), two commits, or two commands; leaving the stack removes what was checked out.

    Raises UserError for words that are none of these, or not both of one kind.
    """
    if all(_is_factory(word) for word in pair):
        return _factories(pair, config, given)
    here = code.repository_or_none(Path.cwd())
    # Without a `.git` it may lie in somebody's repository, as a package of an environment there.
    installed = code.repository_or_none(ROOT) if (ROOT / ".git").exists() else None
    repositories = [each for each in (here, installed) if each]
    if any(" " in word for word in pair) and not any(_are_commits(each, pair) for each in repositories):
        return _commands(pair, given)
    loaded = _loaded(config, given)
    foreign = here is not None and not loaded.custom and not code.is_ours(here)
    repository = installed if foreign or here is None else here
    # Commits of a repository that is somebody's are not taken for ours of the same name: HEAD and main are in both.
    if repository is None or (foreign and here and _are_commits(here, pair)):
        raise UserError(_nowhere(here), USAGE)
    if _are_commits(repository, pair):
        return _commits(pair, repository, loaded, stack)
    wrong = code.not_a_commit(repository, next(word for word in pair if not code.is_commit(repository, word)))
    raise UserError(
        f"--pair: {wrong}. Name two commits, two path/to/file.py:factory, or two commands of several words in quotes",
        USAGE,
    )


def _loaded(config: Path | None, given: Mapping[str, Override]) -> Resolved:
    """The config, with `auto` among the engines replaced by eager: the gate does not ask which engine is the fastest,
    and an engine that refuses a network would look like a regression. `--backend` names others."""
    loaded = load_config(config, given)
    engines = dict.fromkeys(REFERENCE[0] if word == AUTO_ENGINE else word for word in loaded.plan.backends)
    return replace(loaded, plan=loaded.plan.model_copy(update={"backends": tuple(engines)}))


def _nowhere(here: Path | None) -> str:
    where = f"{here} is no repository of co3d-bench" if here else "this folder is in no git repository"
    return (
        f"--pair: {where}, so no commits of it can be compared: go to a checkout of co3d-bench, name a network of this "
        "repository with --model path/to/file.py:factory, or give two commands of several words in quotes"
    )


def _are_commits(repository: Path, pair: Words) -> bool:
    return all(code.is_commit(repository, word) for word in pair)


def _is_factory(word: str) -> bool:
    return is_file(word) and ".py:" in word and " " not in word


def _factories(pair: Words, config: Path | None, given: Mapping[str, Override]) -> Selection:
    loaded = _loaded(config, {**given, "plan.models": Override("--pair", [pair[0]])})
    cases = make_plan(loaded).cases
    base, head = (
        factory_runner(word, cases[0].model, loaded.catalog, loaded.run.timeout_s, sys.executable) for word in pair
    )
    return Selection({"base": base, "head": head}, cases, _store(loaded.run.out))


def _commands(pair: Words, given: Mapping[str, Override]) -> Selection:
    def value(key: str, default: Any) -> Any:
        return given[key].value if key in given else default

    timeout_s = value("run.timeout_s", 600.0)
    base, head = (command_runner(word, timeout_s) for word in pair)
    case = Case(model="command", backend="none", input="none")
    return Selection({"base": base, "head": head}, (case,), _store(value("run.out", "results")))


def _commits(pair: Words, repository: Path, loaded: Resolved, stack: ExitStack) -> Selection:
    out = _store(loaded.run.out)
    cases = make_plan(loaded).cases
    custom = _custom_factories(loaded, cases, repository)
    versions = stack.enter_context(code.checked_out(repository, pair, out / GATE))
    with ThreadPoolExecutor(2) as pool:  # each starts processes, which load torch: seconds that nobody measures
        base, head = pool.map(
            lambda version: code_runner(version, custom, loaded.catalog, loaded.run.timeout_s), versions
        )
    return Selection({"base": base, "head": head}, cases, out, code.uncommitted(repository, pair))


def _store(out: str) -> Path:
    """The store's folder, created with its `.gitignore`; absolute, since base and head run in other folders."""
    folder = Path(out).resolve()
    try:
        make_store(folder)
        make_gate_folder(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


def _custom_factories(loaded: Resolved, cases: tuple[Case, ...], repository: Path) -> dict[str, str]:
    """Name -> `file.py:factory`, the file relative to the repository. Raises UserError for networks from elsewhere."""
    factories = {}
    for name in dict.fromkeys(case.model for case in cases):
        if name not in loaded.custom:
            if code.is_ours(repository):
                continue
            raise UserError(f"{name}: a network of co3d-bench does not change with commits of {repository}", USAGE)
        file, colon, factory = loaded.custom[name].reference.rpartition(":")
        if not colon:
            raise UserError(f"{name}: comes from an installed package; name it as path/to/file.py:factory", USAGE)
        try:
            inside = Path(file).resolve().relative_to(repository.resolve())
        except ValueError:
            raise UserError(f"{file or name}: not in {repository}, whose commits are compared", USAGE) from None
        factories[name] = f"{inside}{colon}{factory}"
    return factories
