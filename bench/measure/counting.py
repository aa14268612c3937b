"""Multiply-accumulates of one prediction, counted by running the network.

The paper's "FLOPs" are what `ptflops` counted in 2022: hooks on modules, one multiply-accumulate for a product and
its addition, two for each element a batch norm scales and shifts, one for each element of an activation or a pool.
The installed, newer ptflops counts clip networks to the same digit once its functional operations are left out.

On the paper's frame networks those hooks met three peculiarities, and Table 3 holds their sums. `macs` counts with
them, rule by rule on the layers that run, so that it can stand beside the paper; `macs_once` counts every layer
once and in full, and is the figure to plan with. METHODOLOGY.md has both, and what no count says: how fast it is.

A layer counts by its own type, or else as the nearest base that has a rule: a subclass, a parametrized and a quantised
layer are their base. Hooks see only layers that are called, so torch's own counter runs beside them, layer by layer;
where it sees over a tenth more, a note names the layers.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import importlib.metadata
import inspect
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ...models import continual as co
from ...models.example import Arguments, Example
from ...models.inputs import Input, call, moved
from ...models.spec import ModelSpec, keeps_state
from ...models.zoo import find_model

Hook = Callable[[Any, Any, Any], None]
Hooks = Mapping[type[nn.Module], Hook]

# Of what torch's counter sees: more than this unseen by the hooks gets a note.
_UNSEEN_SHARE = 0.1
_NAMED = 3  # layers in a note


@dataclass(frozen=True)
class Counts:
    """Operations of one prediction at batch 1; None where they cannot be counted, with a note why."""

    macs: int | None  # as the paper counts
    macs_once: int | None  # the same hooks, every layer once and in full
    macs_functional: int | None  # the newest ptflops counting: functional and tensor operations too
    macs_aten: int | None  # ptflops on the aten operations that are really called: convolutions, products, norms
    flops_torch: int | None  # torch.utils.flop_counter: two a multiply-accumulate, convolutions and products only
    counter: str
    notes: tuple[str, ...] = ()


class CountingError(RuntimeError):
    """The network could not be run by the counter, or the counter could not be loaded."""


@cache
def _ptflops(module: str) -> ModuleType:
    """A module of ptflops. Raises CountingError where it cannot be loaded.

    It knows one layer of torchvision's and one of timm's, and loads both packages for them: a second or two, and a
    torchvision that does not fit torch fails there. They are hidden from it, unless the network has loaded them.
    """
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in ("torchvision", "timm") if name not in modules]
    modules.update(dict.fromkeys(hidden))  # None: importing it is an ImportError
    try:
        return importlib.import_module(f"ptflops.{module}")
    except Exception as error:
        raise CountingError(f"ptflops cannot be loaded: {type(error).__name__}: {_first_line(error)}") from error
    finally:
        for name in hidden:
            del modules[name]


def _output_of(hook: Hook) -> Hook:
    """The hook on a layer that also hands back state: ptflops' own hooks know only tensors."""

    def counted(module: Any, inputs: Any, output: Any) -> None:
        hook(module, inputs, output[0] if isinstance(output, tuple) else output)

    return counted


def _twice(hook: Hook) -> Hook:
    def counted(module: Any, inputs: Any, output: Any) -> None:
        hook(module, inputs, output)
        hook(module, inputs, output)

    return counted


def _nothing(module: Any, inputs: Any, output: Any) -> None:
    """Counted already: the pool before it was charged with all that goes in."""


def _pooled_in_time(module: Any, inputs: Any, output: Any) -> None:
    """Every frame that enters the average or maximum, those kept from the past included; nothing over 1 x 1 x 1."""
    if module.kernel_size != (1, 1, 1):
        module.__flops__ += inputs[0].numel() + sum(kept.numel() for state in inputs[1:] for kept in state)


def _pooled_frame(module: Any, inputs: Any, output: Any) -> None:
    """The frame that comes in, not those kept; also over 1 x 1 x 1, as PySlowFast has it in Slow and SlowFast."""
    module.__flops__ += inputs[0].numel()


