"""Tracing that knows every tensor's shape: what a `forward` asks of shapes is answered by the numbers of its clip.

So `view(b * t, c, h, w)`, a branch on `x.shape[2]` and a library that looks at shapes (einops) can be traced.
"""

from __future__ import annotations

import logging
import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.fx import _symbolic_trace

from .known_shapes import known_result, known_shape

BATCH = 2  # of the clip that is traced; more than one, so that it shows what runs over the batch


class ShapeError(Exception):
    """The module itself cannot be called with a clip of that shape; the message is torch's."""


def value_of(node: fx.Node) -> Any:
    """What a traced call returns, as tensors without numbers in them."""
    return node.meta["value"]


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of a traced call's tensor, in the module as it was given."""
    return tuple(value_of(node).shape)


def shape_after(layer: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a layer makes of one. Raises ShapeError where it does not take it."""
    if known := known_shape(layer, shape):
        return known
    try:
        with _quietly(), FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            made = layer(torch.empty(shape, dtype=type_of(layer), device=device_of(layer)))
    except Exception as error:  # whatever the layer raises
        raise ShapeError(in_words(error)) from error
    if not isinstance(made, torch.Tensor):
        raise ShapeError(f"it returns {type(made).__name__}, not one tensor")
    return tuple(made.shape)


def _known(called: Any, args: Any, kwargs: Any) -> torch.Tensor | None:
    """What a called layer, function or method makes, where no operator has to be looked at for its shape."""
    if isinstance(called, nn.Module):
        one = len(args) == 1 and not kwargs and isinstance(args[0], torch.Tensor)
        shape = known_shape(called, tuple(args[0].shape)) if one else None
    else:
        shape = known_result(called, args, kwargs)
    if shape is None:
        return None
    like = args[0] if isinstance(args[0], torch.Tensor) else args[0][0]
    return _shape_only(shape, like.dtype, like.device)


def _shape_only(shape: tuple[int, ...], dtype: torch.dtype | None, device: torch.device | None) -> torch.Tensor:
    """A tensor of that shape of which only the shape and the type are meant: one number for all."""
    return torch.zeros((), dtype=dtype, device=device).expand(shape)


@contextmanager
def _quietly() -> Iterator[None]:
    """torch logs each shape that does not fit; it is raised as well."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def type_of(layer: nn.Module) -> torch.dtype:
    return next((one.dtype for one in layer.parameters() if one.is_floating_point()), torch.get_default_dtype())


def device_of(layer: nn.Module) -> torch.device:
    return next((one.device for one in layer.parameters()), torch.device("cpu"))


def in_words(error: Exception) -> str:
    """The first line of what another's code raised."""
    line = str(error).strip().splitlines()
    return line[0] if line else type(error).__name__


def _in_place(function: Callable[..., Any]) -> Any:
    return lambda proxy, other: proxy.tracer.create_proxy("call_function", function, (proxy, other), {})


_NEW = ("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor")


class ShapedProxy(fx.Proxy):
    """A tensor's stand-in that knows the tensor's shape.

    It distinguishes `x += y`, after which other names of x hold the sum, from `x = x + y`.
    """

    _is_param = False  # torch asks every tensor
    __iadd__ = _in_place(operator.iadd)
    __isub__ = _in_place(operator.isub)
    __imul__ = _in_place(operator.imul)
    __itruediv__ = _in_place(operator.itruediv)

    @property
    def _value(self) -> Any:
        return value_of(self.node)

    @property
    def shape(self) -> Any:
        return self._value.shape

    @property
    def ndim(self) -> Any:
        return self._value.ndim

    @property
    def dtype(self) -> Any:
        return self._value.dtype

    @property
    def device(self) -> Any:
        return self._value.device

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> Any:
        return self.ndim

    def numel(self) -> Any:
        return self._value.numel()

    def __getattr__(self, name: str) -> Any:
        if name in _NEW:  # a tensor of numbers that no frame changes
            return getattr(torch.empty(0, dtype=self.dtype), name)
        return super().__getattr__(name)

    def is_floating_point(self) -> Any:
        return self._value.is_floating_point()

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        return iter(
            [self.tracer.create_proxy("call_function", operator.getitem, (self, at), {}) for at in range(len(self))]
        )


def _known_to_einops() -> None:
    """einops asks for a tensor's type by name, and then calls what every tensor has."""
    backends = sys.modules.get("einops._backends")
    known = getattr(backends, "_type2backend", None)
    if known is not None and hasattr(backends, "TorchBackend"):
        known.setdefault(ShapedProxy, backends.TorchBackend())  # type: ignore[union-attr]


class ShapedTracer(fx.Tracer):
    """A tracer whose clip is `clip`; every call's `meta["value"]` has the shape it has for that clip.

    Values are torch's fake tensors only from the first call on whose shape is not known without torch.
    """

    def __init__(
        self, clip_shape: tuple[int, ...], dtype: torch.dtype | None = None, device: torch.device | None = None
    ) -> None:
        super().__init__()
        self.clip = _shape_only(clip_shape, dtype, device)
        self.known: set[fx.Node] = set()  # whose values have nothing but their shape and type
        self.running = False

    @cached_property
    def mode(self) -> FakeTensorMode:
        """Made when torch is asked first: it loads torch's compiler, for a second."""
        return FakeTensorMode(allow_non_fake_inputs=True)

    def _fake(self, node: fx.Node) -> Any:
        """The value of a node, for torch."""
        if node in self.known:
            self.known.remove(node)
            like = value_of(node)
            with self.mode:
                node.meta["value"] = torch.empty(like.shape, dtype=like.dtype, device=like.device)
        return value_of(node)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return ShapedProxy(node, self)

    def create_node(self, kind: str, target: Any, *rest: Any, **named: Any) -> fx.Node:
        node = super().create_node(kind, target, *rest, **named)
        node.meta["value"] = self._run(kind, target, node)
        return node

    def trace(self, root: Any, concrete_args: Any = None) -> fx.Graph:
        _known_to_einops()
        # Functions that their authors keep from tracing, by torch.fx.wrap, for the sake of shapes: they are known here.
        kept = getattr(_symbolic_trace, "_wrapped_fns_to_patch", {})
        held = dict(kept)
        kept.clear()
        try:
            return super().trace(root, concrete_args)
        finally:
            kept.update(held)

    def create_arg(self, a: Any) -> Any:
        return a.node if issubclass(type(a), fx.Proxy) else super().create_arg(a)

    def _run(self, kind: str, target: Any, node: fx.Node) -> Any:
        if kind in ("placeholder", "output"):
            self.known.add(node)
            return self.clip
        self.running = True
        try:
            if kind == "get_attr":
                return operator.attrgetter(target)(self.root)
            called = self.root.get_submodule(target) if kind == "call_module" else target
            made = _known(called, *fx.map_arg((node.args, node.kwargs), value_of))
            if made is not None:
                self.known.add(node)
                return made
            args, kwargs = fx.map_arg((node.args, node.kwargs), self._fake)
            with _quietly(), self.mode, torch.no_grad():
                if kind == "call_method":
                    return getattr(args[0], target)(*args[1:], **kwargs)
                return called(*args, **kwargs)
        except DataDependentOutputException as error:
            raise ShapeError("it reads a tensor's numbers, which differ from clip to clip") from error
        except Exception as error:  # whatever torch or the layer raises on a shape that does not fit
            raise ShapeError(in_words(error)) from error
        finally:
            self.running = False

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        return forward(*args, **kwargs) if self.running else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self.running else super().getattr(attr, attr_val, parameter_proxy_cache)
