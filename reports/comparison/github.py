"""What GitHub Actions reads: annotations as workflow commands, and the summary of a step."""

# No `from __future__ import annotations` here: the name is that of a function below.
import secrets
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...bench.stats.compare.findings import Comparison, Finding
from . import words
from .markdown import markdown

SUMMARY = "GITHUB_STEP_SUMMARY"
# GitHub takes no more of a step's summary, and shows no more annotations of one level for a step.
MOST_SUMMARY_BYTES = 1024 * 1024
MOST_ANNOTATIONS = 10

# outcome -> the command; equivalent and new rows need none
LEVELS = {
    "regressed": "error",
    "failed": "error",
    "inconclusive": "warning",
    "incomparable": "warning",
    "gone": "warning",
    "improved": "notice",
}


class SummaryWarning(UserWarning):
    """The summary of a step could not be written; the comparison itself is not affected."""


def annotations(comparison: Comparison) -> str:
    """Workflow commands, one a line, worst first; of each level as many as GitHub shows, the last counts the rest.

    Print them at the start of a line. Empty where there is nothing to annotate.
    """
    found = words.ordered([f for f in comparison.findings if words.outcome(f) in LEVELS])
    lines = []
    for level in dict.fromkeys(LEVELS.values()):
        of_level = [finding for finding in found if LEVELS[words.outcome(finding)] == level]
        shown = of_level if len(of_level) <= MOST_ANNOTATIONS else of_level[: MOST_ANNOTATIONS - 1]
        lines += [_command(level, _title(finding), _message(finding)) for finding in shown]
        if rest := of_level[len(shown) :]:
            lines.append(_command(level, f"{len(rest)} more", f"{words.counted(rest)}; the summary has them all"))
    return "".join(f"{line}\n" for line in lines)


def _title(finding: Finding) -> str:
    return f"{words.style(finding).word}: {words.plain(finding.key)} {words.label(finding)}"


def _message(finding: Finding) -> str:
    figures = f"{words.figure(finding, finding.base)} to {words.figure(finding, finding.head)} {words.unit(finding)}"
    return "; ".join([figures, *(words.plain(reason) for reason in words.reasons(finding))])


def _command(level: str, title: str, message: str) -> str:
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    """As the runner decodes it: a message can neither end its line nor begin another command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def fenced(text: str, environ: Mapping[str, str]) -> str:
    """Text for a log in which nothing is a workflow command, whatever a name holds; unchanged outside of Actions."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return text
    word = secrets.token_hex(16)  # cannot be guessed by the author of a name
    return f"::stop-commands::{word}\n{text.rstrip()}\n::{word}::\n"


def append_step_summary(comparison: Comparison, environ: Mapping[str, str]) -> bool:
    """Append the comparison to the step's summary, where GitHub asks for one; whether it was.

    A summary that cannot be written is a SummaryWarning: it must not change the gate's result.
    """
    name = environ.get(SUMMARY)
    if not name:
        return False
    file = Path(name)
    try:
        used = file.stat().st_size if file.exists() else 0
        with file.open("a", encoding="utf-8") as summary:
            summary.write(_fitting(comparison, MOST_SUMMARY_BYTES - used))
    except OSError as error:
        warnings.warn(f"{file}: the summary cannot be written ({error.strerror})", SummaryWarning, stacklevel=2)
        return False
    return True


def _fitting(comparison: Comparison, room: int, sizes: Sequence[int | None] = (None, 500, 100, 20, 0)) -> str:
    """The longest form of the comparison that still fits; the shortest where none does."""
    text = ""
    for most_rows in sizes:
        text = markdown(comparison, most_rows) + "\n"
        if len(text.encode()) <= room:
            break
    return text
