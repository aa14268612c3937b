"""Networks rebuilt from the public `continual-inference` library's own modules, with our weights.

The paper's authors wrote that library; it is the reference our layers and networks are compared with, in value
(tests/models) and in speed (tests/speed).
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import continual as co
import torch
from torch import nn

from co3d_bench.models import continual as ours
from co3d_bench.models.regular import Pathways, TwoPathways
from co3d_bench.models.zoo import find_model


class _Attention(nn.Module):
    """Squeeze-and-excitation over (B, C, T, H, W), as the authors' CoX3D applies it to one frame."""

    def __init__(self, layer: ours.SqueezeExcitation) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.block = nn.Sequential(*(_plain(child) for child in layer.block))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.block(self.pool(x))


class _Swish(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(x)


def _options(layer: nn.Conv3d) -> dict[str, Any]:
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    return {name: getattr(layer, name) for name in names} | {"bias": layer.bias is not None}


def _plain(layer: nn.Module) -> nn.Module:
    """The layer as torch has it, with the same weights."""
    if isinstance(layer, nn.Conv3d):
        made: nn.Module = nn.Conv3d(**_options(layer))
    elif isinstance(layer, nn.BatchNorm3d):
        made = nn.BatchNorm3d(layer.num_features)
    elif isinstance(layer, ours.Swish):
        return _Swish()
    elif isinstance(layer, (nn.ReLU, nn.Sigmoid, nn.Dropout)):
        return copy.deepcopy(layer)  # continual-inference changes the modules it is given
    else:
        raise TypeError(f"no plain form of {type(layer).__name__}")
    made.load_state_dict(layer.state_dict())
    return made


def plain_clip_network(layer: nn.Module) -> nn.Module:
    """A clip network's blocks written with torch's own layers only, the same weights, (B, C, T, H, W) throughout."""
    if isinstance(layer, ours.Sequential):
        return nn.Sequential(*(plain_clip_network(child) for child in layer))
    if isinstance(layer, ours.Residual):
        return _PlainResidual(layer)
    if isinstance(layer, ours.SqueezeExcitation):
        return _Attention(layer)
    if isinstance(layer, TwoPathways):
        return _PlainPathways(layer)
    if isinstance(layer, ours.SpatialMean):
        return nn.Identity()
    if isinstance(layer, ours.ClipPool):
        return nn.AdaptiveAvgPool3d((1, 1, 1))
    if isinstance(layer, ours.Pool3d):
        return nn.MaxPool3d(layer.kernel_size, layer.stride, layer.padding)
    if isinstance(layer, ours.Projection):
        made = nn.Linear(layer.in_features, layer.out_features)
        made.load_state_dict(layer.state_dict())
        return nn.Sequential(nn.Flatten(1), made)
    return _plain(layer)


class _PlainResidual(nn.Module):
    def __init__(self, layer: ours.Residual) -> None:
        super().__init__()
        self.branch = plain_clip_network(layer.branch2)
        shortcut = [part for part in (layer.branch1_conv, layer.branch1_norm) if part is not None]
        self.shortcut = nn.Sequential(*(plain_clip_network(part) for part in shortcut))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.shortcut(x) + self.branch(x))


