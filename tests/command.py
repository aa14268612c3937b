"""The command line in this process, for what needs none of its own: loading torch and pandas anew takes a second."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from typing import NamedTuple

import pytest

from co3d_bench.cli import main as cli


class Done(NamedTuple):
    """As subprocess tells of a process that has ended."""

    returncode: int
    stdout: str
    stderr: str


def call(folder, *arguments):
    """`co3d-bench ARGUMENTS` in that folder."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["co3d-bench", *map(str, arguments)])
        patch.setattr(warnings, "formatwarning", warnings.formatwarning)  # `main` has its own
        with pytest.raises(SystemExit) as ended:
            cli.main()
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return Done(ended.value.code or 0, *said)
