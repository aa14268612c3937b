"""The command that measures a cell of the paper's tables, and the one that measures all networks of its table."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from ...models.paper import Line, PaperTable
from ...models.suites import SUITES

# Devices of the paper that are too old for our Python: they are reached over ssh.
OVER_SSH = ("tx2", "xavier")
_PLAIN = ("--backend", "eager")


@dataclass(frozen=True)
class Command:
    """A command line of ours."""

    words: tuple[str, ...]
    together: tuple[str, ...] = ()  # the same for all networks at once

    @property
    def text(self) -> str:
        return shlex.join(("co3d-bench", *self.words))

    @property
    def here(self) -> bool:
        """Whether any machine will do."""
        return "--device" not in self.words


def _command(verb: str, network: tuple[str, ...], suite: str, rest: tuple[str, ...]) -> Command:
    return Command((verb, *network, *rest), (verb, "--suite", suite, *rest))


def run_command(line: Line, out: tuple[str, ...], device: str | None = None) -> Command:
    """Speed on a device of the paper, else here; parameters, memory and MACs are in every record of it."""
    where = ("--device", device) if device else ()
    where += ("--host", f"user@{device}.local") if device in OVER_SSH else ()
    suite = "paper" if line.model in SUITES["paper"].models() else "paper-table3"
    return _command("run", ("--model", line.model), suite, (*where, *_PLAIN, *out))


def evaluate_command(table: PaperTable, line: Line, out: tuple[str, ...]) -> Command:
    """Accuracy under the conditions of a table."""
    rate = ("--fps", f"{table.fps:g}") if table.fps else ()
    rest = ("--weights", line.weights, "--data", table.dataset.example, *rate, *out)
    if table.number == 2:
        networks = dict.fromkeys(each.model for each in table.lines)
        every = tuple(word for name in networks for word in ("--model", name))
        return Command(("evaluate", "--model", line.model, *rest), ("evaluate", *every, *rest))
    return _command("evaluate", ("--model", line.model), "paper-public" if table.number == 1 else "paper-table3", rest)


def transient_command(line: Line, table: PaperTable, out: tuple[str, ...]) -> Command:
    """A curve of Figure 5."""
    rate = ("--fps", f"{table.fps:g}") if table.fps else ()
    return Command(("transient", line.model, "--weights", line.weights, "--data", table.dataset.example, *rate, *out))
