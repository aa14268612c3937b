"""What a network is called with: tensors with their shapes, types, layout and values, and what holds them.

Inside the house an input is one tensor, or, where a network takes anything else, a flat tuple of its tensors;
`as_called` makes a module of such a network that takes them one by one, which is also what exporters trace. Imports
torch.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .inputs import Input, tensors_of
from .spec import THE_EXAMPLE, is_frame_network, keeps_state

# A tuple may be several arguments or one, a dict keyword arguments or one: whichever `forward` takes, in this order.
Passing = Literal["one", "arguments", "keywords"]
_ORDERS: tuple[tuple[type, tuple[Passing, ...]], ...] = (
    (tuple, ("arguments", "one")),
    (list, ("one", "arguments")),
    (Mapping, ("keywords", "one")),
)
_TAKEN = re.compile(r"(scores|state|new_state)(_\d+)?")  # names of what exported files hold besides
_NO_NAME = re.compile(r"\W+")


class ExampleError(ValueError):
    """An example that cannot be measured with; the message says what it is and what to give instead."""


@dataclass(frozen=True)
class _Place:
    """Where the tensor of that index stands in the structure."""

    index: int


@dataclass(frozen=True)
class Example:
    """An example input. `draw` makes others like it, of any batch."""

    tensors: tuple[Tensor, ...]
    names: tuple[str, ...]  # of the tensors, for people and files
    structure: Any = _Place(0)  # what the author gave, with a `_Place` for each tensor
    passing: Passing = "one"
    fixed: bool = False  # inputs are the example itself, for networks that fail on others
    by_shape: bool = False  # nobody gave the values

    @classmethod
    def of_shape(cls, shape: tuple[int, ...]) -> Example:
        """One float32 tensor of that shape, without the batch; it says nothing of its values."""
        return cls((torch.zeros(()).expand(1, *shape),), ("input",), by_shape=True)

    @property
    def is_tensor(self) -> bool:
        """Whether the network takes one tensor and nothing around it."""
        return isinstance(self.structure, _Place)

    @property
    def first(self) -> Tensor:
        """The tensor with the batch in front, where any has one."""
        return self.tensors[self._batched.index(True) if True in self._batched else 0]

    @cached_property
    def _batched(self) -> tuple[bool, ...]:
        return tuple(tensor.dim() > 0 and len(tensor) == 1 for tensor in self.tensors)

    @cached_property
    def _pools(self) -> tuple[Tensor | None, ...]:
        return tuple(map(_pool, self.tensors))

    def draw(self, batch: int, generator: torch.Generator) -> Input:
        """An input like the example, with that batch: its values are drawn from the example's own, so they have its
        range. A tensor of zeros is a placeholder: standard normal, which is what normalised video frames are scaled to.

        Raises ExampleError for a batch where no tensor has a batch of 1 in front.
        """
        if batch > 1 and True not in self._batched:
            raise ExampleError("its example has no batch of 1 in front, so it is measured with --batch 1 only")
        return self._input(tuple(self._drawn(index, batch, generator) for index in range(len(self.tensors))))

    def _drawn(self, index: int, batch: int, generator: torch.Generator) -> Tensor:
        like, pool = self.tensors[index], self._pools[index]
        rows = self._batched[index]
        shape = (batch, *like.shape[1:]) if rows else tuple(like.shape)
        if self.fixed or not like.numel():
            values = like.expand(shape)
        elif pool is None:
            values = torch.randn(shape, generator=generator)
        elif len(pool) == 1 and pool.is_floating_point():
            values = pool[0] * (0.5 + 0.5 * torch.rand(shape, generator=generator))
        elif len(pool) == 1:
            values = pool[0].expand(shape)
        else:
            values = pool[torch.randint(len(pool), shape, generator=generator)]
        return _laid_out(values, like, rows)

    def itself(self) -> Input:
        """The example as its author gave it; of a shape, an input."""
        return self.draw(1, torch.Generator().manual_seed(0)) if self.by_shape else self._input(self.tensors)

    def _input(self, tensors: tuple[Tensor, ...]) -> Input:
        return tensors[0] if self.is_tensor else tensors

    def rows(self, x: Input, part: Any) -> Input:
        """Those rows of a batch."""
        tensors = zip(tensors_of(x), self._batched, strict=True)
        return self._input(tuple(tensor[part] if batched else tensor for tensor, batched in tensors))

    def batch_of(self, x: Input) -> int:
        """The batch of an input; 1 where the example has none."""
        return next((len(t) for t, batched in zip(tensors_of(x), self._batched, strict=True) if batched), 1)

    def arguments(self, tensors: tuple[Tensor, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What the author's network is called with: positional and keyword arguments."""
        whole = _put_back(self.structure, tensors)
        if self.passing == "keywords":
            return (), dict(whole)
        return (tuple(whole) if self.passing == "arguments" else (whole,)), {}

    @property
    def inputs_text(self) -> str | None:
        """The tensors, for people; None for one float32 tensor."""
        if self.is_tensor and self.tensors[0].dtype == torch.float32:
            return None
        pairs = zip(self.names, self.tensors, strict=True)
        return ", ".join(f"{name}: {_text(tensor)}" for name, tensor in pairs)

    @property
    def values_text(self) -> str | None:
        """The values and the memory layout, for people; None for contiguous standard normal noise."""
        if self.fixed:
            return THE_EXAMPLE
        several = len(self.tensors) > 1
        rows = zip(self.names, self.tensors, self._pools, strict=True)
        texts = [(name, _values(tensor, pool)) for name, tensor, pool in rows]
        return ", ".join(f"{name}: {text}" if several else text for name, text in texts if text) or None


