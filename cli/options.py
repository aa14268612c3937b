"""The run options, one table: the key of bench.toml that each replaces, and the verbs that take it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..bench.errors import ENVIRONMENT, UserError

if TYPE_CHECKING:
    from ..bench.plan.config import Override
    from ..bench.plan.resolve import Resolved
    from ..models.spec import ModelSpec

AUTO = "auto"
NO_BACKENDS = "auto; eager where a bench.toml of yours names none"


def number(word: str) -> float | str:
    """The word as a number where it is one; any other word is left to the check of bench.toml."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(word)
    return word


def count(word: str | int) -> int:
    """A whole number, at least 1. Raises click.BadParameter for anything else."""
    with suppress(ValueError):
        if (value := int(word)) >= 1:
            return value
    raise click.BadParameter(f"{word!r}: must be a whole number, at least 1")


# Headings of the help, by the table of bench.toml.
_HEADINGS = {
    "plan": "What to measure ([plan] of bench.toml)",
    "devices": "What to measure ([plan] of bench.toml)",
    "input": "Input of the networks ([input])",
    "run": "How long to measure, and where records go ([run])",
    "camera": "The camera ([camera])",
    "evaluate": "Films whose classes are known ([evaluate])",
    "transient": "The start ([transient])",
}


@dataclass(frozen=True)
class RunOption:
    """A row of the table."""

    flag: str
    key: str  # of bench.toml
    metavar: str
    help: str
    default: str  # what is used without it: the built-in bench.toml's, in words
    example: str
    verbs: str
    auto: str = ""  # what `auto` means, where it may be given
    type: Callable[[str], Any] = str
    several: bool = False
    hidden: bool = False

    def option(self, own: Any = None) -> KeyedOption:
        """The click option; `own` is a default of the verb, which makes it an option with one value."""
        auto = self.auto if own in (None, AUTO) else ""
        several = self.several and own is None
        texts = (
            self.help,
            "May be repeated." if several else "",
            f"auto: {auto}." if auto else "",
            f"Default: {own or self.default}; e.g. {self.example}." if self.example else "",
        )
        return KeyedOption(
            [self.flag],
            key=self.key,
            metavar=f"{self.metavar}|{AUTO}" if auto else self.metavar,
            help=" ".join(filter(None, texts)),
            type=count if isinstance(own, int) else self.type,
            default=own,
            multiple=several,
            hidden=self.hidden,
            **{"is_flag": True, "flag_value": True} if self.type is bool else {},
        )