class _PlainPathways(nn.Module):
    """SlowFast as its authors run it: the slow frames are chosen by PySlowFast's formula, written out."""

    def __init__(self, layer: TwoPathways) -> None:
        super().__init__()
        *stages, self.head, subsample = (
            nn.ModuleList(
                plain_clip_network(part) for part in (*child.multipathway_blocks, child.multipathway_fusion) if part
            )
            if isinstance(child, Pathways)
            else child
            for child in layer.children()
        )
        self.stages = nn.ModuleList(stages)
        self.head = plain_clip_network(self.head)
        self.alpha = subsample.stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        frames = x.shape[2]
        chosen = torch.linspace(0, frames - 1, frames // self.alpha).long()
        slow, fast = x[:, :, chosen], x
        for stage in self.stages:
            slow, fast = stage[0](slow), stage[1](fast)
            if len(stage) > 2:
                slow = torch.cat((slow, stage[2](fast)), 1)
        return self.head(torch.cat((slow, fast), 1))


def continual_inference(layer: nn.Module) -> Any:
    """The layer, or the whole network's blocks, built from `continual-inference` modules with the same weights."""
    if isinstance(layer, ours.Sequential):
        return co.Sequential(OrderedDict((name, continual_inference(child)) for name, child in layer.named_children()))
    if isinstance(layer, ours.Residual):
        return _residual(layer)
    if isinstance(layer, ours.SqueezeExcitation):
        return _attention(layer)
    if isinstance(layer, ours.SpatialMean):
        return co.forward_stepping(nn.AdaptiveAvgPool3d((None, 1, 1)))
    if isinstance(layer, ours.Pool3d):
        return {"avg": co.AvgPool3d, "max": co.MaxPool3d}[layer.kind](
            kernel_size=layer.kernel_size, stride=layer.stride, padding=layer.padding
        )
    if isinstance(layer, ours.Projection):
        made = co.Linear(layer.in_features, layer.out_features, channel_dim=1)
        made.load_state_dict(layer.state_dict())
        return made
    if isinstance(layer, nn.Conv3d):
        made = co.Conv3d(**_options(layer), temporal_fill="zeros")
        made.load_state_dict(layer.state_dict())
        return made
    return co.forward_stepping(_plain(layer))


def undilated(name: str) -> nn.Module:
    """The frame network as the paper's authors built it: `continual-inference` knows no dilation in time.

    Their CoI3D pools pairs of frames without skipping any, and convolves neighbouring frames behind it: the same work
    as ours, which spreads its kernels. Other networks are as they are.
    """
    spec = find_model(name)
    if spec.counterpart is None or not (pools := _strided_pools(regular := find_model(spec.counterpart).build())):
        return spec.build()
    for pool in pools:
        pool.stride = (1, *pool.stride[1:])
    return ours.convert(regular, pool_frames=int(name.rpartition("-")[2]), prove=False)


def _strided_pools(net: nn.Module) -> list[ours.Pool3d]:
    return [module for module in net.modules() if isinstance(module, ours.Pool3d) and module.stride[0] > 1]


def _attention(layer: ours.SqueezeExcitation) -> Any:
    """As the authors' CoX3D has it: an average over one frame, two convolutions, multiplied onto the input."""
    squeeze, activation, excite, gate = layer.block
    return co.Residual(
        co.Sequential(
            co.AdaptiveAvgPool3d((1, 1, 1), kernel_size=1),
            continual_inference(squeeze),
            copy.deepcopy(activation),
            continual_inference(excite),
            copy.deepcopy(gate),
        ),
        reduce="mul",
    )


def _residual(layer: ours.Residual) -> Any:
    branch = continual_inference(layer.branch2)
    parts = [part for part in (layer.branch1_conv, layer.branch1_norm) if part is not None]
    delay = co.Delay(branch.delay) if branch.delay else co.Lambda(lambda x: x)
    shortcut = co.Sequential(delay, *(continual_inference(part) for part in parts)) if parts else delay
    return co.Sequential(
        co.BroadcastReduce(shortcut, branch, reduce="sum", auto_delay=False), co.forward_stepping(nn.ReLU())
    )


def randomise_batch_norm(net: nn.Module, seed: int = 0) -> nn.Module:
    """Batch norm with random statistics and affine terms, so that a wrong order of layers shows."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            for tensor, low, high in (
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.3, 0.3),
            ):
                assert tensor is not None
                tensor.uniform_(low, high, generator=generator)
    return net


def relative_error(value: torch.Tensor, reference: torch.Tensor) -> float:
    """Largest difference as a share of the reference's largest magnitude."""
    return ((value - reference).abs().max() / reference.abs().max()).item()
