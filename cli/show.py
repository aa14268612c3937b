"""`co3d-bench show MODEL`: what is known of a network without timing it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from .history import records_of_model
from .options import STORE, Given, model, spec_of, verb
from .streams import drawn


@verb("show")
@model
@click.argument(
    "store",
    required=False,
    type=STORE,
    help="Show the evidence beside the figures of this store instead; e.g. results.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(given: Given, model: str, store: Path | None, as_json: bool) -> None:
    """Show what is known of a network without timing it.

    Parameters, multiply-accumulates (MACs), receptive field, state, and what the paper reports. With a STORE: what
    stands beside the measured figures of that network there, process by process.

    Example: co3d-bench show cox3d-m-64
    """
    if store is not None:
        from ..bench.stats.case_result import case_results
        from ..reports.evidence import render_evidence

        click.echo(drawn(render_evidence(case_results(records_of_model(store, model)))), nl=False)
        return
    facts = describe(spec_of(model), given.value("plan.weights"))
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for line in lines(facts):
        click.echo(line)


def describe(spec: Any, weights_word: str | None = None) -> dict[str, Any]:
    """The network's facts, built, with weights if they are named, and counted; keys carry their units."""
    import torch

    from ..bench.measure.counting import count
    from ..bench.measure.memory import tensor_bytes, weights
    from ..bench.plan.weights import find_file, put_into
    from ..bench.record.facts import assumptions, model_facts
    from ..models.continual.ledger import clip_memory, state_by_kind
    from ..models.spec import is_frame_network

    file = find_file(weights_word, spec) if weights_word else None
    with torch.no_grad():
        net = spec.build().eval()
        loaded = put_into(net, spec, file) if file else ()
        counted = count(net, spec)
        example = torch.zeros(1, *spec.input_shape)
        state = net.initial_state(len(example)) if is_frame_network(net) else ()
    kinds, clip = state_by_kind(net, state), clip_memory(net)
    facts = model_facts(spec, net, file).model_dump()
    published = facts.pop("published")
    return {
        **facts,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "weights_bytes": tensor_bytes(weights(net)),
        "state_bytes": tensor_bytes(state),
        "state_bytes_by_kind": {kind: share.bytes for kind, share in kinds.items()} if kinds else None,
        "clip_memory_floats": {**asdict(clip), "worst_case": clip.worst_case} if clip else None,
        "input_bytes": tensor_bytes([example]),
        "macs": counted.macs,
        "macs_once": counted.macs_once,
        "macs_functional": counted.macs_functional,
        "macs_aten": counted.macs_aten,
        "flops_torch": counted.flops_torch,
        "counter": counted.counter,
        "notes": (*loaded, *assumptions(spec, net), *counted.notes),
        "published": published,
    }


def lines(facts: dict[str, Any]) -> list[str]:
    """The facts for people, one a line."""
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
        ("MACs", f"{_count(facts['macs'])} for one prediction ({facts['counter']})"),
        *_cross_checks(facts),
        *_reach(facts),
        *(("note", note) for note in facts["notes"]),
    ]
    if facts["source"]:
        rows.append(("source", ", ".join(f"{key} {value}" for key, value in facts["source"].items() if value)))
    for key, text in (("counterpart", "clip network with the same weights"), ("extends", "same at native pool")):
        if facts[key]:
            rows.append((key, f"{facts[key]} ({text})"))
    rows += _paper(facts["published"])
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {text}" for name, text in rows]


# What the lengths of an input are, where the form tells.
_ORDERS = {
    ("clip", 4): "channels, frames, height, width",
    ("frame", 3): "channels, height, width",
}


def _memory(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Where it goes, as the paper's section 3.7 counts it; nothing for networks whose layers are not ours."""
    kinds, clip, state = facts["state_bytes_by_kind"], facts["clip_memory_floats"], facts["state_bytes"]
    if clip:
        worst = "{worst_case:,} floats at worst by the paper's formula, {stored:,} of them frames kept"
        return [
            ("memory", worst.format(**clip)),
            ("", "the others go from block to block; inside blocks up to {inside_blocks:,}".format(**clip)),
        ]
    if not kinds or not state:
        return []
    return [("", ", ".join(f"{kind} {size:,} ({100 * size / state:.1f} %)" for kind, size in kinds.items() if size))]


def _count(value: int | None) -> str:
    return "not counted:" if value is None else f"{value:,}"


def _reach(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Reach in time, where the network says it."""
    names = {
        "receptive_field": ("receptive field", "frames"),
        "padding": ("padding", "frames"),
        "delay": ("delay", "frames before the first steady prediction"),
    }
    return [(name, f"{facts[key]} {unit}") for key, (name, unit) in names.items() if facts[key] is not None]


def _cross_checks(facts: dict[str, Any]) -> list[tuple[str, str]]:
    others = {
        "counted every layer once and in full: to plan with": facts["macs_once"],
        "by ptflops with functional operations": facts["macs_functional"],
        "by ptflops on aten operations": facts["macs_aten"],
        "FLOPs by torch, two a MAC": facts["flops_torch"],
    }
    return [
        ("" if row else "cross-check", f"{_count(value)} {name}") for row, (name, value) in enumerate(others.items())
    ]


def _paper(published: dict[str, Any] | None) -> list[tuple[str, str]]:
    if published is None:
        return [("paper", "does not report this network")]
    figures = {
        "% top-1": published["accuracy_top1"],
        "M parameters": published["parameters_m"],
        "MB allocated": published["max_allocated_mb"],
        "G MACs": published["macs_g"],
    }
    rows = [
        ("paper", published["source"]),
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
