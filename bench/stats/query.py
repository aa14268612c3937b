"""SQL over the records of a store with DuckDB."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NOTHING, USAGE, UserError
from ..record.record import KINDS
from ..record.sources import Stores, read_sources
from .case_result import case_results
from .frame import case_frame, frame

if TYPE_CHECKING:
    import pandas

# A statement may come from anybody: it sees the two tables, and no file, network, extension or variable of ours.
_LOCKED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "''",
    "enable_external_access": "false",
    "lock_configuration": "true",  # last: nothing is set after it
}
INSTALL = "pip install duckdb"


def query(sql: str, path: Stores) -> pandas.DataFrame:
    """The result of one SQL statement.

    It reads the tables `records`, a row a process (`frame.FIELDS`), and `cases`, a row a case with the figures that the
    report shows (`frame.CASE_FIELDS`).

    It cannot read files or the network. Raises UserError where DuckDB is not
    installed, for a mistake in the statement (with DuckDB's words), and where the store cannot be read.
    """
    if find_spec("duckdb") is None:
        raise UserError(f"query needs DuckDB: {INSTALL}", NOTHING)
    import duckdb

    records = read_sources(path)
    tables = {"records": frame(records), "cases": case_frame(case_results(records, KINDS))}
    with duckdb.connect(config={"threads": 1}) as database:
        for name, table in tables.items():
            database.register(name, table)
        for setting, value in _LOCKED.items():
            database.execute(f"SET {setting} = {value}")
        try:
            if not database.extract_statements(sql):
                raise UserError("an empty statement; --columns lists the columns", USAGE)
            return database.execute(sql).df()
        except duckdb.Error as error:
            raise UserError(f"DuckDB rejects the statement: {_words(error)}", USAGE) from error


def parquet(table: pandas.DataFrame) -> bytes:
    """A result as a Parquet file, which dashboards read."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"threads": 1}) as database:
        file = Path(folder) / "table.parquet"
        database.from_df(table).write_parquet(str(file))
        return file.read_bytes()


def _words(error: Exception) -> str:
    """DuckDB's message without its drawing of the position."""
    return " ".join(str(error).partition("\n\nLINE")[0].split())