def _pooled_beyond(native_frames: int) -> Hook:
    """Only the frames beyond the regular network's clip: by those the rows of Table 3 grow."""

    def counted(module: Any, inputs: Any, output: Any) -> None:
        channels = inputs[0].shape[1]
        module.__flops__ += max(0, module.kernel_size[0] - native_frames) * channels

    return counted


def _classifier(module: nn.Linear, inputs: Any, output: Any) -> None:
    """`nn.Linear` over the channels, which ptflops expects in the last dimension."""
    linear = _ptflops("pytorch_ops").linear_flops_counter_hook
    linear(module, (inputs[0].movedim(1, -1),), output.movedim(1, -1))


def _classifier_on_feature_maps(module: Any, inputs: Any, output: Any) -> None:
    """How ptflops before 0.7 counted a classifier on 1 x 1 feature maps: it took the width for the number of
    classes."""
    width = output.shape[-1]
    module.__flops__ += inputs[0].numel() * width + (width if module.bias is not None else 0)


def _every_layer_once() -> Hooks:
    """ptflops' own rules, and those rules for our layers, whose types it does not know."""
    hooks = _ptflops("pytorch_ops")
    return hooks.MODULES_MAPPING | {
        co.Conv3d: _output_of(hooks.conv_flops_counter_hook),
        co.BatchNorm3d: hooks.bn_flops_counter_hook,
        co.SpatialMean: hooks.pool_flops_counter_hook,
        co.ClipMean: hooks.pool_flops_counter_hook,
        co.Pool3d: _output_of(_pooled_in_time),
        co.ClipPool: _output_of(_pooled_in_time),
        co.CumulativeMean: _pooled_frame,
        co.Projection: _classifier,
    }


def _as_the_paper(spec: ModelSpec) -> Hooks:
    """The rules behind the paper's figures; see METHODOLOGY.md for where each comes from.

    They hold for the networks of the paper only, not for custom models or networks designed for frames.
    """
    once = _every_layer_once()
    made_for_frames = spec.form == "frame" and spec.counterpart is None
    if spec.source is not None or made_for_frames:
        return once
    if spec.form == "clip":
        return {**once, co.Pool3d: _pooled_frame, co.ClipPool: _nothing}
    native_frames = find_model(spec.counterpart).input_shape[1] if spec.counterpart else 0
    return {
        **once,
        # `continual-inference` wraps layers without state, and torch calls a wrapped layer's hooks twice.
        co.BatchNorm3d: _twice(once[co.BatchNorm3d]),
        nn.ReLU: _twice(once[nn.ReLU]),
        co.Pool3d: _pooled_frame,
        co.ClipPool: _pooled_beyond(native_frames),
        co.Projection: _classifier_on_feature_maps,
    }


