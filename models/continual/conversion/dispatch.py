"""Which way a layer becomes its frame form: by its rule, or traced if it has a `forward` of its own."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from .flow import Context, ConversionError, Flow, NoFrameForm, label
from .layout import after_layer, as_map, behind, shape_in
from .places import place_of_class
from .rules import MAPS, attends_within_frames, misfit, rule_of, why_not
from .shapes import ShapeError, in_words, shape_after
from .tracing import trace, why_it_fails


def converted(layer: nn.Module, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    """The layer's form, and what flows out of it. What has none is noted in the context's findings.

    Behind a refusal the features are not known: of what follows, only what no rule exists for is refused as well.
    """
    before = len(context.findings.refusals)
    try:
        made, after = _by_rule(layer, flow, context, where)
        if after.frames is not None and after.frames < 1:
            raise ConversionError(label(layer, where), "leaves no frame of a clip of that input_shape")
    except ConversionError as error:
        context.findings.refuse(error, context.place or place_of_class(type(layer)))
    except Exception as error:  # noqa: BLE001 - a rule that stumbles over what was refused inside, or over what it never met
        if len(context.findings.refusals) == before:
            context.findings.refuse(ConversionError(label(layer, where), in_words(error)), context.place)
    else:
        made.training = context.modes.get(layer, layer.training)
        return made, after
    return nn.Identity(), _behind(layer, flow)


def _by_rule(layer: nn.Module, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    rule = rule_of(layer)
    if rule is None:
        why = why_not(layer)
        if why and flow.known and attends_within_frames(layer, flow):
            raise ConversionError(
                label(layer, where), "attends within frames; write it with scaled_dot_product_attention"
            )
        if why:
            raise NoFrameForm(label(layer, where), why)
        return trace(layer, flow, context, where)
    if isinstance(layer, nn.Sequential):
        return rule(layer, flow, context, where)
    if not flow.known:
        return nn.Identity(), _behind(layer, flow)
    if why := misfit(layer, rule, flow):
        raise ConversionError(label(layer, where), why)
    try:
        lengths = shape_after(layer, shape_in(flow))
    except ShapeError as error:
        raise ConversionError(label(layer, where), why_it_fails(flow, error)) from error
    made, after = rule(layer, as_map(flow) if rule in MAPS else flow, context, where)
    return made, after_layer(after, lengths)


def _behind(layer: nn.Module, flow: Flow) -> Flow:
    """What flows out of a layer that was refused, as far as it is known."""
    try:
        return behind(flow, shape_after(layer, shape_in(flow)))
    except ShapeError:
        return replace(flow, known=False)
