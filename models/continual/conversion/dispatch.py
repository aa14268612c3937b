"""Which way a layer becomes its frame form: by its rule, or traced if it has a `forward` of its own."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from .flow import Context, ConversionError, Flow, label, shape
from .places import place_of_class
from .rules import AXES, rule_of, why_not
from .tracing import in_words, trace


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
    return nn.Identity(), replace(flow, known=False)


def _by_rule(layer: nn.Module, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    rule = rule_of(layer)
    if rule is None:
        if type(layer).__module__.startswith("torch.nn") and "forward" not in vars(layer):
            raise why_not(layer, where)
        return trace(layer, flow, context, where)
    if not flow.known and not isinstance(layer, nn.Sequential):
        return nn.Identity(), flow
    if flow.axes != AXES.get(rule, flow.axes):
        raise ConversionError(label(layer, where), f"receives {shape(flow.axes)}, but takes {shape(AXES[rule])}")
    return rule(layer, flow, context, where)
