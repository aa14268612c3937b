"""Random weights that carry a signal, for when speed is measured without trained ones."""

from __future__ import annotations

import math

from torch import nn

from .recurrent import RecurrentUnit


def initialise(net: nn.Module) -> None:
    """Gives every layer activations around one, in place, from torch's global generator.

    Convolutions keep the variance of their input, and batch norm shifts by a little, as in a trained network.
    torch's own default does neither: through the 55 blocks of an X3D-L, or while a frame network's state is still
    empty, its signal fades into denormal numbers, on which a CPU is many times slower.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.weight[0].numel()))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.bias, std=0.1)
    for module in net.modules():  # after the convolutions within them
        if isinstance(module, RecurrentUnit):
            module.reset_parameters()
