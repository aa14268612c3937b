"""The precisions a network can be computed in: their types in torch, and how far answers may be from float32's."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# float32 whose matrix products have 10 bits of mantissa; only where it is asked for by its name.
TF32 = "tf32"
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}

# Chosen, not derived: a few hundred layers' rounding in float32, some tens of rounding steps of fp16 and bf16
# apart, and for int8 that a third is lost. TF32 multiplies with as many bits as fp16. Where best classes differ is
# recorded beside, and is not judged.
TOLERANCE = {"fp32": 1e-4, "tf32": 2e-2, "fp16": 2e-2, "bf16": 1e-1, "int8": 3e-1}


def dtype_of(precision: str) -> torch.dtype:
    """The type of weights and feature maps. TF32 is a switch of CUDA (`bench/measure/cuda.py`), not a type."""
    import torch

    return getattr(torch, "float32" if precision == TF32 else DTYPES[precision])


def torch_missing() -> str | None:
    """None where torch is installed, else how to install it."""
    return None if importlib.util.find_spec("torch") else "PyTorch is not installed: pip install torch"
