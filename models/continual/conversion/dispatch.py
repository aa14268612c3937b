"""Which way a layer becomes its frame form: by its rule, or traced if it has a `forward` of its own."""

from __future__ import annotations

from torch import nn

from .flow import Context, ConversionError, Flow, label, shape
from .rules import AXES, rule_of, why_not
from .tracing import trace


def converted(layer: nn.Module, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    """The layer's frame form and what flows out of it. Raises ConversionError."""
    rule = rule_of(layer)
    if rule is None:
        if type(layer).__module__.startswith("torch.nn"):
            raise ConversionError(label(layer, where), why_not(layer))
        rule = trace
    elif flow.axes != AXES.get(rule, flow.axes):
        raise ConversionError(label(layer, where), f"receives {shape(flow.axes)}, but takes {shape(AXES[rule])}")
    made, after = rule(layer, flow, context, where)
    made.training = layer.training
    return made, after
