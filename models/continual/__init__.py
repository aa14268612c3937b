"""Layers that run as a regular 3D CNN or frame by frame, with the same weights. See README.md.

Names are resolved on use, so that listing the zoo does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.nn import Dropout as Dropout
    from torch.nn import Identity as Identity
    from torch.nn import ReLU as ReLU
    from torch.nn import ReLU6 as ReLU6

    from .attention import SqueezeExcitation as SqueezeExcitation
    from .attention import sliding_mean as sliding_mean
    from .blocks import BatchNorm3d as BatchNorm3d
    from .blocks import Projection as Projection
    from .blocks import Residual as Residual
    from .blocks import Swish as Swish
    from .conv import Conv3d as Conv3d
    from .conversion import ConversionError as ConversionError
    from .conversion import convert as convert
    from .delay import Delay as Delay
    from .delay import Subsample as Subsample
    from .folding import fold_batch_norm as fold_batch_norm
    from .graph import Graph as Graph
    from .network import ClipNetwork as ClipNetwork
    from .network import FrameNetwork as FrameNetwork
    from .network import steps_as_calls as steps_as_calls
    from .pool import ClipMean as ClipMean
    from .pool import ClipPool as ClipPool
    from .pool import Pool3d as Pool3d
    from .pool import SpatialMean as SpatialMean
    from .recurrent import RecurrentUnit as RecurrentUnit
    from .shift import Shift as Shift
    from .state import Sequential as Sequential
    from .state import State as State
    from .state import Temporal as Temporal
    from .state import as_continual as as_continual
    from .state import temporal_of as temporal_of
    from .training import set_step_momentum as set_step_momentum
    from .training import step_momentum as step_momentum
    from .training import transient as transient
    from .tuning import make_plain as make_plain
    from .tuning import tune as tune
    from .weights import initialise as initialise

_NAMES = {
    "torch.nn": ("Dropout", "Identity", "ReLU", "ReLU6"),
    ".attention": ("SqueezeExcitation", "sliding_mean"),
    ".blocks": ("BatchNorm3d", "Projection", "Residual", "Swish"),
    ".conv": ("Conv3d",),
    ".conversion": ("ConversionError", "convert"),
    ".delay": ("Delay", "Subsample"),
    ".folding": ("fold_batch_norm",),
    ".graph": ("Graph",),
    ".network": ("ClipNetwork", "FrameNetwork", "steps_as_calls"),
    ".pool": ("ClipMean", "ClipPool", "Pool3d", "SpatialMean"),
    ".recurrent": ("RecurrentUnit",),
    ".shift": ("Shift",),
    ".state": ("Sequential", "State", "Temporal", "as_continual", "temporal_of"),
    ".training": ("set_step_momentum", "step_momentum", "transient"),
    ".tuning": ("make_plain", "tune"),
    ".weights": ("initialise",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name], __name__), name)
