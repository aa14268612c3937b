"""The classifier of a network, rebuilt in place for another number of classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..spec import ModelSpec
from .errors import WeightsError

if TYPE_CHECKING:
    from torch import nn

_WIDTHS = ("out_features", "out_channels")  # of Linear and of convolutions


def with_classes(spec: ModelSpec, classes: int) -> ModelSpec:
    """The spec of the same network for so many classes; the paper has no figures of it.

    Raises WeightsError where the network's answers are not (B, classes).
    """
    if spec.classes is None:
        raise WeightsError(
            f"{spec.name}: its answer is not (B, classes), so that classes cannot be set; see its factory"
        )
    return spec if classes == spec.classes else replace(spec, classes=classes, published=None)


def resize_head(net: nn.Module, spec: ModelSpec, classes: int) -> None:
    """Rebuild the last layer that gives `spec.classes`, with fresh weights from torch's generator.

    Raises WeightsError where there is none.
    """
    with_classes(spec, classes)
    heads = [name for name, module in net.named_modules() if _width(module) == spec.classes]
    if not heads:
        raise WeightsError(f"{spec.name}: no layer gives its {spec.classes} classes; build its head in its factory")
    resize_layers(net, spec, heads[-1:], classes)


def resize_layers(net: nn.Module, spec: ModelSpec, names: Iterable[str], classes: int) -> None:
    """Rebuild those layers for so many classes, with fresh weights. Raises WeightsError for one that cannot be."""
    import torch
    from torch import nn

    layers: list[tuple[str, Any]] = [(name, net.get_submodule(name)) for name in names]
    for name, layer in layers:
        if _width(layer) != spec.classes:
            raise WeightsError(
                f"{spec.name}: {name or 'it'} ({type(layer).__name__}) cannot be rebuilt for {classes} classes; build "
                "it in its factory"
            )
    for _, layer in layers:
        for width in _WIDTHS:
            if hasattr(layer, width):
                setattr(layer, width, classes)
        for key, parameter in list(layer.named_parameters(recurse=False)):
            layer.register_parameter(
                key, nn.Parameter(torch.empty((classes, *parameter.shape[1:]), dtype=parameter.dtype))
            )
        layer.reset_parameters()


def _width(module: Any) -> int | None:
    """The number of outputs of a plain layer that can be rebuilt; None for all others."""
    own = dict(module.named_parameters(recurse=False))
    width = next((getattr(module, name) for name in _WIDTHS if hasattr(module, name)), None)
    plain = own.keys() <= {"weight", "bias"} and "weight" in own and hasattr(module, "reset_parameters")
    whole = plain and getattr(module, "groups", 1) == 1 and not getattr(module, "transposed", False)
    return width if whole and all(len(parameter) == width for parameter in own.values()) else None
