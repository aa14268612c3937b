"""Where the code of a side came from: how its processes are started, and what proves that they ran their own code.

A side that runs what happens to be installed measures equal to the other one, and a gate that compares a program with
itself passes everything. So nothing is judged before each side has named the files that it loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ENVIRONMENT, WRONG_CODE, UserError
from ..plan.custom_models import COMMAND
from ..record.environment import ROOT
from .code import Code

# For versions that do not describe themselves: asked from outside, with the variables that their processes get.
_DESCRIBE = (
    "import json, os, co3d_bench; from {job} import Job; "
    "package = os.path.dirname(os.path.realpath(co3d_bench.__file__)); "
    "print(json.dumps(dict(package=package, job=Job.model_json_schema())))"
)


@dataclass(frozen=True)
class Entry:
    """How the processes of a version are started: one whose checkout has `file`, in which `holds` stands."""

    file: str
    holds: str
    worker: tuple[str, ...]
    describe: tuple[str, ...]
    custom_model: tuple[str, ...]  # describes a network of the user's


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
class Described:
    """What the processes of a side say of themselves."""

    package: str  # the folder of co3d_bench, without links
    job: Mapping[str, Any]  # the schema of the jobs that they understand


def entry_of(folder: Path) -> Entry:
    """How the processes of a checkout of co3d-bench are started. Raises UserError where none is known."""
    for entry in ENTRIES:
        file = folder / entry.file
        if file.is_file() and entry.holds in file.read_text(errors="replace"):
            return entry
    raise UserError(f"{folder}: this version of co3d-bench is not known to this one", ENVIRONMENT)


def describe(code: Code) -> tuple[Entry, Described]:
    """How a side is started, and what it says of itself. Raises UserError where it does not start, or not with its own
    code: that of its checkout, or (for the user's own repository) the co3d-bench that is running now."""
    entry = entry_of(code.folder) if code.ours else CURRENT
    done = subprocess.run(  # noqa: S603 - fixed words, no shell
        [code.python, *entry.describe],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **code.environment()},
    )
    try:
        said = json.loads(done.stdout)
        described = Described(package=said["package"], job=said["job"])
    except (ValueError, TypeError, KeyError):
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise UserError(f"{code.name}: co3d-bench does not start with {code.python}: {said[0]}", ENVIRONMENT) from None
    expected = os.path.realpath(code.folder if code.ours else ROOT)
    if described.package != expected:
        raise _wrong(code, expected, described.package)
    return entry, described


def check_loaded(code: Code, modules: Iterable[str]) -> None:
    """Raises UserError unless each of these files, which belong to the repository or to a checkout of it, lies in the
    side's own checkout."""
    # The co3d-bench that runs may itself lie in the user's repository, e.g. as a submodule; both sides share it.
    running = ROOT.resolve()
    shared = running if not code.ours and running.is_relative_to(code.repository) else None
    found = [Path(each) for each in modules]
    for module in found:
        if not module.is_relative_to(code.folder) and not (shared and module.is_relative_to(shared)):
            raise _wrong(code, str(code.folder), str(module))
    if not any(module.is_relative_to(code.folder) for module in found):
        raise _wrong(code, str(code.folder), "nothing from there")


def _wrong(code: Code, expected: str, loaded: str) -> UserError:
    return UserError(
        f"a side did not load its own code, so nothing was judged: {code.name} was to load {expected}, "
        f"and loaded {loaded}",
        WRONG_CODE,
    )
