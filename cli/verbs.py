"""The table of verbs.

A verb's own file imports what it needs when it is used, so that `--help`, `list` and `report` start without torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from .. import __version__
from ..bench.errors import EXIT_CODES, USAGE, UserError
from .apart import ARGUMENTS
from .bundle import bundle
from .camera import camera
from .check import check
from .choose import choose
from .compare import compare
from .demo import demo
from .doctor import doctor
from .evaluate import evaluate
from .export import export
from .fleet import fleet
from .history import history
from .list import list_
from .options import Verbs
from .paper import paper
from .plan import plan
from .profile import profile
from .query import query
from .report import report
from .run import run
from .schema import schema
from .show import show
from .transient import transient
from .weights import weights

# In the order of --help.
VERBS = (
    demo,
    run,
    camera,
    evaluate,
    transient,
    fleet,
    plan,
    list_,
    doctor,
    show,
    profile,
    export,
    report,
    paper,
    choose,
    compare,
    check,
    history,
    query,
    bundle,
    schema,
    weights,
)

# The mark in front keeps click from rewrapping the lines.
EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())


@click.version_option(__version__, prog_name="co3d-bench", message="%(prog)s %(version)s")
@click.group(cls=Verbs, commands=VERBS, epilog=EPILOG)
def app() -> None:
    """Measure video networks on small machines, to choose which one to deploy."""


def call(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code. Raises UserError, also for wrong usage."""
    try:
        with app.make_context("co3d-bench", list(arguments)) as context:
            context.meta[ARGUMENTS] = tuple(arguments)
            return app.invoke(context) or 0
    except click.exceptions.Exit as ended:  # of --help and --version
        return ended.exit_code
    except click.ClickException as error:
        raise UserError(_complaint(error), USAGE) from None


def _complaint(error: click.ClickException) -> str:
    """One line; it names the help where click says neither what is right nor what comes near."""
    text = " ".join(error.format_message().split())
    wrong_value = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
    context = getattr(error, "ctx", None)
    if context is None or wrong_value or "Did you mean" in text or "--help" in text:
        return text
    return f"{text.removesuffix('.')}; `{context.command_path} --help` shows what there is"