def read_example(net: Any, thing: Any) -> Example:
    """The example that an author gave with the network. Raises ExampleError."""
    found: list[tuple[str, Tensor]] = []
    passing = _passing(net, thing)
    structure = _take_apart(thing, _names_of(net, thing, passing), found)
    if not found:
        raise ExampleError(f"the example input is {_a(thing)}, which holds no tensor; give torch tensors")
    for name, tensor in found:
        of = f" {name}" if len(found) > 1 else ""
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested:
            raise ExampleError(f"the example input{of} is a sparse, quantised or nested tensor; give a dense one")
        if tensor.dtype != torch.float32 and (tensor.is_floating_point() or tensor.is_complex()):
            raise ExampleError(
                f"the example input{of} is {tensor.dtype}; give torch.float32, integers or bool: "
                "--precision chooses other floating-point types"
            )
    example = Example(tuple(tensor for _, tensor in found), _unique([name for name, _ in found]), structure, passing)
    if example.is_tensor and True not in example._batched:
        raise ExampleError(
            f"the example input has the shape {tuple(example.first.shape)}; give exactly what the network is "
            f"called with, with a batch of 1 in front: (1, ...)"
        )
    return example


def as_called(net: Any, example: Example) -> Any:
    """The network where it takes one tensor, else a module that takes the tensors of the example one by one."""
    if example.is_tensor:
        return net
    return FrameArguments(net, example) if is_frame_network(net) else Arguments(net, example)


class Arguments(nn.Module):
    """A network that takes flat tensors and passes them on as its author's takes them."""

    def __init__(self, net: nn.Module, example: Example) -> None:
        super().__init__()
        self.net = net
        self.example = example

    def forward(self, *tensors: Tensor) -> Any:
        positional, named = self.example.arguments(tensors)
        return self.net(*positional, **named)


class FrameArguments(Arguments):
    """The same of a frame network; the state is passed last."""

    @property
    def keeps_state(self) -> bool:
        return keeps_state(self.net)

    @property
    def receptive_field(self) -> int | None:
        return getattr(self.net, "receptive_field", None)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        return self.net.initial_state(batch_size)  # type: ignore[operator]

    def state_tensors(self) -> tuple[Tensor, ...]:
        """Of a network that keeps its state inside."""
        return self.net.state_tensors()  # type: ignore[operator]

    def step(self, frame: tuple[Tensor, ...], state: tuple[Tensor, ...]) -> tuple[Any, tuple[Tensor, ...]]:
        positional, named = self.example.arguments(frame)
        return self.net.step(*positional, **named, state=state) if named else self.net.step(*positional, state)  # type: ignore[operator]


def _passing(net: Any, thing: Any) -> Passing:
    """How this is passed: in the first way that the signature takes."""
    order: tuple[Passing, ...] = ("one",)
    for kind, ways in _ORDERS:
        if isinstance(thing, kind) and not hasattr(thing, "_fields"):
            order = ways
    for way in order:
        if _bound(net, thing, way) is not None:
            return way
    return order[0]


def _bound(net: Any, thing: Any, way: Passing) -> dict[str, Any] | None:
    """The arguments by the names of the parameters; None where the signature does not take them so."""
    frames = is_frame_network(net)
    try:
        inside = keeps_state(net)
        signature = net.step_signature() if inside else inspect.signature(net.step if frames else net.forward)
    except (TypeError, ValueError):
        return {}
    positional = {"one": (thing,), "arguments": tuple(thing) if way == "arguments" else (), "keywords": ()}[way]
    named = thing if way == "keywords" else {}
    if any(not isinstance(name, str) for name in named):
        return None
    handed = frames and not inside  # the state, behind the frame
    try:
        if handed and named:
            return dict(signature.bind(**named, state=None).arguments)
        return dict(signature.bind(*positional, *((None,) if handed else ()), **named).arguments)
    except TypeError:
        return None


def _names_of(net: Any, thing: Any, passing: Passing) -> Any:
    """The name of what is passed, or of each part of it."""
    if passing == "keywords":
        return ""
    names = list(_bound(net, thing, passing) or ())
    if passing == "one":
        return names[0] if names else "input"
    parts = len(thing)
    return names[:parts] if len(names) >= parts else "input"


