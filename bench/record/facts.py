"""A network's entry in a record, from its row in the zoo and, once built, from the network itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...models.spec import ModelSpec
from .case import WeightsFile
from .record import ModelFacts, ModelSource, Published

# A guess, so the record says it.
ASSUMED_RECEPTIVE_FIELD = 64


def model_facts(spec: ModelSpec, net: Any = None, weights: WeightsFile | None = None) -> ModelFacts:
    """Facts that hold on every machine; receptive field, padding and delay only with the built network.

    `weights` are what was loaded into it.
    """
    published = spec.published
    return ModelFacts(
        name=spec.name,
        family=spec.family,
        form=spec.form,
        title=spec.title,
        input_shape=spec.input_shape,
        classes=spec.classes,
        output=spec.output,
        receptive_field=_frames(net, "receptive_field"),
        padding=_frames(net, "padding"),
        delay=_frames(net, "delay"),
        counterpart=spec.counterpart,
        extends=spec.extends,
        published=None
        if published is None
        else Published(
            source=published.source,
            accuracy_top1=published.accuracy_top1,
            parameters_m=published.parameters_m,
            max_allocated_mb=published.max_allocated_mb,
            macs_g=published.macs_g,
            throughput=dict(published.throughput),
            note=published.note,
        ),
        **{**_origin(spec), **({"weights": weights.text} if weights else {})},
    )


def receptive_field_of(net: Any) -> int:
    """How many frames a frame network is shown until its answers rest on frames alone.

    One that does not tell its receptive field is shown `ASSUMED_RECEPTIVE_FIELD`.
    """
    return _frames(net, "receptive_field") or ASSUMED_RECEPTIVE_FIELD


def has_receptive_field(net: Any) -> bool:
    """Whether a network tells its receptive field."""
    return _frames(net, "receptive_field") is not None


def assumptions(spec: ModelSpec, net: Any) -> tuple[str, ...]:
    """What was assumed of the network because it does not tell it, for the record's notes."""
    if spec.form != "frame" or has_receptive_field(net):
        return ()
    return (f"the network does not tell its receptive_field: {ASSUMED_RECEPTIVE_FIELD} frames were taken for it",)


def _frames(net: Any, name: str) -> int | None:
    """A fact in frames, where the network tells it; other people's networks may use the word for something else."""
    value = getattr(net, name, None)
    return value if type(value) is int else None


def _origin(spec: ModelSpec) -> dict[str, Any]:
    """A network that is none of ours: where it comes from, and that its weights are its own affair."""
    if spec.source is None:
        return {}
    source = ModelSource(**asdict(spec.source))
    return {"source": source, "weights": "as its factory makes them, torch seeded"}
