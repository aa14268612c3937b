"""A network's entry in a record, from its row in the zoo and, once built, from the network itself."""

from __future__ import annotations

from typing import Any

from ..models.spec import ModelSpec
from .record import ModelFacts, Published


def model_facts(spec: ModelSpec, net: Any = None) -> ModelFacts:
    """Facts that hold on every machine; receptive field, padding and delay only with the built network."""
    published = spec.published
    return ModelFacts(
        name=spec.name,
        family=spec.family,
        form=spec.form,
        title=spec.title,
        input_shape=spec.input_shape,
        classes=spec.classes,
        receptive_field=getattr(net, "receptive_field", None),
        padding=getattr(net, "padding", None),
        delay=getattr(net, "delay", None),
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
    )
