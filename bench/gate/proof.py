"""How the processes of a version are started, and the proof that they ran their own code.

If base or head ran the installed code, the gate would compare a program with itself and pass everything. So nothing is
judged before both have named the files that they loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...devices.own_path import python_command
from ..errors import ENVIRONMENT, WRONG_CODE, UserError
from ..plan.custom_models import COMMAND
from ..record.environment import ROOT
from .code import Code

# For versions without `--describe`, run with the environment of their processes.
_DESCRIBE = (
    "import json, os, co3d_bench; from {job} import Job; "
    "package = os.path.dirname(os.path.realpath(co3d_bench.__file__)); "
    "print(json.dumps(dict(package=package, job=Job.model_json_schema())))"
)


@dataclass(frozen=True)
class Entry:
    """How the processes of a version are started; its checkout has `file`, which contains `holds`."""

    file: str
    holds: str
    worker: tuple[str, ...]
    describe: tuple[str, ...]
    custom_model: tuple[str, ...]  # describes a custom model


# Newest first. Only the first may be relied on to stay: older ones name modules that have since moved.
ENTRIES = (
    Entry(
        "__main__.py",
        holds='"custom-model"',
        worker=("-m", "co3d_bench", "worker"),
        describe=("-m", "co3d_bench", "worker", "--describe"),
        custom_model=COMMAND,
    ),
    Entry(
        "__main__.py",
        holds='["worker"]',
        worker=("-m", "co3d_bench", "worker"),
        describe=("-m", "co3d_bench", "worker", "--describe"),
        custom_model=("-m", "co3d_bench.bench.own"),
    ),
    Entry(
        "bench/worker.py",
        holds="",
        worker=("-m", "co3d_bench.bench.worker"),
        describe=("-c", _DESCRIBE.format(job="co3d_bench.bench.job")),
        custom_model=("-m", "co3d_bench.bench.own"),
    ),
)
CURRENT = ENTRIES[0]


@dataclass(frozen=True)
class SelfDescription:
    """What a version's processes report about themselves."""

    package: str  # the folder of co3d_bench, without links
    job: Mapping[str, Any]  # the schema of the jobs that they understand


def entry_of(folder: Path) -> Entry:
    """How the processes of a checkout of co3d-bench are started. Raises UserError where none is known."""
    for entry in ENTRIES:
        file = folder / entry.file
        if file.is_file() and entry.holds in file.read_text(errors="replace"):
            return entry
    raise UserError(f"{folder}: this version of co3d-bench is not known to this one", ENVIRONMENT)


def describe(code: Code) -> tuple[Entry, SelfDescription]:
    """How a version is started, and its self-description. Raises UserError where it does not start, or not with the
    right co3d-bench: that of its checkout, or (for a custom model) the one that is running."""
    entry = entry_of(code.folder) if code.ours else CURRENT
    done = subprocess.run(  # noqa: S603 - fixed words, no shell
        python_command(*entry.describe, python=code.python),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **code.environment()},
    )
    try:
        answer = json.loads(done.stdout)
        described = SelfDescription(package=answer["package"], job=answer["job"])
    except (ValueError, TypeError, KeyError):
        lines = done.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise UserError(f"{code.name}: co3d-bench does not start with {code.python}: {lines[0]}", ENVIRONMENT) from None
    expected = os.path.realpath(code.folder if code.ours else ROOT)
    if described.package != expected:
        raise _wrong(code, expected, described.package)
    return entry, described


def check_loaded(code: Code, modules: Iterable[str]) -> None:
    """Raises UserError unless all these loaded files of the repository and its checkouts lie in the code's own
    checkout."""
    # The running co3d-bench may itself lie in the user's repository, e.g. as a submodule; base and head share it.
    running = ROOT.resolve()
    shared = running if not code.ours and running.is_relative_to(code.repository) else None
    files = [Path(each) for each in modules]
    for module in files:
        if not module.is_relative_to(code.folder) and not (shared and module.is_relative_to(shared)):
            raise _wrong(code, str(code.folder), str(module))
    if not any(module.is_relative_to(code.folder) for module in files):
        raise _wrong(code, str(code.folder), "nothing from there")


def _wrong(code: Code, expected: str, loaded: str) -> UserError:
    return UserError(
        f"base or head did not load its own code, so nothing was judged: {code.name} was to load {expected}, "
        f"and loaded {loaded}",
        WRONG_CODE,
    )
