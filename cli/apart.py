"""A verb on a custom network runs in a process of its own, as the networks of `run` do.

So code that prints, ends its process, or leaves processes and threads behind is one message like any other mistake.
"""

from __future__ import annotations

import codecs
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import wraps
from typing import Any

import click

from ..bench.errors import FAILED, INTERNAL, UserError

# Set in the environment of such a process, to what COLUMNS is below.
APART = "CO3D_BENCH_APART"
# In the context of a verb: the words of its command line.
ARGUMENTS = "co3d_bench.arguments"
# There too: columns of the terminal that shows its lines; 0: none does, and whole lines suit `grep`.
COLUMNS = "co3d_bench.columns"


def apart(function: Callable[..., Sequence[str]]) -> Callable[..., None]:
    """Make a verb with an argument `model` of a function that returns the lines to print.

    What the network's code prints goes to standard error.
    """

    @wraps(function)
    def run(*given: Any, model: str, **options: Any) -> None:
        from ..bench.plan.custom_models import is_custom

        context = click.get_current_context()
        asked = os.environ.pop(APART, None)
        context.meta[COLUMNS] = _columns() if asked is None else int(asked)

        def lines() -> Sequence[str]:
            with redirect_stdout(sys.stderr):
                return function(*given, model=model, **options)

        if asked is not None:
            _answer(lines)
        elif is_custom(model):
            _print(_ask(model, context.meta[ARGUMENTS], context.meta[COLUMNS]))
        else:
            _print(lines())

    return run


def _columns() -> int:
    return _terminal_columns() if sys.stdout.isatty() else 0


def _terminal_columns() -> int:
    """80 where the terminal does not know it, as over a serial line."""
    return shutil.get_terminal_size().columns or 80  # 0 before Python 3.11


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line)


def _answer(lines: Callable[[], Sequence[str]]) -> None:
    """In such a process: the verb's lines, for `_ask`."""
    from ..devices.processes import Channel

    channel = Channel()
    try:
        answer: dict[str, Any] = {"lines": list(lines())}
    except UserError as error:
        answer = {"error": error.message, "exit_code": error.exit_code}
    channel.send(json.dumps(answer).encode() + b"\n")


def _ask(model: str, arguments: Sequence[str], columns: int) -> Sequence[str]:
    """The lines of a verb that runs in another process. Raises UserError."""
    from ..devices.own_path import python_command
    from ..devices.processes import Guarded, run_guarded

    environment = {
        APART: str(columns),
        # A file in the current folder with a library's name must not be imported instead of the library.
        "PYTHONSAFEPATH": "1",
        "COLUMNS": str(_terminal_columns()),  # for tables
    }
    output, text = bytearray(), codecs.getincrementaldecoder("utf-8")("replace")
    ended = run_guarded(
        Guarded(python_command("-m", "co3d_bench", *arguments), environment=environment),
        output.extend,
        answered=lambda: b"\n" in output,
        on_errors=lambda data: click.echo(text.decode(data), nl=False, err=True),
    )
    if b"\n" in output:
        answer = json.loads(output.partition(b"\n")[0])
        if "error" in answer:
            raise UserError(answer["error"], answer["exit_code"])
        return answer["lines"]
    if ended.returncode == INTERNAL:  # and it said so
        raise click.exceptions.Exit(INTERNAL)
    how = f"signal {-ended.returncode}" if ended.returncode < 0 else f"exit code {ended.returncode}"
    raise UserError(f"{model}: its code ended the process ({how})", FAILED)
