"""The user's own git, asked in fixed words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TIMEOUT_S = 60
# git hands these to its hooks, and they name the repository, the index or the objects of whoever called: with them a
# gate that runs in a hook would look at, or even write to, something else than the folder that it asks about.
# Settings (GIT_CONFIG_...) stay: a CI server says by them which folders are safe.
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


def run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """What git did in a folder; None where there is no git or it hangs."""
    try:
        return subprocess.run(  # noqa: S603 - a list, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            env={name: value for name, value in os.environ.items() if name not in _OF_THE_CALLER},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def git_output(folder: Path, *arguments: str) -> str | None:
    """What git printed, stripped; None where it failed."""
    done = run_git(folder, *arguments)
    return done.stdout.strip() if done is not None and done.returncode == 0 else None
