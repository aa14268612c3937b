"""`co3d-bench show MODEL`: the facts of a network, without timing it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from ..bench.errors import USAGE, UserError
from .apart import COLUMNS, apart
from .history import of_network, records_of_store
from .options import STORE, Given, model, spec_of, verb
from .streams import drawn


@verb("show")
@model
@click.argument(
    "store",
    required=False,
    type=STORE,
    help="Show the measured figures and their evidence from this store instead; e.g. results.",
)
@click.option(
    "--reaction",
    is_flag=True,
    help="Measure how soon the answer follows a change of scene. This takes some seconds, for CoX3D-L a minute.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of text.")
@apart
def show(given: Given, model: str, store: Path | None, reaction: bool, as_json: bool) -> list[str]:
    """Show the facts of a network without timing it.

    Parameters, multiply-accumulates (MACs), receptive field, state, and the paper's figures. With a STORE: the evidence
    for its measured figures of that network, process by process.

    Example: co3d-bench show cox3d-m-64
    """
    if store is not None:
        if reaction or as_json or given.overrides:
            raise UserError(
                "a STORE shows what was measured: leave it out, or --reaction, --json, --weights and --classes", USAGE
            )
        return _evidence(store, model)
    from ..bench.measure.describe import describe

    facts = describe(spec_of(model), given.value("plan.weights"), given.value("plan.classes"), react=reaction)
    columns = click.get_current_context().meta[COLUMNS]
    return [json.dumps(facts, indent=2)] if as_json else lines(facts, columns)


def _evidence(store: Path, model: str) -> list[str]:
    """What is recorded of a network beside its figures: of speed, then in front of a camera."""
    from rich.console import Group

    from ..bench.stats.case_result import case_results
    from ..reports.camera_evidence import render_camera_evidence
    from ..reports.commands import camera_times
    from ..reports.equal_work import render_equal_work, works_of
    from ..reports.evidence import render_evidence
    from ..reports.select import newest_cameras, newest_evaluations, newest_transients
    from ..reports.tables.accuracy import render_accuracy
    from ..reports.tables.transient import render_transient

    everything = records_of_store(store)
    records = of_network(everything, store, model)
    cases, cameras = case_results(records), newest_cameras(records)
    parts = [render_evidence(cases)] if cases else []
    parts += [render_equal_work(works_of(case_results(everything), {case.case.model for case in cases}))]
    parts += [""] if cases and cameras else []
    parts += [render_camera_evidence(cameras, camera_times(store, cameras))] if cameras else []
    parts += [render_accuracy(evaluations)] if (evaluations := newest_evaluations(records)) else []
    parts += [render_transient(transients)] if (transients := newest_transients(records)) else []
    return drawn(Group(*parts)).splitlines()


LEAST_ROOM = 40  # letters of a fact on a line, however narrow the terminal


def lines(facts: dict[str, Any], columns: int = 0) -> list[str]:
    """The facts as lines of text, a long one folded beside its name to fit into so many columns; 0: none is."""
    shape = " x ".join(str(length) for length in facts["input_shape"])
    order = _ORDERS.get((facts["form"], len(facts["input_shape"])))
    rows = [
        (facts["title"], f"{facts['name']}, one prediction for each {facts['form']}"),
        ("input", f"{shape}{f' ({order})' if order else ''}, {facts['input_bytes']:,} bytes"),
        ("classes", str(facts["classes"])) if facts["output"] is None else ("output", facts["output"]),
        ("parameters", f"{facts['parameters']:,}"),
        ("weights", f"{facts['weights_bytes']:,} bytes, buffers included; {facts['weights']}"),
        ("state", f"{facts['state_bytes']:,} bytes"),
        *_memory(facts),
        *_interleaved(facts),
        ("MACs", f"{_count(facts['macs'])} for one prediction ({facts['counter']})"),
        *_cross_checks(facts),
        *_equal_work(facts),
        *_reach(facts),
        *_reaction(facts),
        *_conversion(facts),
        *(("note", note) for note in facts["notes"]),
    ]
    if facts["source"]:
        rows.append(("source", ", ".join(f"{key} {value}" for key, value in facts["source"].items() if value)))
    for key, text in (
        ("inputs", "what it is called with"),
        ("input_values", "what they hold while it is measured"),
        ("counterpart", "clip network with the same weights"),
        ("extends", "same at native pool"),
    ):
        if facts[key]:
            rows.append((key.replace("_", " "), f"{facts[key]} ({text})"))
    rows += _paper(facts["published"])
    width = max(len(name) for name, _ in rows)
    if not columns:
        return [f"{name:<{width}}  {text}" for name, text in rows]
    room = max(columns - width - 2, LEAST_ROOM)
    folded = ((name, wrap(text, room, break_long_words=False, break_on_hyphens=False)) for name, text in rows)
    return [f"{'' if more else name:<{width}}  {part}" for name, parts in folded for more, part in enumerate(parts)]


# The dimensions of an input, by form and number of dimensions.
_ORDERS = {
    ("clip", 4): "channels, frames, height, width",
    ("frame", 3): "channels, height, width",
}


def _memory(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The memory by the formula of section 3.7 of the paper; nothing for networks with other layers than ours."""
    kinds, clip, state = facts["state_bytes_by_kind"], facts["clip_memory_floats"], facts["state_bytes"]
    if clip:
        worst = "{worst_case:,} floats at most by the paper's formula, {stored:,} of them stored frames"
        return [
            ("memory", worst.format(**clip)),
            ("", "the others are feature maps between blocks; inside a block up to {inside_blocks:,}".format(**clip)),
        ]
    if not kinds or not state:
        return []
    return [("", ", ".join(f"{kind} {size:,} ({100 * size / state:.1f} %)" for kind, size in kinds.items() if size))]


