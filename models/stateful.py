"""Networks that keep their state inside: a GRU with `reset()` and `forward_step(frame)`, as frame networks.

`stateful(net, step="forward_step", reset="reset")` has the `step` and `initial_state` of a frame network. The state
stays where the author keeps it, so there is one stream at a time, and nothing to hand to an engine or to a file.
"""

from __future__ import annotations

import copy
import inspect
from collections import deque
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any

from torch import Tensor, nn

from .stated import FACTS

# A method of the network, by its name or bound; or a function of the network and what the method takes.
Method = str | Callable[..., Any]


class StatefulError(TypeError):
    """Not a step or a reset of this network; the message says what to give instead."""


class Stateful(nn.Module):
    """A network that keeps its state inside, run frame by frame."""

    keeps_state = True

    def __init__(self, net: nn.Module, step: Method, reset: Method) -> None:
        super().__init__()
        self.net = net
        self._step, self._reset = _method(net, step, "step"), _method(net, reset, "reset")
        self._batch_size = 1  # of the stream that it is in
        for name in ("receptive_field", "input_shape", "preprocessing", *FACTS):
            if hasattr(net, name):
                setattr(self, name, getattr(net, name))

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Back to the start of a stream; the state itself is not handed out."""
        self._batch_size = batch_size
        reset = self._call(self._reset)
        if _takes_batch(reset):
            reset(batch_size)
        else:
            reset()
        return ()

    def step(self, *frame_and_state: Any, **named: Any) -> tuple[Any, tuple[Tensor, ...]]:
        """(frame, ()) -> (answer, ()); a frame may be several arguments, named ones too, with state=() then."""
        frame = frame_and_state if "state" in named else frame_and_state[:-1]
        named.pop("state", None)
        return self._call(self._step)(*frame, **named), ()

    def step_signature(self) -> inspect.Signature:
        """What the author's method takes. Raises ValueError or TypeError where it has no signature."""
        return inspect.signature(self._call(self._step))

    def state_tensors(self) -> tuple[Tensor, ...]:
        """The tensors that the network holds and that differ from those at the start of a stream, as of a copy; each
        once, also where it is held in several places."""
        twin = copy.deepcopy(self, _shared(self.net))
        twin.initial_state(self._batch_size)
        fresh = _held(twin.net)
        changed = (tensor for path, tensor in _held(self.net).items() if not _same(tensor, fresh.get(path)))
        return tuple({id(tensor): tensor for tensor in changed}.values())

    def _call(self, method: Method) -> Callable[..., Any]:
        if isinstance(method, str):
            return getattr(self.net, method)
        return method if isinstance(method, MethodType) else MethodType(method, self.net)


def stateful(net: nn.Module, *, step: Method = "step", reset: Method = "reset") -> Stateful:
    """A network that keeps its state inside, as a frame network that is measured frame by frame.

    step: the method that takes the next frame and gives the answer: its name, `net.forward_step` itself, or a function
        (net, frame) -> answer.
    reset: likewise the method that begins a new stream; called with the batch if it takes one argument.

    Raises StatefulError for a method that the network does not have.
    """
    return Stateful(net, step, reset)


def _method(net: nn.Module, method: Method, what: str) -> Method:
    if not isinstance(net, nn.Module):
        raise StatefulError(f"stateful: {type(net).__name__} is not an nn.Module")
    if isinstance(method, str):
        if not callable(getattr(net, method, None)):
            own = sorted(name for name, value in vars(type(net)).items() if callable(value) and name[0] != "_")
            raise StatefulError(f"stateful: {type(net).__name__} has no {what} {method!r}; it has {', '.join(own)}")
        return method
    if not callable(method):
        raise StatefulError(f"stateful: {what}={method!r}; give the name of a method, or a function of the network")
    if getattr(method, "__self__", None) is net:
        return str(getattr(method, "__name__", ""))  # a copy of the network calls its own
    return method


def _takes_batch(reset: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(reset).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) or (
        any("batch" in p.name for p in parameters)
    )


def _shared(net: nn.Module) -> dict[int, Any]:
    """What a copy of the network has in common with it, as `copy.deepcopy` takes it: its weights, and attributes that
    cannot be copied, such as a lock. A tensor with a history is cut off from that."""
    found: dict[int, Any] = {id(weight): weight for weight in net.parameters()}
    attributes = (each for module in net.modules() for key, each in vars(module).items() if key != "_modules")
    for value in (*net.buffers(), *attributes):
        if isinstance(value, Tensor) and not value.is_leaf:
            found[id(value)] = value.detach().clone()
            continue
        try:
            copy.deepcopy(value, dict(found))
        except Exception:  # noqa: BLE001 - whatever code of the author's raises there
            found[id(value)] = value
    return found


def _held(net: nn.Module) -> dict[str, Tensor]:
    """Every tensor but the parameters, by where it is: buffers and attributes, also in lists, dicts and deques."""
    found: dict[str, Tensor] = {}
    parameters = {id(tensor) for tensor in net.parameters()}

    def collect(path: str, value: Any) -> None:
        if isinstance(value, Tensor):
            if id(value) not in parameters:
                found[path] = value
        elif isinstance(value, Mapping):
            collect(path, list(value.values()))
        elif isinstance(value, list | tuple | deque):
            for index, part in enumerate(value):
                collect(f"{path}.{index}", part)

    for name, module in net.named_modules():
        for key, value in vars(module).items():
            if key not in ("_parameters", "_modules"):
                collect(f"{name}.{key}", value)
    return found


def _same(tensor: Tensor, other: Tensor | None) -> bool:
    return other is not None and tensor.shape == other.shape and bool((tensor == other).all())
