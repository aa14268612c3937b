"""What no trace shows: code that torch runs around a layer, tensors made two, and modules that cannot be copied."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from .flow import ConversionError, Findings, label
from .places import place_of_class, place_of_hook
from .tracing import in_words

# By where torch keeps them: what is called around `forward`, and may change what goes in or comes out.
_HOOKS = {"_forward_pre_hooks": "forward pre-hook", "_forward_hooks": "forward hook"}
_GLOBAL_HOOKS = {"_global_forward_pre_hooks": "forward pre-hook", "_global_forward_hooks": "forward hook"}
# Hooks of torch's own that compute a weight from others, and what puts the weight itself there.
_COMPUTES = {
    "SpectralNorm": ("spectral norm", "torch.nn.utils.remove_spectral_norm(layer)"),
    "WeightNorm": ("weight norm", "torch.nn.utils.remove_weight_norm(layer)"),
    "BasePruningMethod": ("pruning", "torch.nn.utils.prune.remove(layer, {name!r})"),
}


def copied(module: nn.Module) -> nn.Module:
    """A copy of the module that shares nothing with it. Raises ConversionError with all that stands against that."""
    findings = Findings()
    for error in (*_global_hooks(), *_hooks(module), *_computed(module), *_devices(module), *_joined_storages(module)):
        findings.refuse(error, error.place)
    findings.check()
    try:
        made = copy.deepcopy(module)
        if {id(part) for part in _parts(made)} & {id(part) for part in _parts(module)}:
            raise TypeError("its __deepcopy__ hands on the module's own layers or weights")
        return made
    except Exception as error:  # noqa: BLE001 - whatever the parts of it raise: locks, open files, tensors with a history
        for part in _not_copied(module) or [ConversionError("the network", f"cannot be copied: {in_words(error)}")]:
            findings.refuse(part, part.place)
    findings.check()
    raise AssertionError("a module that cannot be copied is refused")


def _parts(module: nn.Module) -> Iterator[object]:
    yield from (*module.modules(), *module.parameters(), *module.buffers())


def check_tensors(module: nn.Module, blocks: nn.Module) -> None:
    """Raises ConversionError unless the form's parameters and buffers are those of the module, none made two."""
    kept = {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    named = (*blocks.named_parameters(), *blocks.named_buffers())
    own = [name for name, tensor in named if id(tensor) not in kept]
    if own:
        raise ConversionError(" and ".join(own), "not supported yet: would no longer be the module's own tensor")


def _global_hooks() -> Iterator[ConversionError]:
    for kept, word in _GLOBAL_HOOKS.items():
        for hook in getattr(torch_module, kept).values():
            why = f"a global {word} changes what layers compute; remove it, convert, and register it again"
            yield ConversionError("the network", why, place_of_hook(hook))


def _hooks(module: nn.Module) -> Iterator[ConversionError]:
    for name, layer in module.named_modules():
        if any(map(is_lazy, (*layer._parameters.values(), *layer._buffers.values()))):  # type: ignore[misc]
            yield ConversionError(label(layer, name), "has no weights yet; call the network once with a clip before")
            continue
        for kept, word in _HOOKS.items():
            for hook in getattr(layer, kept).values():
                where = label(layer, name)
                norm = next((base.__name__ for base in type(hook).__mro__ if base.__name__ in _COMPUTES), None)
                if norm is None:
                    why = f"has a {word}, which a frame network would not call; remove it, or make it a layer"
                    yield ConversionError(where, why, place_of_hook(hook))
                    continue
                what, remedy = _COMPUTES[norm]
                tensor = getattr(hook, "_tensor_name", None) or getattr(hook, "name", "weight")
                yield _computes(where, tensor, what, remedy.format(name=tensor))


def _computed(module: nn.Module) -> Iterator[ConversionError]:
    for name, layer in module.named_modules():
        if parametrize.is_parametrized(layer):
            for tensor in layer.parametrizations:  # type: ignore[union-attr]
                remedy = f"torch.nn.utils.parametrize.remove_parametrizations(layer, {tensor!r})"
                yield _computes(label(layer, name), tensor, "a parametrization", remedy)


def _computes(where: str, tensor: str, what: str, remedy: str) -> ConversionError:
    return ConversionError(where, f"its {tensor} is computed by {what} whenever it is called; before, call {remedy}")


def _devices(module: nn.Module) -> Iterator[ConversionError]:
    devices = {str(tensor.device) for tensor in (*module.parameters(), *module.buffers())}
    if len(devices) > 1:
        why = f"its layers are on several devices ({', '.join(sorted(devices))}); move all of them to one"
        yield ConversionError("the network", why)


def _joined_storages(module: nn.Module) -> Iterator[ConversionError]:
    """Parameters of their own that lie in the same memory: copies would not."""
    kept: dict[int, list[tuple[str, nn.Parameter]]] = defaultdict(list)
    for name, parameter in module.named_parameters():
        if (
            parameter.device.type != "meta"
            and not isinstance(parameter, nn.UninitializedParameter)
            and parameter.numel()
        ):
            kept[parameter.data_ptr()].append((name, parameter))
    for same in kept.values():
        if len(same) > 1:
            names = " and ".join(name for name, _ in same)
            why = "are two parameters in the same memory, which would become two; use one parameter in both places"
            yield ConversionError(names, why)


def _not_copied(module: nn.Module) -> list[ConversionError]:
    """The attributes that stand against a copy, each by name."""
    found = []
    for name, layer in module.named_modules():
        own: dict[str, Any] = {**vars(layer), **layer._parameters, **layer._buffers}
        for key, value in own.items():
            if key not in ("_modules", "_parameters", "_buffers") and (error := _copy_error(value)) is not None:
                why = f"its {key} cannot be copied ({type(value).__name__}: {in_words(error)})"
                if isinstance(value, torch.Tensor):
                    why = f"its {key} was computed from other tensors and is no parameter; detach it"
                found.append(ConversionError(label(layer, name), why, place_of_class(type(layer))))
    return found


def _copy_error(value: Any) -> Exception | None:
    try:
        copy.deepcopy(value)
    except Exception as error:  # noqa: BLE001 - as above
        return error
    return None