def _interleaved(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """What it takes to answer at every frame of a camera, and not only at those of the trained rate."""
    states, rate = facts["interleaved_states"], facts["trained_frames_per_s"]
    if not states or states == 1:
        return []
    every = f"every frame of {states * rate:g}/s at the trained {rate:g}/s"
    text = f"{facts['interleaved_state_bytes']:,} bytes, by `camera --interleave`"
    return [("", f"{every}: {states} interleaved states, {text}")]


def _equal_work(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Beside its clip network, by MACs."""
    from ..bench.stats.equal_work import EqualWork
    from ..bench.stats.metrics import G
    from ..reports.equal_work import costs_text, sentence

    found = facts["equal_work_macs"]
    if found is None:
        return []
    work = EqualWork(**{each.name: found[each.name] for each in fields(EqualWork)})
    names = (found["clip_title"], facts["title"])
    return [("equal work", costs_text(work, G, "MACs", *names)), ("", sentence(work, *names))]


def _reaction(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """How soon the answer follows a change of scene: as measured, else at the latest."""
    from ..bench.measure.describe import NO_REACTION
    from ..reports.notation import number

    found, most = facts["reaction"], facts["receptive_field"]
    rate = facts["trained_frames_per_s"] or facts["frame_rate_hz"]
    at = f" at {rate:g} frames/s" if rate else ""

    def after(frames: float) -> str:
        return f"{number(frames / rate)} s" if rate else f"{frames:g} frames"

    if found:
        medians = [found[f"{name}_frames"] for name in ("half", "nine_tenths")]
        ends = [found[f"{name}_range_frames"] for name in ("half", "nine_tenths")]
        frames = " and ".join(f"{mid:g} ({low} to {high})" for mid, (low, high) in zip(medians, ends, strict=True))
        half, nine_tenths = map(after, medians)
        text = f"{half} until half of the way to the new answer, {nine_tenths} until nine tenths"
        scenes = f"{found['scenes']} scenes of {found['source']}; weights: {facts['weights']}"
        return [("reaction", text), ("", f"{frames} frames{at}, {scenes}")]
    if most is None or facts["form"] == "input" or facts["unbounded"] or NO_REACTION in facts["notes"]:
        return []
    latest = f"{after(most)} ({most} frames{at})" if rate else after(most)
    return [("reaction", f"the whole way to a new answer after {latest}; `--reaction` measures half of it")]


def _count(value: int | None) -> str:
    return "not counted:" if value is None else f"{value:,}"


def _reach(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The receptive field and what follows from it, where the network has it."""
    names = {
        "receptive_field": ("receptive field", "frames"),
        "padding": ("padding", "frames"),
        "delay": ("delay", "frames before the first full prediction"),
    }
    rows = [(name, f"{facts[key]} {unit}") for key, (name, unit) in names.items() if facts[key] is not None]
    rate = facts["frame_rate_hz"]
    return rows if rate is None else [*rows, ("frame rate", f"{rate:g} frames/s of its video")]


def _conversion(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """How a frame network that `convert` made was proven, and what is meant to differ from its clip network."""
    rows = (facts["conversion"], *facts["meant_differences"]) if facts["conversion"] else ()
    return [("" if at else "conversion", text) for at, text in enumerate(rows)]


def _cross_checks(facts: dict[str, Any]) -> list[tuple[str, str]]:
    others = {
        "with every layer counted once and in full, to plan with": facts["macs_once"],
        "by ptflops with functional operations": facts["macs_functional"],
        "by ptflops on aten operations": facts["macs_aten"],
        "FLOPs by torch, two a MAC": facts["flops_torch"],
    }
    return [
        ("" if row else "cross-check", f"{_count(value)} {name}") for row, (name, value) in enumerate(others.items())
    ]


def _accuracy(facts: dict[str, Any], source: str) -> str:
    """An accuracy with its conditions, and with its source where that is another one."""
    from ..bench.record.record import PublishedAccuracy
    from ..reports.notation import conditions

    accuracy = PublishedAccuracy(**facts)
    where = "" if accuracy.source == source else f"; {accuracy.source.rpartition(', ')[2]}"
    return f"{accuracy.top1:.2f} % top-1 ({conditions(accuracy)}{where})"


def _paper(published: dict[str, Any] | None) -> list[tuple[str, str]]:
    if published is None:
        return [("paper", "does not report this network")]
    figures = {
        "M parameters": published["parameters_m"],
        "MB allocated": published["max_allocated_mb"],
        "G MACs": published["macs_g"],
    }
    rows = [
        ("paper", published["source"]),
        *(("", _accuracy(each, published["source"])) for each in published["accuracies"]),
        ("", ", ".join(f"{value} {unit}" for unit, value in figures.items() if value is not None)),
        (
            "",
            ", ".join(
                f"{device} {mean} ± {std} predictions/s" for device, (mean, std) in published["throughput"].items()
            ),
        ),
        ("", published["note"] or ""),
    ]
    return [row for row in rows if row[1]]
