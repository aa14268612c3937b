"""Two commits checked out beside the repository, each with its own packages if they need different ones.

The repository may be co3d-bench itself or that of a custom model (`--model file.py:factory`). The checked-out code
comes first on Python's path, before anything that is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports] - installed there only

from ...devices.own_path import python_command
from ..errors import ENVIRONMENT, USAGE, UserError
from ..record.environment import ROOT
from ..record.git import git_output, run_git
from .submodules import fill_submodules

# The files that name a repository's packages; where one of them differs, base and head get packages of their own.
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
# Of a pyproject.toml: the fields that name packages, and the tools whose settings do not matter for them.
_OF_PROJECT = ("dependencies", "optional-dependencies", "requires-python")
_INERT_TOOLS = ("black", "coverage", "isort", "mypy", "pylint", "pyright", "pytest", "ruff", "setuptools")
# The user's own hooks are for the user's own checkouts.
NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")
_NO_REPOSITORY = "not a git repository"  # git's words
PACKAGE, DISTRIBUTION = "co3d_bench", "co3d-bench"


@dataclass(frozen=True)
class Code:
    """The code of base or head, ready to be run."""

    name: str  # for people: what the user wrote, and the commit
    commit: str
    folder: Path  # the checked-out repository, as all folders here without links
    python: str  # the interpreter
    path: tuple[str, ...]  # goes before everything on Python's path
    repository: Path  # whose commit it is; nothing of it may be loaded from there
    ours: bool = False  # a checkout of co3d-bench itself

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders of the repository and its checkouts: what a process loads from them must be its own
        checkout's."""
        return str(self.repository), str(self.folder.parent), *((str(ROOT.resolve()),) if self.ours else ())

    def environment(self) -> dict[str, str]:
        """Environment variables of its processes. A file in the current folder shadows nothing."""
        return {"PYTHONPATH": os.pathsep.join(self.path), "PYTHONSAFEPATH": "1"}


def repository_or_none(folder: Path) -> Path | None:
    """The top of the git repository that a folder is in, if it is in one. Raises UserError where git refuses to look
    into it, as into one of another owner."""
    done = run_git(folder, "rev-parse", "--show-toplevel")
    if done is None or _NO_REPOSITORY in done.stderr:
        return None
    if done.returncode:
        raise UserError(f"git cannot be used in {folder}: {' '.join(done.stderr.split())}", ENVIRONMENT)
    return Path(done.stdout.strip("\n")).resolve()


def uncommitted(repository: Path, words: Sequence[str]) -> str | None:
    """What a check of these commits leaves out, where one of them is the HEAD of a checkout with changes."""
    head = _commit(repository, "HEAD")
    if head not in [_commit(repository, word) for word in words]:
        return None
    changed = (git_output(repository, "status", "--porcelain", "--untracked-files=no") or "").splitlines()
    if not changed:
        return None
    files = "a file has changes that are" if len(changed) == 1 else f"{len(changed)} files have changes that are"
    return f"{repository}: {files} not committed, so not checked (git status lists them)"


def is_commit(repository: Path, word: str) -> bool:
    """Whether a word names a commit there."""
    return not word.startswith("-") and _commit(repository, word) is not None


def not_a_commit(repository: Path, word: str) -> UserError:
    """The error for a word that names no commit there."""
    shallow = git_output(repository, "rev-parse", "--is-shallow-repository") == "true"
    hint = "; this clone is shallow, so it may only lack it: git fetch --unshallow" if shallow else ""
    return UserError(f"{word!r} is no commit of {repository}{hint}", USAGE)


@contextmanager
def checked_out(repository: Path, words: Sequence[str], store: Path) -> Iterator[tuple[Code, ...]]:
    """The code of these commits in folders below `store`, which are removed afterwards; their packages stay.

    Raises UserError for a word that is no commit, and where git or pip cannot do their part.
    """
    repository = repository.resolve()
    commits = [_commit(repository, word) for word in words]
    for word, commit in zip(words, commits, strict=True):
        if commit is None or word.startswith("-"):
            raise not_a_commit(repository, word)
    with _checkout_folder(store.resolve()) as checkouts:
        folders = [checkouts / f"{index}-{commit[:12]}" for index, commit in enumerate(filter(None, commits))]
        for folder, commit in zip(folders, commits, strict=True):
            _git_or_raise(repository, *NO_HOOKS, "worktree", "add", "--detach", str(folder), str(commit))
            fill_submodules(repository, str(commit), folder)
        alike = len({dependencies(folder) for folder in folders}) == 1
        packages = None if alike else _without_colon(store.resolve() / "packages", checkouts)
        yield tuple(
            _code(word, str(commit), folder, packages, repository)
            for word, commit, folder in zip(words, commits, folders, strict=True)
        )


@contextmanager
def _checkout_folder(store: Path) -> Iterator[Path]:
    """A folder for the checkouts of this check alone, so that two checks at once do not remove each other's.

    It is locked while the check runs. A folder that is not locked was left by a killed check, and is removed.
    """
    parent = store / "code"
    elsewhere = None
    if os.pathsep in str(parent):  # it would split Python's path
        elsewhere = Path(tempfile.mkdtemp(prefix="co3d-bench-")).resolve()
        parent = elsewhere
        if os.pathsep in str(parent):
            raise UserError(f"{parent}: Python takes no path with {os.pathsep!r} in it; set TMPDIR to another", USAGE)
    parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent):
        for left in parent.iterdir():
            with suppress(OSError), _locked(left, wait=False):
                _remove(left)
        checkouts = Path(tempfile.mkdtemp(dir=parent, prefix=f"{os.getpid()}-"))
        held = ExitStack()
        held.enter_context(_locked(checkouts))
    try:
        yield checkouts
    finally:
        _remove(checkouts)
        held.close()
        if elsewhere:
            shutil.rmtree(elsewhere, ignore_errors=True)


