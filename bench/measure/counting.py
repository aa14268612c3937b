"""Multiply-accumulates of one prediction, counted by running the network.

The paper's "FLOPs" are what `ptflops` counted in 2022: hooks on modules, one multiply-accumulate for a product and
its addition, two for each element a batch norm scales and shifts, one for each element of an activation or a pool.
The installed, newer ptflops counts clip networks to the same digit once its functional operations are left out.

On the paper's frame networks those hooks met three peculiarities, and Table 3 holds their sums. `macs` counts with
them, rule by rule on the layers that run, so that it can stand beside the paper; `macs_once` counts every layer
once and in full, and is the figure to plan with. METHODOLOGY.md has both, and what no count says: how fast it is.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.metadata
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ptflops
import torch
from ptflops import pytorch_ops as hooks
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ...models import continual as co
from ...models.example import Example
from ...models.inputs import Input, call, moved
from ...models.spec import ModelSpec
from ...models.zoo import find_model

Hook = Callable[[Any, Any, Any], None]
Hooks = dict[type[nn.Module], Hook]


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
    """The network could not be run by the counter."""


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
    hooks.linear_flops_counter_hook(module, (inputs[0].movedim(1, -1),), output.movedim(1, -1))


def _classifier_on_feature_maps(module: Any, inputs: Any, output: Any) -> None:
    """How ptflops before 0.7 counted a classifier on 1 x 1 feature maps: it took the width for the number of
    classes."""
    width = output.shape[-1]
    module.__flops__ += inputs[0].numel() * width + (width if module.bias is not None else 0)


# ptflops' own rules for our layers, whose types it does not know.
_EVERY_LAYER_ONCE: Hooks = {
    co.Conv3d: _output_of(hooks.conv_flops_counter_hook),
    co.BatchNorm3d: hooks.bn_flops_counter_hook,
    co.SpatialMean: hooks.pool_flops_counter_hook,
    co.ClipMean: hooks.pool_flops_counter_hook,
    co.Pool3d: _output_of(_pooled_in_time),
    co.ClipPool: _output_of(_pooled_in_time),
    co.Projection: _classifier,
}


def _as_the_paper(spec: ModelSpec) -> Hooks:
    """The rules behind the paper's figures; see METHODOLOGY.md for where each comes from.

    They hold for the networks of the paper only, not for custom models or networks designed for frames.
    """
    made_for_frames = spec.form == "frame" and spec.counterpart is None
    if spec.source is not None or made_for_frames:
        return _EVERY_LAYER_ONCE
    if spec.form == "clip":
        return _EVERY_LAYER_ONCE | {co.Pool3d: _pooled_frame, co.ClipPool: _nothing}
    native_frames = find_model(spec.counterpart).input_shape[1] if spec.counterpart else 0
    return _EVERY_LAYER_ONCE | {
        # `continual-inference` wraps layers without state, and torch calls a wrapped layer's hooks twice.
        co.BatchNorm3d: _twice(hooks.bn_flops_counter_hook),
        nn.ReLU: _twice(hooks.relu_flops_counter_hook),
        co.Pool3d: _pooled_frame,
        co.ClipPool: _pooled_beyond(native_frames),
        co.Projection: _classifier_on_feature_maps,
    }


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
    return _by_modules(*_by_shapes(net, spec), _as_the_paper(spec))


def count(net: nn.Module, spec: ModelSpec, given: Example | None = None) -> Counts:
    """Counts one prediction of `net` at batch 1 in every way, on the example that its author gave if there is one.

    Where only shapes matter, the network runs on torch's `meta` device: through all its operations, without
    numbers. A network whose control flow depends on values is run for real.
    """
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    for_real = _once(net, spec, device, given)
    once: int | None = None
    try:
        by_shapes = _by_shapes(net, spec, given)
        once = _by_modules(*by_shapes, _EVERY_LAYER_ONCE)
    except Exception:  # noqa: BLE001 - whatever a network raises there, it may be run for real
        by_shapes = for_real
    # Figure -> how it is counted. The functional one for real: on `meta` torch makes some operations of others, which
    # that counting would add.
    ways: dict[str, Callable[[], int]] = {
        "macs": lambda: _by_modules(*by_shapes, _as_the_paper(spec)),
        "macs_once": lambda: _by_modules(*by_shapes, _EVERY_LAYER_ONCE) if once is None else once,
        "macs_functional": lambda: _ptflops(*for_real, "pytorch", _EVERY_LAYER_ONCE, {}),
        "macs_aten": lambda: _ptflops(*by_shapes, "aten", {}, {}),
        "flops_torch": lambda: _by_torch(*by_shapes),
    }
    counts: dict[str, int | None] = dict.fromkeys(ways)
    failed: dict[str, list[str]] = {}  # reason: figures
    for figure, way in ways.items():
        try:
            counts[figure] = way()
        except Exception as error:  # noqa: BLE001, PERF203 - a failing counter must not void the measurement
            failed.setdefault(_reason(error), []).append(figure)
    if not counts["macs_once"] and any(counts.values()):
        counts["macs"] = counts["macs_once"] = None
        failed["ptflops' module hooks know none of its layers"] = ["macs", "macs_once"]
    notes = tuple(f"not counted: {', '.join(figures)}: {reason}" for reason, figures in failed.items())
    version = importlib.metadata.version("ptflops")
    return Counts(**counts, counter=f"ptflops {version} (module hooks)", notes=notes)


def _by_torch(once: nn.Module, example: Input) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        once(example)
    return counter.get_total_flops()


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
    return _Once(net, state).eval(), moved(example, device)


def _by_shapes(net: nn.Module, spec: ModelSpec, given: Example | None = None) -> tuple[nn.Module, Input]:
    return _once(copy.deepcopy(net).to("meta"), spec, torch.device("meta"), given)


def _by_modules(once: nn.Module, example: Input, rules: Hooks) -> int:
    return _ptflops(once, example, "pytorch", rules, {"count_functional": False})


def _ptflops(once: nn.Module, example: Input, backend: str, rules: Hooks, config: dict[str, Any]) -> int:
    printed = io.StringIO()
    # ptflops prints errors and returns None. In inference mode it would not see dispatched operations.
    with torch.no_grad(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        macs, _ = ptflops.get_model_complexity_info(
            once,
            (1,),  # not read: the example is what the network is called with
            input_constructor=lambda _: example,  # type: ignore[arg-type]
            print_per_layer_stat=False,
            as_strings=False,
            custom_modules_hooks=rules,
            backend=backend,
            backend_specific_config=config,
        )
    if macs is None:
        raise CountingError(f"ptflops ({backend}) could not run the network:\n{printed.getvalue().strip()}")
    return int(macs)  # type: ignore[arg-type]
