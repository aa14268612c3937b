"""The engine `native` over ssh: its network as a C project, which the board compiles for itself and calls."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .... import __version__
from ....models.spec import ModelSpec
from ...backends import Ask, Runnable, get_backend
from ...backends.native import c_project
from ...export import Options
from ...measure.job import Job
from ...record.record import Engine
from . import aten
from .lines import BoardLines
from .measured import Measured, Request

if TYPE_CHECKING:
    from torch import Tensor

_TIME = (1980, 1, 1, 0, 0, 0)  # of the files in the zip; a fixed one makes equal files of equal networks
_LEFT_OUT = ("test", "example.py", "README.md", "CMakeLists.txt")


def make_request(job: Job, spec: ModelSpec, net: Any, example: Tensor, folder: Path) -> Request:
    """The project as a zip, and the job. Raises UserError for a network that has an operator without a kernel."""
    import torch

    file = folder / f"{job.case.model}-b{job.case.batch}.c.zip"
    if not file.exists():  # another case of this run may have written it
        with TemporaryDirectory(dir=folder) as temporary, torch.inference_mode(False):
            project = Path(temporary) / "network"
            c_project.write(net, torch.zeros(example.shape), project, Options(model=spec.name))
            _pack(project, file.with_suffix(".part"))
        file.with_suffix(".part").rename(file)
    return Request(
        files={"artefact": file},
        fields={**aten.request_fields(job, spec, net), "engine": "native"},
        read=lambda lines: read(lines, job, spec, net, example, file),
    )


def _pack(project: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(project.rglob("*")):
            name = file.relative_to(project)
            if file.is_file() and name.parts[0] not in _LEFT_OUT:
                archive.writestr(zipfile.ZipInfo(str(name), _TIME), file.read_bytes())


def local_runnable(job: Job, net: Any, example: Tensor, request: Request) -> Runnable:
    """The engine on this machine, to count its state."""
    return get_backend("native").prepare(net, example, Ask(threads=job.case.threads))


def read(lines: BoardLines, job: Job, spec: ModelSpec, net: Any, example: Tensor, file: Path) -> Measured:
    """What the board measured, its answers compared with the eager network on this machine."""
    there = lines.results["measured"]["native"]
    engine = Engine(
        name="co3d-bench",
        version=__version__,
        provider=f"{int(there['vector_bits'])}-bit vectors",
        threads=lines.results["measured"]["threads"],
        artefact_bytes=file.stat().st_size,
        compile_s=float(there["compile_s"]),
        compile_cached=False,
        notes=(str(there["compiler"]),),
    )
    return replace(aten.read(lines, job, spec, net, example, file), engine=engine)