class _Quantised:
    """A quantised layer as the rules of its float layer see it: its bias is an attribute, not a method."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.__flops__ = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    @property
    def bias(self) -> Any:
        bias = self.module.bias
        return bias() if callable(bias) else bias


def _as_float(hook: Hook) -> Hook:
    def counted(module: Any, inputs: Any, output: Any) -> None:
        seen = _Quantised(module)
        hook(seen, inputs, output)
        module.__flops__ += seen.__flops__

    return counted


def _rule(kind: type, rules: Hooks) -> Hook | None:
    """The rule of a type: its own, or that of the nearest base; a quantised layer names its float one."""
    for base in kind.__mro__:
        if base in rules:
            return rules[base]
        named: Any = vars(base).get("_FLOAT_MODULE", ())
        for float_layer in named if isinstance(named, tuple) else (named,):
            if float_layer in rules:
                return _as_float(rules[float_layer])
    return None


class _Once(nn.Module):
    """The network as a module whose one call is one prediction: a clip, or a frame with the state it needs."""

    def __init__(self, net: nn.Module, state: tuple[Tensor, ...] | None) -> None:
        super().__init__()
        self.net = net
        self.state = state

    def forward(self, x: Input) -> Any:
        if self.state is None:
            return call(self.net, x)
        with co.steps_as_calls(self.net):  # ptflops hooks on them
            return self.net.step(x, self.state)  # type: ignore[operator]


def count_as_paper(net: nn.Module, spec: ModelSpec) -> int:
    """The figure of `macs` alone, by shapes: quick also for large networks. Raises what the network raises there."""
    with torch.no_grad():
        once, example = _once(copy.deepcopy(net).to("meta"), spec, torch.device("meta"))
        with _Layers(once, {"macs": _as_the_paper(spec)}) as layers:
            once(example)
    return layers.total("macs")


def count(net: nn.Module, spec: ModelSpec, given: Example | None = None) -> Counts:
    """Counts one prediction of `net` at batch 1 in every way, all in one run, for real: on the example that its author
    gave, if there is one.

    Not on torch's `meta` device: its operators take longer to load than a network to run, and torch makes some
    operations of others there.
    """
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    once, example = _once(net, spec, device, given)
    with _plain_operators(), contextlib.redirect_stdout(io.StringIO()):  # what a network prints is no figure
        try:
            counted = _run(once, example, spec, functions=True)
        except Exception as first:  # noqa: BLE001 - whatever a network raises, or a rule in the place of a function
            try:
                counted = _run(once, example, spec, functions=False)
                counted.failed["macs_functional"] = first
            except Exception as error:  # noqa: BLE001 - counting must not void the measurement
                counted = _Counted(failed=dict.fromkeys(_KNOWS_NONE, error))
    found, reasons = counted.figures, {figure: _reason(error) for figure, error in counted.failed.items()}
    nothing = "no counter knows any of its operators"
    reasons |= {
        figure: _KNOWS_NONE[figure] if any(found.values()) else nothing for figure in found if not found[figure]
    }
    missing: dict[str, list[str]] = {}
    for figure in filter(reasons.__contains__, _KNOWS_NONE):
        missing.setdefault(reasons[figure], []).append(figure)
    notes = (f"not counted: {', '.join(figures)}: {reason}" for reason, figures in missing.items())
    return Counts(
        **{figure: None if figure in reasons else found[figure] for figure in _KNOWS_NONE},
        counter=_counter(),
        notes=(*notes, *counted.notes),
    )


# Figure -> why it is missing where it would be nothing at all.
_KNOWS_NONE = {
    "macs": "ptflops' module hooks know none of its layers",
    "macs_once": "ptflops' module hooks know none of its layers",
    "macs_functional": "ptflops knows none of its layers and functions",
    "macs_aten": "ptflops knows none of its operators",
    "flops_torch": "torch's counter knows none of its operators",
}


@dataclass(frozen=True)
class _Counted:
    """Figures, why others are missing, and notes on layers."""

    figures: dict[str, int] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _run(once: nn.Module, example: Input, spec: ModelSpec, *, functions: bool) -> _Counted:
    """All figures by one run, `functions`: the functional one too. Raises what the network raises."""
    try:
        tables = {"macs": _as_the_paper(spec), "macs_once": _every_layer_once()}
        operators = _Operators({"macs_aten": _aten_macs, "flops_torch": _torch_flops})
        counting_functions = _functions() if functions else contextlib.nullcontext([])
    except CountingError as error:  # torch's own counter is left
        operators = _Operators({"flops_torch": _torch_flops})
        with torch.no_grad(), operators:
            once(example)
        failed = {**dict.fromkeys(list(_KNOWS_NONE)[:-1], error), **operators.failed}
        return _Counted(dict(operators.counts), failed)
    layers = _Layers(once, tables, lambda: operators.counts["flops_torch"])
    with torch.no_grad(), operators, layers, counting_functions as of_functions:
        once(example)
    figures = {name: layers.total(name) for name in tables} | operators.counts
    figures["macs_functional"] = figures["macs_once"] + sum(of_functions)
    figures = {name: int(figure) for name, figure in figures.items()}  # some rules of ptflops give numpy's integers
    return _Counted(figures, operators.failed, (*layers.failures(), *layers.unseen("macs_once")))


def _aten_macs(operator: Any, args: Any, kwargs: Any, output: Any) -> int:
    """ptflops' rules for aten operations."""
    rule = _ptflops("aten_ops").ATEN_OPS_MAPPING.get(operator)
    # Scripts call a convolution with more arguments behind those that the rule unpacks.
    return rule(args[:9], output if isinstance(output, tuple) else (output,)) if rule else 0


