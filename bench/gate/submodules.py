"""The submodules of a checked-out commit, each at the revision that this commit names. Nothing is fetched.

A submodule that the user's own checkout has is filled from there. One that is initialised nowhere stays empty, as it is
in the user's checkout.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import ENVIRONMENT, UserError
from ..record.git import git_output, run_git

_MODE = "160000"  # of an entry of a tree that is another repository's commit


@dataclass(frozen=True)
class Submodule:
    """One submodule of a commit."""

    path: str  # below the top of its repository
    commit: str


def fill_submodules(repository: Path, commit: str, folder: Path) -> None:
    """Write the submodules of a commit, and theirs, into `folder`, where the commit is checked out.

    `repository` is the user's checkout. Raises UserError where a submodule is there without the wanted commit.
    """
    git_dir = git_output(repository, "rev-parse", "--path-format=absolute", "--git-common-dir")
    if git_dir:
        _fill(repository, Path(git_dir), commit, folder)


def _fill(worktree: Path | None, git_dir: Path, commit: str, folder: Path) -> None:
    for each in _submodules(git_dir, commit):
        theirs = _git_dir(each, worktree, git_dir, commit)
        if theirs is None:
            continue
        if git_output(git_dir, f"--git-dir={theirs}", "cat-file", "-t", each.commit) != "commit":
            where = (worktree or folder) / each.path
            raise UserError(
                f"the submodule {where} does not have {each.commit[:12]}, which {commit[:12]} needs; fetch it there: "
                f"git -C {where} fetch origin {each.commit}",
                ENVIRONMENT,
            )
        _check_out(theirs, each.commit, folder / each.path)
        _fill(worktree / each.path if worktree else None, theirs, each.commit, folder / each.path)


def _submodules(git_dir: Path, commit: str) -> list[Submodule]:
    listed = git_output(git_dir, f"--git-dir={git_dir}", "ls-tree", "-r", "-z", "--full-tree", commit) or ""
    entries = [entry.partition("\t") for entry in listed.split("\0") if entry.startswith(_MODE)]
    return [Submodule(path, facts.split()[2]) for facts, _, path in entries]


def _git_dir(submodule: Submodule, worktree: Path | None, git_dir: Path, commit: str) -> Path | None:
    """Where the objects of a submodule are; None where it is initialised nowhere."""
    here = worktree / submodule.path if worktree else None
    if here and (here / ".git").exists():
        found = git_output(here, "rev-parse", "--path-format=absolute", "--git-common-dir")
        return Path(found) if found else None
    # Another worktree of the same repository may have it.
    kept = git_dir / "modules" / _name(submodule, git_dir, commit)
    return kept if (kept / "HEAD").exists() else None


def _name(submodule: Submodule, git_dir: Path, commit: str) -> str:
    """The name of a submodule, which may differ from its path."""
    blob = ("--blob", f"{commit}:.gitmodules", "--get-regexp", r"^submodule\..*\.path$")
    for line in (git_output(git_dir, f"--git-dir={git_dir}", "config", "-z", *blob) or "").split("\0"):
        key, _, path = line.partition("\n")
        name = key.removeprefix("submodule.").removesuffix(".path")
        if path == submodule.path and ".." not in Path(name).parts:
            return name
    return submodule.path


def _check_out(git_dir: Path, commit: str, folder: Path) -> None:
    """Write the files of a commit into a folder, without a `.git` there and without a trace in the submodule."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {"GIT_INDEX_FILE": str(folder.with_name(f".{folder.name}.index"))}
    for words in (("read-tree", commit), ("checkout-index", "--all", "--force", "--quiet")):
        command = (f"--git-dir={git_dir}", "--work-tree=.", "-c", f"core.hooksPath={os.devnull}", *words)
        done = run_git(folder, *command, environment=index)
        if done is None or done.returncode:
            why = done.stderr.strip() if done else "git does not answer"
            raise UserError(f"the submodule in {folder} cannot be checked out: {why}", ENVIRONMENT)
