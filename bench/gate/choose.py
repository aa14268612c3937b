"""What the two words after `--pair` are, and so which cases are measured on which sides."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...models.own import is_file
from ..case import Case
from ..config import Config, Override, load_config
from ..environment import ROOT
from ..errors import USAGE, UserError
from ..names import Names
from ..run import make_plan
from . import code
from .measure import Sides
from .sides import of_code, of_command, of_factory

Words = tuple[str, str]  # base, head


@dataclass(frozen=True)
class Chosen:
    """What is to be measured, and where the figures go."""

    sides: Sides
    cases: tuple[Case, ...]
    out: Path


def choose(pair: Words, config: Path | None, given: Mapping[str, Override], stack: ExitStack) -> Chosen:
    """Two factories (`file.py:name`), two commits, or two commands; what was checked out is gone with the stack.

    Raises UserError for words that are none of these, or not both the same.
    """
    if all(_is_factory(word) for word in pair):
        return _factories(pair, config, given)
    here = code.repository_or_none(Path.cwd())
    own = here is not None and _has_files(given)
    repository = here if here and (own or code.is_ours(here)) else ROOT
    if all(code.is_commit(repository, word) for word in pair):
        return _commits(pair, repository, config, given, stack)
    if any(" " in word for word in pair):
        return _commands(pair, given)
    wrong = next(word for word in pair if not code.is_commit(repository, word))
    raise UserError(
        f"--pair: {wrong!r} is no commit of {repository}. Name two commits, two path/to/file.py:factory, or two "
        "commands of several words in quotes",
        USAGE,
    )


def _is_factory(word: str) -> bool:
    return is_file(word) and ".py:" in word and " " not in word


def _has_files(given: Mapping[str, Override]) -> bool:
    """Whether networks of files are asked for, so that the commits are those of the repository around us."""
    models = given.get("plan.models")
    return models is not None and any(is_file(str(word)) for word in models.value)


def _factories(pair: Words, config: Path | None, given: Mapping[str, Override]) -> Chosen:
    names = Names()
    loaded = load_config(config, {**given, "plan.models": Override("--pair", [pair[0]])})
    cases = make_plan(loaded, names).cases
    names = replace(names, devices=loaded.profiles)
    base, head = (of_factory(word, cases[0].model, names, loaded.run.timeout_s, sys.executable) for word in pair)
    return Chosen({"base": base, "head": head}, cases, Path(loaded.run.out))


def _commands(pair: Words, given: Mapping[str, Override]) -> Chosen:
    def value(key: str, default: Any) -> Any:
        return given[key].value if key in given else default

    timeout_s = value("run.timeout_s", 600.0)
    base, head = (of_command(word, timeout_s) for word in pair)
    case = Case(model="command", backend="none", input="none")
    return Chosen({"base": base, "head": head}, (case,), Path(value("run.out", "results")))


def _commits(
    pair: Words, repository: Path, config: Path | None, given: Mapping[str, Override], stack: ExitStack
) -> Chosen:
    names = Names()
    loaded = load_config(config, given)
    cases = make_plan(loaded, names).cases
    names = replace(names, devices=loaded.profiles)
    own = _own(loaded, cases, repository)
    versions = stack.enter_context(code.checked_out(repository, pair, Path(loaded.run.out) / "gate"))
    base, head = (of_code(version, own, names, loaded.run.timeout_s) for version in versions)
    return Chosen({"base": base, "head": head}, cases, Path(loaded.run.out))


def _own(loaded: Config, cases: tuple[Case, ...], repository: Path) -> dict[str, str]:
    """Name -> `file.py:factory` as seen from the top of the repository. Raises UserError for networks of others."""
    found = {}
    for name in dict.fromkeys(case.model for case in cases):
        if name not in loaded.own:
            if code.is_ours(repository):
                continue
            raise UserError(f"{name}: a network of co3d-bench does not change with commits of {repository}", USAGE)
        file, colon, factory = loaded.own[name].reference.rpartition(":")
        try:
            inside = Path(file).resolve().relative_to(repository.resolve())
        except ValueError:
            raise UserError(f"{file or name}: not in {repository}, whose commits are compared", USAGE) from None
        found[name] = f"{inside}{colon}{factory}"
    return found