class KeyedOption(click.Option):
    """An option whose value replaces that key of bench.toml."""

    def __init__(self, *args: Any, key: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key = key
        self.heading = _HEADINGS.get(key.partition(".")[0], "Options")


# fmt: off
RUN_OPTIONS = (
    RunOption("--model", "plan.models", "NAME", "Network (`list models`), or path/to/file.py:factory.",
              "those of bench.toml", "cox3d-s-13", "run plan check camera evaluate", several=True),
    RunOption("--suite", "plan.suite", "NAME", "A named list of networks (`list suites`), instead of --model.",
              "none", "paper", "run plan check camera evaluate"),
    RunOption("--weights", "plan.weights", "FILE|URL", "Trained weights: a file or an https address.",
              "random ones, seeded", "x3d_s.pth", "run plan profile show export camera evaluate transient",
              auto="the public ones, which `weights fetch` downloads"),
    RunOption("--classes", "plan.classes", "N", "Number of classes of the network.",
              "those of the weights, else the network's own", "60", "run plan profile show export", type=count),
    RunOption("--device", "plan.devices", "NAME", "Device (`list devices`).",
              "cpu", "xavier", "run plan doctor camera evaluate transient", auto="the profile of this machine",
              several=True),
    RunOption("--host", "devices.*.host", "USER@HOST", "How ssh reaches the one --device.",
              "the host of [devices.NAME] in bench.toml", "user@xavier.local", "run plan"),
    RunOption("--backend", "plan.backends", "NAME", "Engine (`list backends`).",
              NO_BACKENDS, "onnxruntime", "run plan profile", several=True,
              auto="eager, and the fastest that is installed"),
    RunOption("--backend", "plan.backends", "NAME", "Engine (`list backends`).",
              NO_BACKENDS, "onnxruntime", "check", several=True,
              auto="with --pair eager; else eager, and the fastest that is installed"),
    RunOption("--backend", "plan.backends", "NAME", "Engine (`list backends`).",
              NO_BACKENDS, "onnxruntime", "camera evaluate transient", several=True,
              auto="the fastest that is installed"),
    RunOption("--precision", "plan.precisions", "NAME",
              "Precision of weights and arithmetic: fp32, tf32, bf16, fp16 or int8, if the engine has it.",
              "fp32", "fp16", "run plan check profile camera evaluate transient", several=True),
    RunOption("--precision", "plan.precisions", "NAME", "Precision of weights and arithmetic: fp32, bf16 or fp16.",
              "fp32", "fp16", "export", several=True),
    RunOption("--batch", "plan.batch", "N", "Clips, or streams of frames, in one call.",
              "1", "8", "run plan check profile export", type=number, several=True,
              auto="the fastest, and the largest that fits"),
    RunOption("--threads", "plan.threads", "N", "Threads inside one operator.",
              AUTO, "4", "run plan check profile camera evaluate transient", type=number, several=True,
              auto="as many as physical cores this process may use"),
    RunOption("--source", "camera.source", "SOURCE",
              "What the camera shows: a film, /dev/video0, rtsp://..., or random.", "random", "film.mp4", "camera"),
    RunOption("--fps", "camera.fps", "N", "Frames a second.", "the film's own rate, else 30", "25", "camera",
              type=number),
    RunOption("--duration", "camera.duration_s", "TIME", "How long each network is watched.", "60s", "10m", "camera",
              type=number),
    RunOption("--deadline", "camera.deadline_s", "TIME",
              "An answer later than this after its frame was due is late.", "100ms", "50ms", "camera", type=number),
    RunOption("--every", "camera.every", "N", "Every N-th frame is due an answer; trained: the frame interval of "
              "the network's weights.", "trained and 1", "5", "camera", type=number, several=True),
    RunOption("--queue", "camera.queue", "N", "Frames that may wait.", "1", "4", "camera", type=number),
    RunOption("--policy", "camera.policy", "newest|oldest|block",
              "Which frame is kept when the queue is full; block: the camera waits.", "newest", "oldest", "camera"),
    RunOption("--gap", "camera.gap", "step|repeat", "What a network's state gets for a dropped frame: step: nothing; "
              "repeat: the frame before it again.", "step", "repeat", "camera"),
    RunOption("--interleave", "camera.interleave", "", "Frame networks answer for each frame, "
              "and each of several states sees frames at the rate of the weights.", "", "", "camera", type=bool),
    RunOption("--streams", "camera.streams", "N", "Cameras, each with a state of its own.", "1", "4", "camera",
              type=number, auto="the most of which each misses at most 1% of its deadlines, at 99% confidence; "
              "--duration limits the trial of each number"),
    RunOption("--data", "evaluate.data", "DATA",
              "Films with labels: a folder of class folders, Kinetics' or Charades' CSV, "
              "or a list of films and labels.", "none", "kinetics/val.csv", "evaluate transient"),
    RunOption("--films", "evaluate.films", "FOLDER", "Folder of the films of a CSV or a list.",
              "the folder of that file", "kinetics/films", "evaluate transient"),
    RunOption("--classes", "evaluate.classes", "FILE", "Classes in the order of the checkpoint, a name a line.",
              "the data's own, or those of Kinetics-400", "classes.txt", "evaluate transient"),
    RunOption("--fps", "evaluate.fps", "N", "Frames a second that the network sees.", "the rate of its weights", "15",
              "evaluate transient", type=number),
    RunOption("--limit", "evaluate.limit", "N", "Number of films, spread evenly over the data.", "all", "500",
              "evaluate transient", type=number),
    RunOption("--start", "transient.start", "zeros|replicate|cut",
              "What the state holds before the first frame: zeros; replicate: the first frame, shown for ever; cut: "
              "another film or scene.", "zeros and replicate", "cut", "transient", several=True),
    RunOption("--frames", "transient.frames", "N", "Frames that are answered after the start.",
              "a quarter more than the receptive field", "128", "transient", type=number),
    RunOption("--drop", "evaluate.drop", "SHARE|STORE", "Frames that never reach the network: a share of them, drawn "
              "by --seed, or those that had no answer in the camera's record of the same network and engine in STORE.",
              "none", "10%", "evaluate"),
    RunOption("--video", "input.file", "FILE", "Input frames from a video.", "seeded random frames", "clip.mp4",
              "run plan evaluate transient"),
    RunOption("--seed", "input.seed", "N", "Seed of the random frames.", "0", "7", "run plan evaluate transient",
              type=number),
    RunOption("--runs", "run.runs", "N", "Timed predictions of each case, spread over its processes.",
              "100", "300", "run plan", type=number),
    RunOption("--processes", "run.processes", "N", "Fresh processes of each case, one in each round.",
              AUTO, "3", "run plan", type=number,
              auto="until each case has 7 and its interval is as narrow as --target-precision, within --time"),
    RunOption("--target-precision", "run.target_precision", "SHARE",
              "Half-width of the 95 % interval that --processes auto aims at.", "2.5%", "1%", "run plan", type=number),
    RunOption("--time", "run.time_s", "TIME",
              "Time limit of --processes auto, all rounds together; the first round is always finished.",
              "8m", "90s", "run plan", type=number),
    RunOption("--budget", "run.budget_s", "S", "No longer used; see --time.", "", "", "run plan", type=number,
              hidden=True),
    RunOption("--timeout", "run.timeout_s", "S", "Seconds after which a process is stopped.",
              "600", "60", "run plan check camera", type=number),
    RunOption("--out", "run.out", "FOLDER", "Folder for records and report.",
              "results", "results/tx2", "run plan check profile camera evaluate transient"),
)
CONFIG = RunOption("--config", "", "FILE", "File with the plan; options replace its values.",
                   "bench.toml here, else the built-in one", "camera.toml",
                   "run plan check profile doctor camera evaluate transient")
# fmt: on


@dataclass(frozen=True)
class Given:
    """The run options of a command line: a bench.toml, and by key what replaces its values."""

    config: Path | None
    overrides: dict[str, Override]

    def value(self, key: str) -> Any:
        """What was given for that key of bench.toml, None if nothing was."""
        return self.overrides[key].value if key in self.overrides else None

    def load(self, load: Callable[[Path | None, dict[str, Override]], Resolved] | None = None) -> Resolved:
        """The config, resolved against this machine, by default by `load_config`; its notes are printed. Raises
        UserError."""
        from ..bench.plan.resolve import load_config

        loaded = (load or load_config)(self.config, self.overrides)
        for note in loaded.notes:
            click.echo(note, err=True)
        return loaded


class Verb(click.Command):
    """A command whose function takes all its run options as one `given: Given`."""

    def invoke(self, ctx: click.Context) -> Any:
        if any(isinstance(param, KeyedOption) for param in self.params):
            ctx.params["given"] = self.given(ctx)
        return super().invoke(ctx)

    def given(self, ctx: click.Context) -> Given:
        """The parsed run options. Raises UserError."""
        from ..bench.plan.config import Override

        values = {param: ctx.params.pop(param.name) for param in self.params if isinstance(param, KeyedOption)}
        found = {
            param.key: Override(param.opts[0], value) for param, value in values.items() if value not in (None, ())
        }
        config = found.pop(CONFIG.key, None)
        if "input.file" in found:
            found["input.kind"] = Override(found["input.file"].flag, "video")
        if host := found.pop("devices.*.host", None):
            found |= _host_of_device(host, found.get("plan.devices"))
        return Given(Path(config.value) if config else None, found)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, under headings where they belong to several tables of bench.toml."""
        headings = {param.name: param.heading for param in self.params if isinstance(param, KeyedOption)}
        if len(set(headings.values()) - {"Options"}) < 2:
            headings = {}
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and not isinstance(param, click.Argument):
                sections.setdefault(headings.get(param.name, "Options"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def verb(name: str, **own: Any) -> Callable[[Callable[..., Any]], Verb]:
    """Makes a function the verb of that name, with the run options that the table gives it.

    `own` holds defaults of this verb: such an option takes one value and is always set.
    """
    rows = [row for row in (CONFIG, *RUN_OPTIONS) if name in row.verbs.split()]
    return click.command(name, cls=Verb, params=[row.option(own.get(row.flag.removeprefix("--"))) for row in rows])


class Verbs(click.Group):
    """Verbs in the order in which they were given; one of them must be named."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, no_args_is_help=False, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            ctx.fail(f"a verb is missing: {', '.join(self.commands)}; `{ctx.command_path} --help` says what each does")
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


FILE = click.Path(dir_okay=False, path_type=Path)
STORE = click.Path(path_type=Path)
model = click.argument("model", help="Name of the network, or path/to/file.py:factory; e.g. cox3d-m-64.")
store = click.argument(
    "store", default="results", type=STORE, help="Folder of records, .jsonl file, or bundle (.zip). Default: results."
)
stores = click.argument(
    "stores",
    nargs=-1,
    type=STORE,
    metavar="[STORE]...",
    callback=lambda context, argument, given: given or (Path("results"),),
    help="Folder of records, .jsonl file, or bundle (.zip); several stand together, each row with its source. "
    "Default: results.",
)


def check_folder(output: Path) -> None:
    """Before anything is measured for a file. Raises UserError where it has no folder to be in."""
    if not output.parent.is_dir():
        raise UserError(f"{output.parent}: no such folder; make it, or name another file", ENVIRONMENT)


def spec_of(model: str) -> ModelSpec:
    """The ModelSpec of a network. Raises UserError that names the nearest one."""
    from ..models.zoo import UnknownModelError, find_model

    try:
        return find_model(model)
    except UnknownModelError as error:
        raise UserError(str(error)) from None


def _host_of_device(host: Override, devices: Override | None) -> dict[str, Override]:
    """The override of the device's table that `--host` sets. Raises UserError for a wrong host."""
    from ..bench.plan.config import Override
    from ..devices.profile import check_host

    if devices is None or len(devices.value) != 1:
        raise UserError("--host needs exactly one --device; for several, set host in [devices.NAME] of bench.toml")
    try:
        check_host(host.value)
    except ValueError as error:
        raise UserError(f"--host: {host.value!r}: {error}") from None
    return {f"devices.{devices.value[0]}": Override(host.flag, {"host": host.value})}
