"""The circumstances that may explain a figure, as a record's `Environment`."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ...devices.host import HostFacts
from .cuda_facts import CudaFacts
from .git import git_output
from .openmp import openmp_settings
from .record import Environment, Machine, ProcessFacts

# Distributions whose versions are recorded, where they are installed.
DISTRIBUTIONS = ("torch", "ptflops", "numpy", "av", "co3d-bench")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Checkout:
    """The commit of co3d-bench, if it runs from a git checkout."""

    commit: str | None = None
    dirty: bool | None = None


def read_checkout(folder: Path = ROOT) -> Checkout:
    """The commit of `folder` and whether tracked files differ from it; empty where there is no git or no checkout."""
    if not (folder / ".git").exists():
        return Checkout()
    commit = git_output(folder, "rev-parse", "HEAD")
    status = git_output(folder, "status", "--porcelain", "--untracked-files=no")
    return Checkout(commit or None, None if status is None else bool(status))


def read_versions() -> dict[str, str]:
    """The versions of Python and of the installed `DISTRIBUTIONS`."""
    installed = {name.replace("-", "_"): _version(name) for name in DISTRIBUTIONS}
    found = {name: version for name, version in installed.items() if version is not None}
    return {"python": platform.python_version(), **found}


def _version(distribution: str) -> str | None:
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
