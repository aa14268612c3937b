"""Layers that run as a regular 3D CNN or frame by frame, with the same weights. See README.md.

Names are resolved on use, so that listing the zoo does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.nn import Dropout, ReLU

    from .blocks import BatchNorm3d, Projection, Residual, SqueezeExcitation, Swish
    from .conv import Conv3d
    from .network import ClipNetwork, FrameNetwork
    from .pool import ClipMean, Pool3d, SpatialMean
    from .state import Sequential, State, Temporal, as_continual, temporal_of
    from .weights import initialise

# Where each name lives; a leading dot means this room.
_HOME = {
    "BatchNorm3d": ".blocks",
    "ClipMean": ".pool",
    "ClipNetwork": ".network",
    "Conv3d": ".conv",
    "Dropout": "torch.nn",
    "FrameNetwork": ".network",
    "Pool3d": ".pool",
    "Projection": ".blocks",
    "ReLU": "torch.nn",
    "Residual": ".blocks",
    "Sequential": ".state",
    "SpatialMean": ".pool",
    "SqueezeExcitation": ".blocks",
    "State": ".state",
    "Swish": ".blocks",
    "Temporal": ".state",
    "as_continual": ".state",
    "initialise": ".weights",
    "temporal_of": ".state",
}

__all__ = [
    "BatchNorm3d",
    "ClipMean",
    "ClipNetwork",
    "Conv3d",
    "Dropout",
    "FrameNetwork",
    "Pool3d",
    "Projection",
    "ReLU",
    "Residual",
    "Sequential",
    "SpatialMean",
    "SqueezeExcitation",
    "State",
    "Swish",
    "Temporal",
    "as_continual",
    "initialise",
    "temporal_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name], __name__), name)
