"""The circumstances that may explain a figure, as a record's `Environment`."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ... import __version__
from ...devices.host import HostFacts
from .cuda_facts import CudaFacts
from .git import git_output, run_git
from .openmp import openmp_settings
from .record import Environment, Machine, ProcessFacts

# Distributions whose versions are recorded, where they are installed.
DISTRIBUTIONS = ("torch", "ptflops", "numpy", "av")
ROOT = Path(__file__).parents[2]
_REFUSAL_CHARACTERS = 400


@dataclass(frozen=True)
class Checkout:
    """The commit of a repository, and whether its files differ from it."""

    commit: str | None = None
    dirty: bool | None = None
    refused: str | None = None  # why git does not say, and what to do, in its own words


def read_checkout(folder: Path = ROOT, files: Sequence[str] = ()) -> Checkout:
    """The commit of the repository whose top `folder` is, and whether tracked files differ from it; empty where there
    is no git or no repository.

    A file of `files` (relative to the folder) that is not tracked is a difference too.
    """
    if not (folder / ".git").exists():
        return Checkout()
    asked = run_git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if asked is None or asked.returncode:
        return Checkout(refused=(" ".join(asked.stderr.split()) if asked else "")[:_REFUSAL_CHARACTERS] or None)
    status = git_output(folder, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=none")
    asked_for = ("--literal-pathspecs", "ls-files", "-z", "--recurse-submodules", "--", *files)
    tracked = set((git_output(folder, *asked_for) or "").split("\0")) if files else set()
    dirty = None if status is None else bool(status) or not tracked.issuperset(files)
    return Checkout(asked.stdout.strip() or None, dirty)


def read_versions() -> dict[str, str]:
    """The versions of Python, of the installed `DISTRIBUTIONS`, and of our code as it runs: an editable installation
    keeps the metadata of the version that was installed once."""
    installed = {name: installed_version(name) for name in DISTRIBUTIONS}
    found = {name: version for name, version in installed.items() if version is not None}
    return {"python": platform.python_version(), **found, "co3d_bench": __version__}


def installed_version(distribution: str) -> str | None:
    """The version of a distribution; None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def make_environment(
    host: HostFacts,
    checkout: Checkout,
    versions: dict[str, str],
    *,
    intra_op_threads: int,
    inter_op_threads: int,
    allocator: str | None = None,
    cuda: CudaFacts | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Environment:
    """The facts as a record's `Environment`, with those of the GPU that must agree between records.

    `environ` is the environment of the process that measured.
    """
    of_gpu = {"cuda": cuda.cuda, "cudnn": cuda.cudnn} if cuda else {}
    return Environment(
        machine=Machine(
            cpu_model=host.cpu_model,
            architecture=host.architecture,
            physical_cores=host.physical_cores,
            logical_cores=host.logical_cores,
            memory_bytes=host.memory_bytes,
            os=host.os,
            kernel=host.kernel,
            container=host.container,
            hypervisor=host.hypervisor,
            gpu=cuda.name if cuda else None,
        ),
        process=ProcessFacts(
            affinity=host.affinity,
            governor=host.governor,
            frequency_hz=host.frequency_hz,
            intra_op_threads=intra_op_threads,
            inter_op_threads=inter_op_threads,
            load_average_1min=host.load_average_1min,
            memory_limit_bytes=host.memory_limit_bytes,
            allocator=allocator,
            openmp=openmp_settings(environ),
        ),
        versions=versions | {name: version for name, version in of_gpu.items() if version is not None},
        git_commit=checkout.commit,
        git_dirty=checkout.dirty,
    )
