"""A network by its name, ready to predict: `co3d_bench.model`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .weights.load import load_weights
from .weights.locate import locate
from .zoo import find_model

if TYPE_CHECKING:
    from torch import nn


def model(name: str, *, weights: str | Path | None = None, seed: int = 0) -> nn.Module:
    """The network of that name (`x3d-m`, `cox3d-m-64`, `path/to/file.py:factory`), in eval mode.

    weights: None draws them from `seed`, as a run without weights does. "auto" takes the network's public checkpoint,
        which must be in the cache of weights: nothing is fetched that was not asked for. A path is a file of weights
        of this network; no code in it is run. Names of checkpoints and https addresses work as for `--weights`.
    seed: torch's own generators are left as they are.

    Raises UnknownModelError for the name and WeightsError for the weights; both messages say what to do.
    """
    import torch

    spec = find_model(name)
    path = None if weights is None else locate(str(weights), spec)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        net = spec.build()
    if path is not None:
        load_weights(net, spec, path)
    return net.eval()