def _take_apart(thing: Any, name: Any, found: list[tuple[str, Tensor]]) -> Any:
    """The structure of a thing, its tensors appended to `found`."""
    if isinstance(thing, Tensor):
        if thing.is_meta:
            raise ExampleError("the example input holds a tensor of the device meta, without values; give it values")
        found.append((name if isinstance(name, str) else name[0], thing.detach().cpu()))
        return _Place(len(found) - 1)
    parts = _parts(thing)
    if parts is None:
        if type(thing).__module__.partition(".")[0] == "numpy" and hasattr(thing, "shape"):
            raise ExampleError("the example input holds a numpy array; give torch tensors: torch.from_numpy(array)")
        return thing
    names = name if isinstance(name, list) else [f"{name}_{key}".strip("_") for key in parts]
    return _with(thing, {key: _take_apart(parts[key], of, found) for key, of in zip(parts, names, strict=True)})


def _put_back(structure: Any, tensors: tuple[Tensor, ...]) -> Any:
    if isinstance(structure, _Place):
        return tensors[structure.index]
    parts = _parts(structure)
    return structure if parts is None else _with(structure, {key: _put_back(p, tensors) for key, p in parts.items()})


def _parts(thing: Any) -> dict[Any, Any] | None:
    """The parts of a container; None for anything else, which is passed on as it is."""
    if isinstance(thing, Mapping):
        return dict(thing)
    if isinstance(thing, list | tuple):
        return dict(enumerate(thing))
    if is_dataclass(thing) and not isinstance(thing, type | _Place):
        return {field.name: getattr(thing, field.name) for field in fields(thing) if field.init}
    return None


def _with(thing: Any, parts: dict[Any, Any]) -> Any:
    """The same container with these parts."""
    if type(thing) is dict:
        return parts  # compilers know no copies
    if isinstance(thing, MutableMapping):
        twin = copy.copy(thing)
        for key, part in parts.items():
            twin[key] = part
        return twin
    if isinstance(thing, Mapping):
        return parts
    if isinstance(thing, list | tuple):
        values = list(parts.values())
        return type(thing)(*values) if hasattr(thing, "_fields") else type(thing)(values)
    return replace(thing, **parts)


def _unique(names: list[str]) -> tuple[str, ...]:
    """Names that files can hold, each once."""
    found: list[str] = []
    for index, name in enumerate(names):
        word = _NO_NAME.sub("_", name).strip("_") or f"input_{index}"
        word = f"input_{word}" if _TAKEN.fullmatch(word) or word[0].isdigit() else word
        found.append(word if word not in found else f"{word}_{index}")
    return tuple(found)


def _pool(tensor: Tensor) -> Tensor | None:
    """The values that inputs are drawn from; one where all are equal, None for floating-point zeros."""
    # A number that was expanded is not written out for it.
    flat = tensor.reshape(-1) if any(tensor.stride()) else tensor.as_strided((min(1, tensor.numel()),), (1,))
    if not len(flat):
        return flat
    if not bool((flat == flat[0]).all()):
        return flat
    return None if flat.is_floating_point() and not bool(flat[0]) else flat[:1]


def _laid_out(values: Tensor, like: Tensor, rows: bool) -> Tensor:
    """The values in the memory layout of the example; contiguous where its own has gaps or overlaps."""
    inner = like[0] if rows else like
    ordered = sorted(zip(inner.stride(), inner.shape, strict=True))
    expected = 1
    for stride, size in ordered:
        if size > 1 and stride != expected:
            return values.contiguous()
        expected *= size
    strides = (inner.numel(), *inner.stride()) if rows else inner.stride()
    out = torch.empty_strided(values.shape, strides, dtype=values.dtype)
    return out.copy_(values)


def _text(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _values(tensor: Tensor, pool: Tensor | None) -> str:
    """`0.5 to 1.5, channels last`; empty for contiguous standard normal noise."""
    found = []
    if pool is not None and len(pool):
        numbers = pool.double()  # torch compares no unsigned integers but bytes
        low, high = numbers.min().item(), numbers.max().item()
        low = low / 2 if len(pool) == 1 and pool.is_floating_point() else low
        found.append(f"{low:.3g} to {high:.3g}" if low != high else f"{low:.3g}")
    if tensor.dim() > 1 and not tensor[:1].is_contiguous() and 0 not in tensor.stride():
        last = tensor.stride(1) == 1
        found.append("channels last" if last else f"strides {tensor.stride()}")
    return ", ".join(found)


def _a(thing: Any) -> str:
    if isinstance(thing, tuple):
        return f"a tuple of {', '.join(type(part).__name__ for part in thing) or 'nothing'}"
    name = type(thing).__name__
    return "None" if thing is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
