"""torch.compile: the whole call as one graph, its pointwise work fused into C++ loops (on CUDA: Triton's) by Inductor.

Batch norm is folded and the weights are frozen, so that Inductor packs them for oneDNN once. A graph break is an error
here: a network in pieces would be timed as something that nobody deploys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...models.inputs import moved
from ..errors import UserError
from ..export import flat
from ..export.precision import TOLERANCE
from ..record.record import Engine
from . import Ask, Backend, Runnable, eager, toolchain

if TYPE_CHECKING:
    from torch import nn

    from ...models.inputs import Input


def _options() -> dict[str, Any]:
    """No guards: shapes and layouts never change here, and each tensor of a state that was made in another mode than
    the ones before, or lies at another place, would have the whole network compiled again."""
    import torch

    no_guards = getattr(torch.compiler, "skip_all_guards_unsafe", None)  # older versions guard, and may recompile
    return {"freezing": True} | ({"guard_filter_fn": no_guards} if no_guards else {})


def prepare(net: nn.Module, example: Input, ask: Ask) -> Runnable:
    """Compiles at once, by calling the function, so that compiling counts as preparing and not as a prediction."""
    import torch

    from ...models.continual import fold_batch_norm

    if why := missing():
        raise UserError(why)
    dtype = eager.dtype_of(ask.precision)
    with torch.inference_mode(False), torch.no_grad():
        flattened = flat.flatten(fold_batch_norm(net).to(ask.device, dtype), moved(example, ask.device), dtype)
    compiled = torch.compile(flattened.function, fullgraph=True, dynamic=False, options=_options())
    with toolchain.empty_cache():
        try:
            with torch.inference_mode():  # as it will be called: another mode would compile it again
                compiled(*flattened.inputs)
        except Exception as error:
            raise toolchain.refusal("compile", net, error) from error
    on_cuda = ask.device != "cpu"
    engine = Engine(
        name="torch.compile (Inductor)",
        version=torch.__version__,
        provider=f"Triton on {torch.cuda.get_device_name()}" if on_cuda else "C++ for the CPU, oneDNN",
        threads=torch.get_num_threads(),
        notes=("compiled anew, no cache used",),
    )
    return flat.FlatRunnable(flattened, compiled, engine, torch.cuda.synchronize if on_cuda else lambda: None)


def missing() -> str | None:
    return toolchain.missing(headers=True)


BACKEND = Backend(
    name="compile",
    title="torch.compile, one graph, weights frozen",
    prepare=prepare,
    here=eager.PRECISIONS,
    tolerance=TOLERANCE,
    any_input=True,
    missing=missing,
    order=20,
)
