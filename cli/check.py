"""`co3d-bench check`: the gate. It fails only where something is proven to be worse."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import OK, USAGE, UserError
from ..bench.record.git import drop_callers_repository
from .compare import max_slowdown
from .options import FILE, STORE, Given, check_folder, verb
from .streams import drawn

if TYPE_CHECKING:
    from ..bench.gate.check import Worse
    from ..bench.record.record import Record
    from ..bench.stats.compare.findings import Comparison, Finding

    Pair = tuple[str, str]  # base, head


@verb("check")
@click.argument(
    "store",
    required=False,
    type=STORE,
    help="Records of the head. Default: the cases of the baseline, or those of the options, are measured here.",
)
@click.option(
    "--baseline", metavar="STORE", help="Folder of records, .jsonl file, bundle (.zip), or STORE@RUN; e.g. main@newest."
)
@click.option(
    "--pair",
    nargs=2,
    metavar="BASE HEAD",
    help="Instead: two commits, two file.py:factory, or two commands in quotes, interleaved in pairs; "
    "e.g. --pair main HEAD.",
)
@max_slowdown
@click.option(
    "--accept",
    multiple=True,
    metavar="FIGURE",
    help="An intended change of an exact figure. May be repeated. Default: none; e.g. macs or macs=cox3d-*.",
)
@click.option("--pinned", metavar="STORE", help="A second baseline, to catch slow drift; e.g. release@newest.")
@click.option("--resume", is_flag=True, help="With --pair: continue where the check was stopped.")
@click.option(
    "--plan", is_flag=True, help="With --pair: print how long it takes and which slowdown it can detect, and stop."
)
@click.option("--markdown", type=FILE, help="Write a summary; e.g. check.md.")
@click.option("--junit", type=FILE, help="Write JUnit XML; e.g. check.xml.")
@click.option("--html", type=FILE, help="Write a page; e.g. check.html.")
def check(
    given: Given,
    store: Path | None,
    baseline: str | None,
    pair: Pair | None,
    max_slowdown: float,
    accept: tuple[str, ...],
    pinned: str | None,
    resume: bool,
    plan: bool,
    **files: Path | None,
) -> int:
    """Fail where the head is proven slower, larger or wrong.

    An inconclusive result is reported as such and is no pass. The exit code is 1 for a regression. --pair measures the
    engine eager, unless --backend names others.

    Example: co3d-bench check --pair main HEAD --model cox3d-s-13
    """
    drop_callers_repository()
    _check_options(baseline, pair, alone=store is not None or pinned is not None, pairs_only=resume or plan)
    _check_accepted(accept)
    if store is not None and (given.config or given.overrides):
        raise UserError("STORE is measured already: leave it out, or --config and the options that say what to measure")
    for file in filter(None, files.values()):
        check_folder(file)
    if plan:
        _print_plan(given, pair, max_slowdown)
        return OK
    if baseline is not None:
        baselines = [each for each in (baseline, pinned) if each]
        comparisons = _against(given, baselines, store, max_slowdown, accept)
    else:
        comparisons = [_pair(given, pair, max_slowdown, accept, resume)]
    return _show(comparisons, files)


def _check_options(baseline: str | None, pair: Pair | None, alone: bool, pairs_only: bool) -> None:
    """Raises UserError for options that do not go together."""
    if (baseline is None) == (pair is None):
        raise UserError("check needs either --baseline STORE or --pair BASE HEAD", USAGE)
    if pairs_only and pair is None:
        raise UserError("--resume and --plan go with --pair", USAGE)
    if pair is not None and alone:
        raise UserError("--pair measures base and head itself: leave out STORE and --pinned", USAGE)


def _check_accepted(accept: tuple[str, ...]) -> None:
    """Raises UserError for a figure that does not exist: a slip would be found only by a check that fails."""
    from ..bench.plan.complaints import nearest

    for each in accept:
        if (word := each.partition("=")[0]) not in (words := _exact_words()):
            raise UserError(f"--accept {each}: {word} is no exact figure: {nearest(word, list(words))}", USAGE)


def _exact_words() -> tuple[str, ...]:
    """The figures without noise."""
    from ..bench.stats.compare.exact import EXACT_METRICS, OUTPUT, VERIFICATION

    return (*EXACT_METRICS, OUTPUT, VERIFICATION)


def _against(
    given: Given, baselines: list[str], store: Path | None, limit: float, accept: tuple[str, ...]
) -> list[Comparison]:
    """The head compared with each baseline; without `store` the head is measured now."""
    from ..bench.gate.baseline import check_baseline_exists, measure_head
    from ..bench.run.progress import Lines
    from ..bench.stats.compare.rule import rule_of_stores
    from ..reports.comparison.files import read_record_set
    from ..reports.comparison.match import compare

    for baseline in baselines:
        check_baseline_exists(baseline)
    both = [read_record_set(baseline) for baseline in baselines]
    head = read_record_set(
        str(store) if store else measure_head(both[0].records, given.config, given.overrides, Lines(sys.stderr))
    )
    return [compare(side, head, rule=rule_of_stores(limit), accept=accept) for side in both]


def _pair(given: Given, pair: Pair | None, limit: float, accept: tuple[str, ...], resume: bool) -> Comparison:
    """Base and head, interleaved; figures without noise from one process of each."""
    from ..bench.gate.base_and_head import select_runners
    from ..bench.gate.check import PairCheck, check_pair
    from ..bench.stats.compare.findings import Comparison
    from ..bench.stats.compare.rule import PairRule

    with ExitStack() as stack:
        selection = select_runners(pair or ("", ""), given.config, given.overrides, stack)
        if selection.note:
            click.echo(f"note: {selection.note}", err=True)
        rule = PairRule(max_slowdown=limit)
        order = PairCheck(selection.cases, selection.runners, rule, selection.out, resume, _worse_by(accept))
        checked = check_pair(order, report=lambda text: click.echo(text, err=True))
    base, head = (selection.runners[side].name for side in ("base", "head"))
    findings = checked.findings
    if checked.base and checked.head:
        findings += _exact(checked.base, checked.head, accept)
    return Comparison(base, head, findings, limit)


def _exact(base: tuple[Record, ...], head: tuple[Record, ...], accept: tuple[str, ...]) -> tuple[Finding, ...]:
    """The findings on exact figures."""
    from ..reports.comparison.match import RecordSet, compare

    both = RecordSet("base", base), RecordSet("head", head)
    found = compare(*both, metrics=_exact_words(), accept=accept).findings
    return tuple(finding for finding in found if finding.status == "exact")


def _worse_by(accept: tuple[str, ...]) -> Worse:
    """A function that names the exact figures in which a head is worse than its base; None where there are none."""

    def worse(base: Record, head: Record) -> str | None:
        rows = [(row.metric, row.judgement) for row in _exact((base,), (head,), accept)]
        texts = [f"{name} regressed ({each.why})" for name, each in rows if each and each.verdict == "regressed"]
        return "; ".join(texts) or None

    return worse


def _print_plan(given: Given, pair: Pair | None, limit: float) -> None:
    from ..bench.gate.base_and_head import select_runners
    from ..bench.gate.check import pair_seconds, plan_text
    from ..bench.stats.compare.rule import PairRule

    with ExitStack() as stack:
        selection = select_runners(pair or ("", ""), given.config, given.overrides, stack)
        seconds = pair_seconds(selection.cases, selection.runners)
        click.echo(plan_text(selection.cases, selection.out, PairRule(max_slowdown=limit), seconds))


def _show(comparisons: list[Comparison], files: dict[str, Path | None]) -> int:
    """Print the comparisons, write the requested files and return the exit code."""
    from ..bench.gate.exit_code import exit_code
    from ..reports.comparison.files import write
    from ..reports.comparison.github import annotations, append_step_summary, fenced
    from ..reports.comparison.terminal import render_terminal

    for comparison in comparisons:
        click.echo(fenced(drawn(render_terminal(comparison)), os.environ).encode(errors="replace"), nl=False)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            click.echo(annotations(comparison).encode(errors="replace"), nl=False)
        append_step_summary(comparison, os.environ)
    code = exit_code(comparisons)
    # Of two baselines the files show the one with the worse result.
    shown = next(each for each in comparisons if exit_code([each]) == code)
    for form, file in files.items():
        if file is not None:
            write(shown, file, {"markdown": "md"}.get(form, form))
    return code
