"""The engine `trtexec` over ssh: `bench/backends/trtexec_tool.py` runs the session there, its output is read here.

Untested on hardware.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....models.spec import ModelSpec
from ...backends import PLAIN, Ask, Runnable, get_backend
from ...backends.eager import runnable
from ...backends.trtexec import NAME, Session, export_missing, make_session, read_answers, read_session
from ...errors import UserError
from ...measure.external import verify_answers
from ...measure.input import make_inputs
from ...measure.job import Job
from .lines import BoardLines
from .measured import Measured, Request

if TYPE_CHECKING:
    from torch import Tensor


def make_request(job: Job, spec: ModelSpec, net: Any, example: Tensor, folder: Path) -> Request:
    """The files to copy and the session, with the options that the tool there has. Raises UserError."""
    if lacks := export_missing():
        raise UserError(f"{NAME}: {lacks}")
    case = job.case
    ring = make_inputs(spec, case.batch, case.input, None).ring
    help_text = (job.host and job.host.trtexec) or ""
    given = Ask(case.precision, case.threads, calibration=ring)
    session = make_session(net, ring, given, job.settings, help_text, verify=True)
    data, fields = session.files()
    files = {field: folder / f"{case.model}-{case.precision}-b{case.batch}.{field}" for field in data}
    for field, file in files.items():
        file.write_bytes(data[field])
    return Request(files, {"engine": NAME, **fields}, read=lambda lines: _read(lines, job, session))


def local_runnable(job: Job, net: Any, example: Tensor, request: Request) -> Runnable:
    """The network in PyTorch on this machine, to count its state, which is the same."""
    return runnable(net, example, PLAIN)


def _read(lines: BoardLines, job: Job, session: Session) -> Measured:
    done = lines.results[NAME]
    result = read_session(session, job.settings, done)
    answers = read_answers(session, "".join(line["text"] for line in lines.answers))
    return Measured(
        timing=result.timing,
        verification=verify_answers(answers, get_backend(NAME).tolerance[job.case.precision]),
        engine=result.engine,
        versions={**done["versions"], "tensorrt": result.engine.version},
        peak_rss_bytes=result.peak_rss_bytes,
        notes=("started by the agent of the board, over ssh",),
    )
