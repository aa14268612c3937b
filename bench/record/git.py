"""Runs the user's git, with fixed arguments."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

TIMEOUT_S = 60
# git sets these for its hooks; they name the caller's repository, index or objects. With them a gate that runs in a
# hook would read, or even write to, another folder than the one it asks about. Settings (GIT_CONFIG_...) stay: CI
# servers list safe folders in them.
_OF_THE_CALLER = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
)


def drop_callers_repository() -> None:
    """Take what git sets for a hook out of this process, so that nothing that it starts inherits it: the user's code,
    or pip, may call git too."""
    for name in _OF_THE_CALLER:
        os.environ.pop(name, None)


def run_git(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str] | None:
    """Run git in a folder; None where there is no git or it hangs. It speaks English and takes no lock that it can do
    without, so that it never stands in the way of the user's own git."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_THE_CALLER}
    try:
        return subprocess.run(  # noqa: S603 - a list, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",  # paths are bytes
            timeout=TIMEOUT_S,
            check=False,
            env={**kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", **(environment or {})},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def git_output(folder: Path, *arguments: str) -> str | None:
    """The stripped output of git; None where it failed."""
    done = run_git(folder, *arguments)
    return done.stdout.strip() if done is not None and done.returncode == 0 else None
