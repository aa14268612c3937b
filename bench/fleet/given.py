"""Which board was given which case: on the disk before the board gets it, so that what a host that was killed has left
on a board is asked for there, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from ..record.case import Case, Frozen
from ..record.store import append_line, each_line, records_file

FILE_NAME = "fleet.jsonl"


class _Given(Frozen):
    run_id: str
    board: str
    case: Case


def note_given(out: str | Path, run_id: str, board: str, case: Case) -> None:
    """Note durably that a board gets a case. Raises UserError if it cannot be written."""
    append_line(_file(out), _Given(run_id=run_id, board=board, case=case).model_dump_json())


def last_given(out: str | Path, run_id: str) -> dict[Case, str]:
    """The last case that each board got in a run: by the case, the name of its board."""
    if not _file(out).exists():
        return {}
    given = [line for line in each_line(_file(out), _Given.model_validate_json) if line.run_id == run_id]
    last = {line.board: line.case for line in given}
    return {line.case: line.board for line in given if last[line.board] == line.case}


def _file(out: str | Path) -> Path:
    return records_file(out).with_name(FILE_NAME)
