"""Two versions of code on the disk: a commit is checked out beside the repository, with packages of its own if need be.

The repository may be co3d-bench itself or that of a network of the user's own (`--model file.py:factory`). Each side's
code comes first on Python's path, before anything that is installed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..environment import ROOT
from ..errors import ENVIRONMENT, USAGE, UserError
from ..git import ask, told

# What says which packages a repository wants; where one of these differs, each side gets packages of its own.
DEPENDENCY_FILES = (
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "requirements.txt",
    "constraints.txt",
    "uv.lock",
    "poetry.lock",
    "Pipfile.lock",
)
PACKAGE = "co3d_bench"


@dataclass(frozen=True)
class Code:
    """One side's code, ready to be run."""

    name: str  # for people: what the user wrote, and the commit
    commit: str
    folder: Path  # the checked-out repository
    python: str  # the interpreter
    path: tuple[str, ...]  # goes before everything on Python's path

    def environment(self) -> dict[str, str]:
        """Variables for processes of this side. A file of the current folder shadows nothing."""
        return {"PYTHONPATH": ":".join(self.path), "PYTHONSAFEPATH": "1"}


def repository_or_none(folder: Path) -> Path | None:
    """The top of the git repository that a folder is in, if it is in one."""
    found = told(folder, "rev-parse", "--show-toplevel")
    return Path(found) if found else None


def is_commit(repository: Path, word: str) -> bool:
    """Whether a word names a commit there."""
    return not word.startswith("-") and _commit(repository, word) is not None


@contextmanager
def checked_out(repository: Path, words: Sequence[str], store: Path) -> Iterator[tuple[Code, ...]]:
    """The code of these commits in folders below `store`, which are gone afterwards; packages made for them stay.

    Raises UserError for a word that is no commit, and where git or pip cannot do their part.
    """
    commits = [_commit(repository, word) for word in words]
    for word, commit in zip(words, commits, strict=True):
        if commit is None or word.startswith("-"):
            raise UserError(f"{word!r} is no commit of {repository} (a shallow clone has few of them)", USAGE)
    folders = [store / "code" / f"{place}-{commit[:12]}" for place, commit in enumerate(filter(None, commits))]
    try:
        for folder, commit in zip(folders, commits, strict=True):
            _remove(repository, folder)  # of a run that was killed
            folder.parent.mkdir(parents=True, exist_ok=True)
            _must(repository, "worktree", "add", "--detach", "--force", str(folder), str(commit))
        alike = len({dependencies(folder) for folder in folders}) == 1
        yield tuple(
            _code(word, str(commit), folder, None if alike else store / "packages")
            for word, commit, folder in zip(words, commits, folders, strict=True)
        )
    finally:
        for folder in folders:
            _remove(repository, folder)


def dependencies(folder: Path) -> str:
    """A checksum of everything that says which packages the code there wants."""
    digest = hashlib.sha256()
    for name in DEPENDENCY_FILES:
        file = folder / name
        digest.update(f"{name}:{file.stat().st_size if file.is_file() else -1}:".encode())
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def is_ours(folder: Path) -> bool:
    """Whether a folder is a checkout of co3d-bench, whose top is the package itself."""
    return (folder / "bench" / "worker.py").is_file() and (folder / "bench.toml").is_file()


def _code(word: str, commit: str, folder: Path, packages: Path | None) -> Code:
    name = word if word.startswith(commit[:7]) else f"{word} ({commit[:12]})"
    python = sys.executable if packages is None else str(_own_python(folder, packages / dependencies(folder)[:16]))
    if is_ours(folder):
        # The top of the repository is the package, so a folder is needed in which it has that name.
        named = folder.with_name(f"{folder.name}-as")
        named.mkdir(exist_ok=True)
        link = named / PACKAGE
        link.unlink(missing_ok=True)
        link.symlink_to(folder, target_is_directory=True)
        return Code(name, commit, folder, python, (str(named),))
    return Code(name, commit, folder, python, (str(folder), str(folder / "src")))


def _own_python(folder: Path, environment: Path) -> Path:
    """An interpreter with the packages that this code wants, and co3d-bench; made once for the same wants."""
    python, done = environment / "bin" / "python", environment / "installed"
    if not done.exists():
        shutil.rmtree(environment, ignore_errors=True)
        print(f"installing the packages that {folder.name} wants, once", file=sys.stderr)  # noqa: T201 - takes minutes
        _run([sys.executable, "-m", "venv", str(environment)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if (folder / "constraints.txt").is_file():
            pip += ["--constraint", str(folder / "constraints.txt")]
        if (folder / "requirements.txt").is_file():
            pip += ["--requirement", str(folder / "requirements.txt")]
        if any((folder / name).is_file() for name in ("pyproject.toml", "setup.py")):
            pip.append(str(folder))
        _run([*pip, *([] if is_ours(folder) else [str(ROOT)])])
        done.touch()
    return python


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - a list, no shell
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
        raise UserError(f"{' '.join(command[:4])} ... failed: {''.join(said)}", ENVIRONMENT) from error


def _commit(repository: Path, word: str) -> str | None:
    return told(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}")


def _remove(repository: Path, folder: Path) -> None:
    told(repository, "worktree", "remove", "--force", str(folder))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(folder.with_name(f"{folder.name}-as"), ignore_errors=True)
    told(repository, "worktree", "prune")


def _must(repository: Path, *arguments: str) -> None:
    done = ask(repository, *arguments)
    if done is None or done.returncode:
        why = "git is not installed" if done is None else done.stderr.strip().splitlines()[-1:]
        raise UserError(f"git {arguments[0]} {arguments[1]} failed in {repository}: {why}", ENVIRONMENT)
