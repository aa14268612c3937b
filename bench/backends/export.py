"""torch.export and AOTInductor: a package (.pt2) of machine code and weights, loaded back and run as deployed.

What `compile` does ahead of time: no tracing, no guards, and no Python between the kernels. The layers stay as eager
calls them: with a convolution call in place of each matrix product and tap, more pointwise work was fused, but no
gain was seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UserError
from ..export import flat
from ..export.precision import TOLERANCE
from ..record.record import Engine
from . import Ask, Backend, Runnable, eager, toolchain

if TYPE_CHECKING:
    from torch import nn

    from ...models.inputs import Input

OPTIONS = {"freezing": True}


def prepare(net: nn.Module, example: Input, ask: Ask) -> Runnable:
    """Exports, compiles, packs, and loads the package; the file is gone when that is done, its size is recorded."""
    import torch

    from ...models.continual import fold_batch_norm

    if why := missing():
        raise UserError(why)
    dtype = eager.dtype_of(ask.precision)
    with torch.inference_mode(False), torch.no_grad(), toolchain.empty_cache() as folder:
        flattened = flat.flatten(fold_batch_norm(net).to(dtype), example, dtype)
        # Tensors made in inference mode, as a case's inputs are, cannot be exported.
        inputs = tuple(tensor.clone() for tensor in flattened.inputs)
        try:
            program = torch.export.export(flattened.function, inputs)
            package = torch._inductor.aoti_compile_and_package(
                program, package_path=str(folder / "network.pt2"), inductor_configs=OPTIONS
            )
        except Exception as error:
            raise toolchain.refusal("export", net, error) from error
        size = (folder / "network.pt2").stat().st_size
        loaded = torch._inductor.aoti_load_package(package)
    return flat.FlatRunnable(
        flattened,
        loaded,
        Engine(
            name="AOTInductor",
            version=torch.__version__,
            provider="C++ for the CPU, oneDNN",
            threads=torch.get_num_threads(),
            artefact_bytes=size,
            notes=("compiled anew, no cache used",),
        ),
    )


def missing() -> str | None:
    return toolchain.missing(headers=False) or _too_old()


def _too_old() -> str | None:
    """Packages came with torch 2.6."""
    from importlib.metadata import version

    have = version("torch")
    major, minor = (int(part) for part in have.split(".")[:2])
    return None if (major, minor) >= (2, 6) else f"torch {have} makes no AOTInductor packages: pip install 'torch>=2.6'"


BACKEND = Backend(
    name="export",
    title="torch.export, AOTInductor package",
    prepare=prepare,
    here={"cpu": eager.PRECISIONS["cpu"]},
    tolerance=TOLERANCE,
    any_input=True,
    missing=missing,
    order=30,
)
