"""Batch norm folded into convolutions: the same scores, in networks of every wiring."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from co3d_bench.models import continual as co

from ..reference import randomise_batch_norm, relative_error
from .networks import built, clip_of
from .regular import FEATURES


class Places(nn.Module):
    """One convolution in two places, and a norm behind one of them."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(3, 4, 1)
        self.conv = nn.Conv3d(4, 4, 3, padding=1)
        self.bn = nn.BatchNorm3d(4)

    def forward(self, x):
        x = self.stem(x)
        return self.bn(self.conv(x)) + self.conv(2 * x)


def places_of_a_chain():
    conv = nn.Conv3d(3, 3, 3, padding=1)
    return nn.Sequential(conv, nn.BatchNorm3d(3), nn.ReLU(), conv)


NETWORKS = {**FEATURES, "one convolution in two places": Places, "likewise in a chain": places_of_a_chain}


def norms(net):
    """How many batch norms are called."""
    called = []
    hooks = [
        module.register_forward_hook(lambda *_: called.append(1))
        for module in net.modules()
        if isinstance(module, nn.BatchNorm3d)
    ]
    net.blocks(torch.zeros(1, 3, net.receptive_field, 24, 24))
    for hook in hooks:
        hook.remove()
    return len(called)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_folding_changes_no_feature(name):
    torch.manual_seed(0)
    net = co.convert(randomise_batch_norm(NETWORKS[name]()).eval(), input_shape=(3, 16, 24, 24), prove=False)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    folded = co.fold_batch_norm(net)
    clip = torch.randn(1, 3, net.receptive_field + 2, 24, 24)
    assert relative_error(folded.blocks(clip), net.blocks(clip)) <= 1e-5
    assert norms(folded) == (1 if "places" in name or "chain" in name else 0)
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    "name", ["cox3d-s-4", "coslow-r50-3", "cor2plus1d-18-3", "tsm-mobilenetv2", "movinet-a0-stream"]
)
@torch.no_grad()
def test_folded_networks_of_the_zoo_step_as_before(name):
    net = built(name)
    folded = co.fold_batch_norm(net)
    clip = clip_of(8, pixels=16)
    states = [each.initial_state(frame=clip[:, :, 0]) for each in (net, folded)]
    for frame in clip.unbind(2):
        expected, states[0] = net.step(frame, states[0])
        scores, states[1] = folded.step(frame, states[1])
        assert relative_error(scores, expected) <= 1e-4


@torch.no_grad()
def test_a_factor_behind_a_norm_is_folded_as_well():
    scale = co.Scale()
    scale.alpha.fill_(-0.3)
    chain = randomise_batch_norm(co.Sequential(co.Conv3d(3, 4, 1), co.BatchNorm3d(4), scale)).eval()
    folded = co.fold_batch_norm(chain)
    assert [type(layer).__name__ for layer in folded] == ["Conv3d"]
    frame = clip_of(1, pixels=4)[:, :, 0]
    assert relative_error(folded.step(frame, ())[0], chain.step(frame, ())[0]) <= 1e-5