def _torch_flops(operator: Any, args: Any, kwargs: Any, output: Any) -> int:
    """The rules of torch's own counter."""
    rule = flop_registry.get(operator)
    return rule(*args, **kwargs, out_val=output) if rule else 0


class _Operators(TorchDispatchMode):
    """What rules count of the operators that are really called. (In inference mode they would not be seen.)

    torch's own `FlopCounterMode` would load its compiler first, for a second or two.
    """

    def __init__(self, rules: Mapping[str, Callable[[Any, Any, Any, Any], int]]) -> None:
        super().__init__()
        self.rules = rules
        self.counts = dict.fromkeys(rules, 0)
        self.failed: dict[str, Exception] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled meanwhile, and only to say so torch would load the compiler

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        for figure, rule in self.rules.items():
            try:
                self.counts[figure] += rule(func._overloadpacket, args, kwargs or {}, output)
            except Exception as error:  # noqa: BLE001, PERF203 - a rule that fails must not end the run
                self.failed[figure] = error
        return output


@contextlib.contextmanager
def _functions() -> Iterator[list[int]]:
    """What ptflops' rules for functions count, call by call: they stand in the place of torch's functions."""
    engine = _ptflops("pytorch_engine")
    counts: list[int] = []
    engine.patch_functional(counts)
    engine.patch_tensor_ops(counts)
    try:
        yield counts
    finally:
        engine.unpatch_functional()
        engine.unpatch_tensor_ops()


