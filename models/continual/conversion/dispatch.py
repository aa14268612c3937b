"""Which way a layer becomes its frame form: by its rule, or traced if it has a `forward` of its own."""

from __future__ import annotations

from torch import nn

from .flow import Context, ConversionError, Flow, NoFrameForm, label
from .layout import after_layer, as_map, shape_in
from .rules import MAPS, misfit, rule_of, why_not
from .shapes import ShapeError, shape_after
from .tracing import trace


def converted(layer: nn.Module, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    """The layer's frame form and what flows out of it. Raises ConversionError."""
    rule = rule_of(layer)
    if rule is None:
        if why := why_not(layer):
            raise NoFrameForm(label(layer, where), why)
        made, after = trace(layer, flow, context, where)
    elif isinstance(layer, nn.Sequential):
        made, after = rule(layer, flow, context, where)
    else:
        if why := misfit(layer, rule, flow):
            raise ConversionError(label(layer, where), why)
        try:
            lengths = shape_after(layer, shape_in(flow))
        except ShapeError as error:
            known = "" if flow.frames is not None else "; pass input_shape=, what its clips look like"
            raise ConversionError(
                label(layer, where), f"fails on a tensor of shape {shape_in(flow)}: {error}{known}"
            ) from error
        made, after = rule(layer, as_map(flow) if rule in MAPS else flow, context, where)
        after = after_layer(after, lengths)
    made.training = layer.training
    return made, after
