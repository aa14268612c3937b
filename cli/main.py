"""The command line: one table of verbs, and the one place where rooms meet.

A verb's own file imports what it needs when it is used, so that `--help`, `list` and `report` start without torch.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
import warnings
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from .. import __version__
from ..bench.errors import ENVIRONMENT, EXIT_CODES, INTERNAL, USAGE, UserError
from . import (
    check as checking,
)
from . import (
    compare as comparing,
)
from . import (
    doctor as doctoring,
)
from . import (
    export as exporting,
)
from . import (
    history,
)
from . import (
    list as listing,
)
from . import (
    plan as planning,
)
from . import (
    profile as profiling,
)
from . import (
    query as querying,
)
from . import (
    report as reporting,
)
from . import (
    run as running,
)
from . import (
    show as showing,
)
from .streams import discard_output, open_missing
from .weights import weights

# Set to 1, an internal error shows where it happened.
TRACEBACK = "CO3D_BENCH_TRACEBACK"

# The mark in front keeps the help from refilling the lines.
EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())

# verb -> the function that is it, or the group of functions; the order is that of --help
VERBS = {
    "run": running.run,
    "plan": planning.plan,
    "list": listing.list_,
    "doctor": doctoring.doctor,
    "show": showing.show,
    "profile": profiling.profile,
    "export": exporting.export,
    "report": reporting.report,
    "compare": comparing.compare,
    "check": checking.check,
    "history": history.history,
    "query": querying.query,
    "weights": weights,
}

app = typer.Typer(
    help="Which video network to deploy on a small machine, in numbers one can trust.",
    epilog=EPILOG,
    rich_markup_mode=None,  # plain help: it starts in half the time
    pretty_exceptions_enable=False,
    add_completion=False,
)
for _name, _verb in VERBS.items():
    if isinstance(_verb, typer.Typer):
        app.add_typer(_verb, name=_name)
    else:
        app.command(_name)(_verb)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"co3d-bench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a mistake of the user is one message and its exit code, never a traceback."""
    warnings.formatwarning = _one_line
    open_missing()
    try:
        sys.exit(app(sys.argv[1:] or ["--help"], prog_name="co3d-bench", standalone_mode=False))
    except TyperException as error:  # an option or argument that typer itself refuses
        typer.echo(f"co3d-bench: {_words(error)}", err=True)
        sys.exit(USAGE)
    except UserError as error:
        typer.echo(f"co3d-bench: {error.message}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # of our own output: files that are read or written are told of where that is done
        discard_output()
        typer.echo(f"co3d-bench: {error.filename or 'the output'}: {error.strerror or error}", err=True)
        sys.exit(ENVIRONMENT)
    except Exception as error:  # noqa: BLE001 - Python's own code would be 1, which says that something regressed
        if os.environ.get(TRACEBACK) == "1":
            traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split())
        typer.echo(f"co3d-bench: internal error: {text} ({TRACEBACK}=1 shows where)", err=True)
        sys.exit(INTERNAL)
    finally:
        gc.freeze()  # else Python searches all of torch for circles once more before it ends


def _words(error: TyperException) -> str:
    """What typer has to say, in one line and without the name of a library's exception."""
    told = getattr(error, "format_message", None)  # names the option; not every such exception has it
    text = str(told() if told else error)
    return " ".join(text.split()).replace("Value error, ", "")


def _one_line(message: Warning | str, *_: Any, **__: Any) -> str:
    return f"co3d-bench: warning: {message}\n"
