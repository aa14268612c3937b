"""The user's own git, asked in fixed words."""

from __future__ import annotations

import subprocess
from pathlib import Path

TIMEOUT_S = 60


def ask(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """What git did in a folder; None where there is no git or it hangs."""
    try:
        return subprocess.run(  # noqa: S603 - a list, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def told(folder: Path, *arguments: str) -> str | None:
    """What git printed, stripped; None where it failed."""
    done = ask(folder, *arguments)
    return done.stdout.strip() if done is not None and done.returncode == 0 else None
