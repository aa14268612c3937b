"""`co3d-bench show MODEL`: what is known of a network without timing it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ..errors import USAGE, UserError


def show(
    model: Annotated[str, typer.Argument(help="Name of the network.", metavar="MODEL")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show a network: parameters, multiply-accumulates, reach in time, state, and what the paper reports."""
    from ...models.zoo import UnknownModelError, find_model

    try:
        spec = find_model(model)
    except UnknownModelError as error:
        raise UserError(str(error), USAGE) from None
    facts = describe(spec)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for line in lines(facts):
        typer.echo(line)


def describe(spec: Any) -> dict[str, Any]:
    """The network's facts, built and counted; keys carry their units."""
    import torch

    from ..backends.eager import prepare
    from ..counting import count
    from ..facts import model_facts
    from ..memory import tensor_bytes, weights

    with torch.no_grad():
        net = spec.build().eval()
        counted = count(net, spec)
        example = torch.zeros(1, *spec.input_shape)
        state_bytes = tensor_bytes(prepare(net, example).state_tensors())
    facts = model_facts(spec, net).model_dump()
    published = facts.pop("published")
    return {
        **facts,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "weights_bytes": tensor_bytes(weights(net)),
        "state_bytes": state_bytes,
        "input_bytes": tensor_bytes([example]),
        "macs": counted.macs,
        "macs_once": counted.macs_once,
        "macs_functional": counted.macs_functional,
        "macs_aten": counted.macs_aten,
        "flops_torch": counted.flops_torch,
        "counter": counted.counter,
        "published": published,
    }


def lines(facts: dict[str, Any]) -> list[str]:
    """The facts for people, one a line."""
    shape = " x ".join(str(length) for length in facts["input_shape"])
    order = "channels, frames, height, width" if facts["form"] == "clip" else "channels, height, width"
    rows = [
        (facts["title"], f"{facts['name']}, one prediction for each {facts['form']}"),
        ("input", f"{shape} ({order}), {facts['input_bytes']:,} bytes"),
        ("classes", str(facts["classes"])),
        ("parameters", f"{facts['parameters']:,}"),
        ("weights", f"{facts['weights_bytes']:,} bytes, buffers included"),
        ("state", f"{facts['state_bytes']:,} bytes"),
        ("MACs", f"{facts['macs']:,} for one prediction ({facts['counter']})"),
        *_cross_checks(facts),
        ("receptive field", f"{facts['receptive_field']} frames"),
        ("padding", f"{facts['padding']} frames"),
        ("delay", f"{facts['delay']} frames before the first steady prediction"),
    ]
    for key, text in (("counterpart", "clip network with the same weights"), ("extends", "same at native pool")):
        if facts[key]:
            rows.append((key, f"{facts[key]} ({text})"))
    rows += _paper(facts["published"])
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {text}" for name, text in rows]


def _cross_checks(facts: dict[str, Any]) -> list[tuple[str, str]]:
    others = {
        "counted every layer once and in full: to plan with": facts["macs_once"],
        "by ptflops with functional operations": facts["macs_functional"],
        "by ptflops on aten operations": facts["macs_aten"],
        "FLOPs by torch, two a MAC": facts["flops_torch"],
    }
    return [("" if row else "cross-check", f"{value:,} {name}") for row, (name, value) in enumerate(others.items())]


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
