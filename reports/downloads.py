"""What can be taken away from the page, besides what can be seen: cases in, text out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ..bench.record.plain import inert
from ..bench.stats.case_result import CaseResult
from ..bench.stats.frame import case_frame


def csv_lines(cases: Sequence[CaseResult]) -> dict[str, str]:
    """The lines of a CSV file by case key, in SI units at full precision; the head's key is empty.

    The columns are those of `co3d_bench.load(store, by="case")`.
    """
    table = case_frame(cases)
    cells = table.astype(object).where(table.notna(), None)
    lines = map(_line, cells.itertuples(index=False))
    return {"": _line(table.columns)} | dict(zip((case.key for case in cases), lines, strict=True))


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(map(inert, cells))
    return text.getvalue()