class _Layers:
    """Hooks on every layer of a network while it runs: what each counts by the rules, and what torch's counter, of
    which `torch_flops` is the sum so far, sees in it."""

    def __init__(
        self, once: nn.Module, tables: Mapping[str, Hooks], torch_flops: Callable[[], int] = lambda: 0
    ) -> None:
        self.tables = tables
        self.torch_flops = torch_flops
        # Scripts cannot be hooked: what runs in one counts as what runs in its caller.
        self.names = {
            module: name.removeprefix("net").removeprefix(".")
            for name, module in once.named_modules()
            if not isinstance(module, torch.jit.ScriptModule)
        }
        self.rules = {
            name: {module: _rule(type(module), table) for module in self.names} for name, table in tables.items()
        }
        # Attention is counted whole, so its parts are not counted again.
        whole = [module for module in self.names if isinstance(module, nn.MultiheadAttention)]
        self.parts = {part: module for module in whole for part in module.modules() if part is not module}
        self.counts: dict[str, Counter[nn.Module]] = {name: Counter() for name in tables}
        self.seen: Counter[nn.Module] = Counter()
        self.failed: dict[nn.Module, Exception] = {}
        self.running: list[list[int]] = []  # of each layer that runs: torch's sum when it began, the share of its parts
        self.hooks = contextlib.ExitStack()

    def __enter__(self) -> _Layers:
        for module in self.names:
            for handle in (
                module.register_forward_pre_hook(self._begin),
                module.register_forward_hook(self._end, with_kwargs=True, always_call=True),
            ):
                self.hooks.callback(handle.remove)
        return self

    def __exit__(self, *_: object) -> None:
        self.hooks.close()

    def _begin(self, module: nn.Module, _: Any) -> None:
        self.running.append([self.torch_flops(), 0])

    def _end(self, module: nn.Module, inputs: Any, named: dict[str, Any], output: Any) -> None:
        begin, parts = self.running.pop()
        flops = self.torch_flops() - begin
        if self.running:
            self.running[-1][1] += flops
        self.seen[self.parts.get(module, module)] += flops - parts
        if output is None or module in self.parts:  # None: it raised
            return
        for name, rules in self.rules.items():
            if (rule := rules[module]) is not None:
                try:
                    self.counts[name][module] += _counted(rule, module, inputs, named, output)
                except Exception as error:  # noqa: BLE001 - the other layers are counted all the same
                    self.failed[module] = error

    def total(self, table: str) -> int:
        """What all layers count by the rules of that table."""
        return self.counts[table].total()

    def failures(self) -> Iterator[str]:
        """A note on each reason for which rules failed, with the layers."""
        reasons: dict[str, list[nn.Module]] = {}
        for module, error in self.failed.items():
            reasons.setdefault(_reason(error), []).append(module)
        for reason, modules in reasons.items():
            yield f"not counted by the module hooks: {self._named(modules)}: {reason}"

    def unseen(self, table: str) -> Iterator[str]:
        """A note where torch's counter sees over a tenth more than those rules count, with the layers."""
        counts = self.counts[table]
        lacking = {module: flops // 2 - counts[module] for module, flops in self.seen.items()}
        layers = {module: macs for module, macs in lacking.items() if macs > 0 and module not in self.failed}
        macs, all_macs = sum(layers.values()), self.seen.total() // 2
        if macs > _UNSEEN_SHARE * all_macs:
            largest = sorted(layers, key=lambda module: -layers[module])
            yield (
                f"the module hooks do not see {macs:,} of the {all_macs:,} multiply-accumulates that torch's "
                f"counter sees: those in {self._named(largest)}"
            )

    def _named(self, modules: Sequence[nn.Module]) -> str:
        some = [f"{self.names[module] or 'its own forward'} ({_type_name(module)})" for module in modules[:_NAMED]]
        more = len(modules) - _NAMED
        return ", ".join(some) + (f" and {more} more" if more > 0 else "")


def _type_name(module: nn.Module) -> str:
    """The class as its author calls it, also of a script."""
    while isinstance(module, _Once | Arguments):
        module = module.net
    return getattr(module, "original_name", None) or type(module).__name__


def _counted(rule: Hook, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> int:
    """What a rule of ptflops counts of a call: it adds to an attribute of the layer, and knows inputs by position."""
    if named:
        inputs = tuple(inspect.signature(module.forward).bind(*inputs, **named).arguments.values())
    if isinstance(module, nn.MultiheadAttention):
        inputs = inputs[:3]  # query, key, value
    module.__flops__ = 0  # type: ignore[assignment]
    try:
        rule(module, inputs, output)
        return module.__flops__  # type: ignore[return-value]
    finally:
        del module.__flops__


@contextlib.contextmanager
def _plain_operators() -> Iterator[None]:
    """Attention as matrix products, and compiled networks as they are written: hooks and counters see nothing else."""
    attention = torch.backends.mha
    fast = attention.get_fastpath_enabled()
    stance = getattr(torch.compiler, "set_stance", None) if "torch._dynamo" in sys.modules else None
    attention.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), stance("force_eager") if stance else contextlib.nullcontext():
            yield
    finally:
        attention.set_fastpath_enabled(fast)


def _counter() -> str:
    """The counter of `macs`, and its version."""
    try:
        return f"ptflops {importlib.metadata.version('ptflops')} (module hooks)"
    except importlib.metadata.PackageNotFoundError:
        return "ptflops, which is not installed"


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")


def _reason(error: Exception) -> str:
    """The last line of the message; for a counter's report that is the exception itself."""
    lines = str(error).strip().splitlines()
    reason = lines[-1].strip() if lines else ""
    return reason if isinstance(error, CountingError) else f"{type(error).__name__}: {reason}".removesuffix(": ")


def _once(
    net: nn.Module, spec: ModelSpec, device: torch.device, given: Example | None = None
) -> tuple[nn.Module, Input]:
    """The network as a module of one prediction, and an example to predict from."""
    with torch.no_grad():
        state = net.initial_state(1) if spec.form == "frame" else None  # type: ignore[operator]
    example = torch.zeros(1, *spec.input_shape) if given is None else given.itself()
    once, example = _Once(net, state).eval(), moved(example, device)
    if keeps_state(net):  # its first prediction of a stream may make the state
        with torch.no_grad():
            once(example)
    return once, example
