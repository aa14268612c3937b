"""The options that `run` and `plan` share, and how they are laid over bench.toml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..bench.errors import UserError

if TYPE_CHECKING:
    from ..bench.plan.config import Config, Override
    from ..bench.plan.plan import Plan

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help="What to measure.", show_default="bench.toml here, else the built-in one", metavar="FILE"
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="Network, or path/to/file.py:factory; may be given several times.", metavar="NAME"),
]
SuiteName = Annotated[
    str | None,
    typer.Option("--suite", help="A named list of networks instead: `list suites`.", metavar="NAME"),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="Trained weights: a file, an https address, or auto for the public ones (`weights fetch` brings them).",
        show_default="seeded",
        metavar="FILE|URL|auto",
    ),
]
Devices = Annotated[
    list[str] | None, typer.Option("--device", help="Device profile (`list devices`), or auto.", metavar="NAME|auto")
]
Host = Annotated[
    str | None,
    typer.Option(
        "--host",
        help="Where the one --device is reached by ssh, as in [devices.NAME] of bench.toml.",
        metavar="USER@BOARD",
    ),
]
Backends = Annotated[
    list[str] | None,
    typer.Option("--backend", help="Engine; auto is eager and the fastest that is installed.", metavar="NAME|auto"),
]
Precisions = Annotated[
    list[str] | None, typer.Option("--precision", help="Of weights and arithmetic.", metavar="fp32|tf32|bf16|fp16|int8")
]
Batch = Annotated[
    list[str] | None,
    typer.Option(
        "--batch",
        help="Clips, or streams of frames, in one call; auto finds the fastest and the largest.",
        metavar="N|auto",
    ),
]
Threads = Annotated[list[str] | None, typer.Option("--threads", help="Threads inside one operator.", metavar="N|auto")]
Runs = Annotated[
    int | None,
    typer.Option("--runs", help="Timed predictions of each case, spread over its processes.", metavar="N"),
]
Processes = Annotated[
    str | None,
    typer.Option(
        "--processes",
        help="Rounds: fresh processes of each case. auto goes on until each has 7 and is known as well as "
        "--target-precision says, within --time.",
        metavar="N|auto",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--target-precision",
        help="Half-width of the interval that the rounds of auto go on to.",
        show_default="2.5%",
        metavar="SHARE",
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        "--time", help="All rounds of auto together end after it, but for the first: 90s, 8m, 1h.", metavar="TIME"
    ),
]
Budget = Annotated[float | None, typer.Option("--budget", help="No longer used; see --time.", hidden=True)]
Timeout = Annotated[
    float | None, typer.Option("--timeout", help="Seconds after which a process is stopped.", metavar="S")
]
VideoFile = Annotated[Path | None, typer.Option("--video", help="Real frames instead of seeded noise.", metavar="FILE")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the random input.", metavar="N")]
Out = Annotated[str | None, typer.Option("--out", help="Folder for records and report.", metavar="FOLDER")]


def overrides(
    *,
    models: list[str] | None = None,
    suite: str | None = None,
    devices: list[str] | None = None,
    host: str | None = None,
    backends: list[str] | None = None,
    precisions: list[str] | None = None,
    batch: list[str] | None = None,
    threads: list[str] | None = None,
    runs: int | None = None,
    processes: str | None = None,
    target_precision: str | None = None,
    time: str | None = None,
    budget: float | None = None,
    timeout: float | None = None,
    video: Path | None = None,
    seed: int | None = None,
    out: str | None = None,
    weights: str | None = None,
) -> dict[str, Override]:
    """What was given on the command line, by the key of bench.toml it replaces."""
    from ..bench.plan.config import Override

    given: list[tuple[str, str, Any]] = [
        ("plan.models", "--model", models),
        ("plan.suite", "--suite", suite),
        ("plan.weights", "--weights", weights),
        ("plan.devices", "--device", devices),
        ("plan.backends", "--backend", backends),
        ("plan.precisions", "--precision", precisions),
        ("plan.batch", "--batch", [_count(word) for word in batch] if batch else None),
        ("plan.threads", "--threads", [_count(word) for word in threads] if threads else None),
        ("run.runs", "--runs", runs),
        ("run.processes", "--processes", processes and _count(processes)),
        ("run.target_precision", "--target-precision", target_precision and _share(target_precision)),
        ("run.time_s", "--time", time),
        ("run.budget_s", "--budget", budget),
        ("run.timeout_s", "--timeout", timeout),
        ("run.out", "--out", out),
        ("input.seed", "--seed", seed),
        ("input.file", "--video", str(video) if video else None),
        ("input.kind", "--video", "video" if video else None),
    ]
    if host is not None:
        given.append((f"devices.{_host_of(devices, host)}", "--host", {"host": host}))
    return {key: Override(flag, value) for key, flag, value in given if value not in (None, [])}


def _share(word: str) -> float | str:
    try:
        return float(word.removesuffix("%")) / (100 if word.endswith("%") else 1)
    except ValueError:  # to be complained of
        return word


def _host_of(devices: list[str] | None, host: str) -> str:
    """The device that `--host` is about. Raises UserError for a host that ssh would not take for one."""
    from ..devices.profile import check_host

    if devices is None or len(devices) != 1:
        raise UserError("--host goes with one --device, and says where that is; for several use [devices.NAME]")
    try:
        check_host(host)
    except ValueError as error:
        raise UserError(f"--host: {host!r}: {error}") from None
    return devices[0]


def _count(word: str) -> int | str:
    try:
        return int(word)
    except ValueError:  # "auto", or to be complained of
        return word


def show_plan(config: Config, plan: Plan) -> None:
    """Print every case, what was left out or is not installed, and where the plan came from."""
    from ..bench.plan.catalog import Names
    from ..bench.run.ready import aim_of_run, missing_backends, settings_of
    from ..bench.run.rounds import aim_text

    for case in plan.cases:
        typer.echo(case.key)
    for search in plan.searches:
        typer.echo(search.key)
    for line in missing_backends(plan, Names()):
        typer.echo(f"cannot be run here: {line}", err=True)
    for out in plan.left_out:
        typer.echo(f"left out: {out.what}: {out.why}", err=True)
    if plan.searches:
        typer.echo(f"bauto: {len(plan.searches)} times a batch is looked for, and gives a case or two", err=True)
    typer.echo(
        f"{len(plan.cases)} case{'s' if len(plan.cases) != 1 else ''}, {aim_text(aim_of_run(config))}, "
        f"{settings_of(config).runs} or more timed predictions in each process, from {config.source}; "
        f"records would go to {config.run.out}",
        err=True,
    )