@contextmanager
def _locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold the folder's lock. Raises BlockingIOError where another process holds it and `wait` is False."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(fd)


def _without_colon(folder: Path, checkouts: Path) -> Path:
    return checkouts / "packages" if os.pathsep in str(folder) else folder


def dependencies(folder: Path) -> str:
    """A checksum of everything that names the packages of the code there."""
    digest = hashlib.sha256()
    for name in DEPENDENCY_FILES:
        file = folder / name
        digest.update(f"{name}:{file.is_file()}:".encode())
        if file.is_file():
            digest.update(_requested_packages(file))
    return digest.hexdigest()


def _requested_packages(file: Path) -> bytes:
    """The parts of a file that name packages. Linter settings and the like are left out of a pyproject.toml: a change
    of those would install the same packages again, which takes minutes."""
    text = file.read_bytes()
    if file.name != "pyproject.toml":
        return text
    try:
        tables = tomllib.loads(text.decode())
        if "dependencies" in tables.get("project", {}).get("dynamic", ()):
            return text  # some tool computes them, from settings that we do not know
        relevant = {name: tables.get(name) for name in ("build-system", "dependency-groups")}
        relevant["project"] = {name: tables.get("project", {}).get(name) for name in _OF_PROJECT}
        relevant["tool"] = {name: each for name, each in tables.get("tool", {}).items() if name not in _INERT_TOOLS}
        return json.dumps(relevant, sort_keys=True, default=str).encode()
    except (ValueError, AttributeError):
        return text


def is_ours(folder: Path) -> bool:
    """Whether a folder is a checkout of co3d-bench, whose top is the package itself."""
    project = folder / "pyproject.toml"
    named = project.is_file() and f'\nname = "{DISTRIBUTION}"\n' in project.read_text(errors="replace")
    return named and (folder / "__main__.py").is_file()


def _code(word: str, commit: str, folder: Path, packages: Path | None, repository: Path) -> Code:
    name = word if word.startswith(commit[:7]) else f"{word} ({commit[:12]})"
    python = sys.executable
    if packages is not None:
        python = str(_python_with_packages(name, folder, packages / dependencies(folder)[:16]))
    ours = is_ours(folder)
    # The top of co3d-bench's repository is the package, so it needs a parent folder in which it has that name. A custom
    # model is measured by the running co3d-bench, for base and head.
    named = folder.with_name(f"{folder.name}-as")
    named.mkdir(exist_ok=True)
    (named / PACKAGE).symlink_to(folder if ours else ROOT.resolve(), target_is_directory=True)
    paths = (str(named),) if ours else (str(named), str(folder), str(folder / "src"))
    return Code(name, commit, folder, python, (*paths, *_users_path(repository, folder)), repository, ours)


def _users_path(repository: Path, folder: Path) -> Iterator[str]:
    """The user's PYTHONPATH; entries in the repository are replaced by those of the checkout."""
    for each in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        there = Path(each).resolve()
        yield str(folder / there.relative_to(repository) if there.is_relative_to(repository) else there)


def _python_with_packages(name: str, folder: Path, environment: Path) -> Path:
    """An interpreter with the packages of this code and of co3d-bench; installed once for the same requirements."""
    python, done = environment / "bin" / "python", environment / "installed"
    environment.parent.mkdir(parents=True, exist_ok=True)
    with _locked(environment.parent):  # two checks at once would install into each other's
        if done.exists():
            return python
        shutil.rmtree(environment, ignore_errors=True)
        print(f"installing the packages of {name}, once", file=sys.stderr)  # noqa: T201 - takes minutes
        _run(python_command("-m", "venv", str(environment)))
        pip = python_command("-m", "pip", "install", "--quiet", "--disable-pip-version-check", python=str(python))
        if (folder / "constraints.txt").is_file():
            pip += ["--constraint", str(folder / "constraints.txt")]
        if (folder / "requirements.txt").is_file():
            pip += ["--requirement", str(folder / "requirements.txt")]
        if any((folder / each).is_file() for each in ("pyproject.toml", "setup.py")):
            pip.append(str(folder))
        _run([*pip, *([] if is_ours(folder) else _requirements())])
        done.touch()
    return python


def _requirements() -> list[str]:
    """The requirements of the running co3d-bench; its code comes by the path."""
    wanted = metadata.requires(DISTRIBUTION) or ()
    return [each for each in wanted if "extra ==" not in each]


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - a list, no shell
    except subprocess.CalledProcessError as error:
        output = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
        raise UserError(f"{' '.join(command[-4:])} failed: {''.join(output)}", ENVIRONMENT) from error


def _commit(repository: Path, word: str) -> str | None:
    return git_output(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}")


def _remove(checkouts: Path) -> None:
    """Remove a folder of checkouts, each also from its repository's list of worktrees. Other worktrees are not touched
    (no `git worktree prune`): one of the user's may lie on a disk that is not mounted now."""
    for folder in (checkouts, *checkouts.iterdir()):
        common = (
            git_output(folder, "rev-parse", "--path-format=absolute", "--git-common-dir") if folder.is_dir() else None
        )
        if common and (folder / ".git").is_file():
            git_output(Path(common), "worktree", "remove", "--force", str(folder))
    shutil.rmtree(checkouts, ignore_errors=True)


def _git_or_raise(repository: Path, *arguments: str) -> None:
    done = run_git(repository, *arguments)
    if done is None or done.returncode:
        why = "it is not installed, or does not answer" if done is None else " ".join(done.stderr.split()[-60:])
        raise UserError(f"git {' '.join(arguments[:4])} failed in {repository}: {why}", ENVIRONMENT)
