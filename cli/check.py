"""`co3d-bench check`: the gate. It fails where something is proven to be worse, and only there."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..bench.errors import USAGE, UserError
from . import options
from .compare import share

if TYPE_CHECKING:
    from ..bench.plan.config import Override
    from ..bench.record.record import Record
    from ..bench.stats.compare.findings import Comparison, Finding


Head = Annotated[
    Path | None,
    typer.Argument(help="Records of the head; without it the head is measured here.", metavar="[STORE]"),
]
Baseline = Annotated[
    str | None, typer.Option("--baseline", help="Folder of records, .jsonl file, or FOLDER@RUN.", metavar="STORE")
]
Pair = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--pair",
        help="Instead: two commits, two file.py:factory, or two commands in quotes, interleaved in pairs.",
        metavar="BASE HEAD",
    ),
]
MaxSlowdown = Annotated[str, typer.Option("--max-slowdown", help="What must not pass.", metavar="SHARE")]
Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept", help="A change of an exact figure that is meant: macs, or macs=cox3d-*.", metavar="FIGURE"
    ),
]
Pinned = Annotated[
    str | None,
    typer.Option("--pinned", help="A second baseline, e.g. the last release: against slow drift.", metavar="STORE"),
]


def check(
    store: Head = None,
    baseline: Baseline = None,
    pair: Pair = None,
    max_slowdown: MaxSlowdown = "5%",
    accept: Accept = None,
    pinned: Pinned = None,
    config: options.ConfigFile = None,
    model: options.Models = None,
    suite: options.SuiteName = None,
    backend: options.Backends = None,
    precision: options.Precisions = None,
    batch: options.Batch = None,
    threads: options.Threads = None,
    timeout: options.Timeout = None,
    out: options.Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="With --pair: go on where it was stopped.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="With --pair: say how long it takes and what it can find, and stop.")
    ] = False,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a summary there.", metavar="FILE")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML there.", metavar="FILE")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page there.", metavar="FILE")] = None,
) -> None:
    """Fail (exit code 1) where the head is slower, larger or wrong. What is not known is said, and is no pass."""
    limit = share(max_slowdown)
    _must_fit(baseline, pair, alone=store is not None or pinned is not None, pairs_only=resume or plan)
    given = options.overrides(
        models=model,
        suite=suite,
        backends=backend,
        precisions=precision,
        batch=batch,
        threads=threads,
        timeout=timeout,
        out=out,
    )
    if plan:
        _plan(pair, limit, config, given)
        return
    if baseline is not None:
        found = _against([each for each in (baseline, pinned) if each], store, limit, accept or [], config, given)
    else:
        found = [_pair(pair, limit, accept or [], config, given, resume)]
    _end(found, {"md": markdown, "junit": junit, "html": html})


def _must_fit(baseline: str | None, pair: tuple[str, str] | None, alone: bool, pairs_only: bool) -> None:
    """Raises UserError for options that do not go together."""
    if (baseline is None) == (pair is None):
        raise UserError("check wants either --baseline STORE or --pair BASE HEAD", USAGE)
    if pairs_only and pair is None:
        raise UserError("--resume and --plan go with --pair", USAGE)
    if pair is not None and alone:
        raise UserError("--pair measures both sides itself: leave STORE and --pinned away", USAGE)


def _against(
    baselines: list[str],
    store: Path | None,
    limit: float,
    accept: list[str],
    config: Path | None,
    given: dict[str, Override],
) -> list[Comparison]:
    """The head's records, or what is measured of it now, beside each baseline."""
    from ..bench.gate.baseline import measure_head, must_be_there
    from ..bench.run.progress import Lines
    from ..bench.stats.compare.rule import rule_of_stores
    from ..reports.comparison.match import compare
    from ..reports.comparison.sides import read_side

    for baseline in baselines:
        must_be_there(baseline)
    sides = [read_side(baseline) for baseline in baselines]
    head = read_side(str(store) if store else measure_head(sides[0].records, config, given, Lines()))
    return [compare(side, head, rule=rule_of_stores(limit), accept=accept) for side in sides]


def _pair(
    pair: tuple[str, str] | None,
    limit: float,
    accept: list[str],
    config: Path | None,
    given: dict[str, Override],
    resume: bool,
) -> Comparison:
    """Both sides, interleaved; figures without noise from one process of each."""
    from ..bench.gate.check import Order, check_pair
    from ..bench.gate.choose import choose
    from ..bench.stats.compare.exact import EXACT_METRICS, OUTPUT, VERIFICATION
    from ..bench.stats.compare.findings import Comparison
    from ..bench.stats.compare.rule import PairRule
    from ..reports.comparison.match import Side, compare

    def exact(base: tuple[Record, ...], head: tuple[Record, ...]) -> tuple[Finding, ...]:
        metrics = (*EXACT_METRICS, OUTPUT, VERIFICATION)
        found = compare(Side("base", base), Side("head", head), metrics=metrics, accept=accept).findings
        return tuple(finding for finding in found if finding.status == "exact")

    def worse(base: Record, head: Record) -> str | None:
        rows = [(row.metric, row.judgement) for row in exact((base,), (head,))]
        said = [f"{name} regressed ({each.why})" for name, each in rows if each and each.verdict == "regressed"]
        return "; ".join(said) or None

    with ExitStack() as stack:
        chosen = choose(pair or ("", ""), config, given, stack)
        order = Order(chosen.cases, chosen.sides, PairRule(max_slowdown=limit), chosen.out, resume, worse)
        checked = check_pair(order, tell=lambda text: typer.echo(text, err=True))
    base, head = (chosen.sides[side].name for side in ("base", "head"))
    findings = checked.findings
    if checked.base and checked.head:
        findings += exact(checked.base, checked.head)
    return Comparison(base, head, findings, limit)


def _plan(pair: tuple[str, str] | None, limit: float, config: Path | None, given: dict[str, Override]) -> None:
    from ..bench.gate.check import pair_seconds, plan_text
    from ..bench.gate.choose import choose
    from ..bench.stats.compare.rule import PairRule

    with ExitStack() as stack:
        chosen = choose(pair or ("", ""), config, given, stack)
        seconds = pair_seconds(chosen.cases, chosen.sides)
        typer.echo(plan_text(chosen.cases, chosen.out, PairRule(max_slowdown=limit), seconds))


def _end(comparisons: list[Comparison], files: dict[str, Path | None]) -> None:
    """Show everything, write what was asked for, and end with what it means."""
    from rich.console import Console

    from ..bench.gate.ending import exit_code
    from ..reports.comparison.github import annotations, append_step_summary, fenced
    from ..reports.comparison.sides import write
    from ..reports.comparison.terminal import render_terminal

    for comparison in comparisons:
        console = Console()
        with console.capture() as drawn:
            console.print(render_terminal(comparison))
        typer.echo(fenced(drawn.get(), os.environ), nl=False)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            typer.echo(annotations(comparison), nl=False)
        append_step_summary(comparison, os.environ)
    code = exit_code(comparisons)
    # Of two baselines the files show the one that is answered worse.
    shown = next(each for each in comparisons if exit_code([each]) == code)
    for form, file in files.items():
        if file is not None:
            write(shown, file, form)
    if code:
        raise typer.Exit(code)
