"""Layers that run as a regular 3D CNN or frame by frame, with the same weights. See README.md.

Names are resolved on use, so that listing the zoo does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.nn import Dropout, Identity, ReLU, ReLU6

    from .attention import SqueezeExcitation, sliding_mean
    from .blocks import BatchNorm3d, Projection, Residual, Swish
    from .conv import Conv3d
    from .conversion import ConversionError, convert
    from .delay import Delay, Subsample
    from .folding import fold_batch_norm
    from .graph import Graph
    from .network import ClipNetwork, FrameNetwork
    from .pool import ClipMean, ClipPool, Pool3d, SpatialMean
    from .recurrent import RecurrentUnit
    from .shift import Shift
    from .state import Sequential, State, Temporal, as_continual, temporal_of
    from .training import set_step_momentum, step_momentum, transient
    from .weights import initialise

# Where each name lives; a leading dot means this room.
_HOME = {
    "BatchNorm3d": ".blocks",
    "ClipMean": ".pool",
    "ClipNetwork": ".network",
    "ClipPool": ".pool",
    "Conv3d": ".conv",
    "ConversionError": ".conversion",
    "Delay": ".delay",
    "Dropout": "torch.nn",
    "FrameNetwork": ".network",
    "Graph": ".graph",
    "Identity": "torch.nn",
    "Pool3d": ".pool",
    "Projection": ".blocks",
    "ReLU": "torch.nn",
    "ReLU6": "torch.nn",
    "RecurrentUnit": ".recurrent",
    "Residual": ".blocks",
    "Sequential": ".state",
    "Shift": ".shift",
    "SpatialMean": ".pool",
    "SqueezeExcitation": ".attention",
    "State": ".state",
    "Subsample": ".delay",
    "Swish": ".blocks",
    "Temporal": ".state",
    "as_continual": ".state",
    "convert": ".conversion",
    "fold_batch_norm": ".folding",
    "initialise": ".weights",
    "set_step_momentum": ".training",
    "sliding_mean": ".attention",
    "step_momentum": ".training",
    "temporal_of": ".state",
    "transient": ".training",
}

__all__ = [
    "BatchNorm3d",
    "ClipMean",
    "ClipNetwork",
    "ClipPool",
    "Conv3d",
    "ConversionError",
    "Delay",
    "Dropout",
    "FrameNetwork",
    "Graph",
    "Identity",
    "Pool3d",
    "Projection",
    "ReLU",
    "ReLU6",
    "RecurrentUnit",
    "Residual",
    "Sequential",
    "Shift",
    "SpatialMean",
    "SqueezeExcitation",
    "State",
    "Subsample",
    "Swish",
    "Temporal",
    "as_continual",
    "convert",
    "fold_batch_norm",
    "initialise",
    "set_step_momentum",
    "sliding_mean",
    "step_momentum",
    "temporal_of",
    "transient",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name], __name__), name)
