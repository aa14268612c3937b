"""The form for engines that read a graph: the same answers, from a graph of convolutions and no views of rows."""

from __future__ import annotations

import copy

import pytest
import torch

from co3d_bench.models import continual as co
from co3d_bench.models.continual.plain import plain_form

from ..reference import randomise_batch_norm, relative_error


def network():
    """Kernels of every kind that eager calls in a way of its own: pointwise, a scale in time, depthwise, strided."""
    torch.manual_seed(0)
    inner = co.Sequential(
        co.Conv3d(8, 16, 1, bias=False),
        co.BatchNorm3d(16, inplace=True),
        co.Conv3d(16, 16, 3, padding=1, groups=16, bias=False),
        co.BatchNorm3d(16, inplace=True),
        co.SqueezeExcitation(16, 8),
        co.Swish(),
        co.Conv3d(16, 8, 1),
    )
    blocks = co.Sequential(
        co.Conv3d(3, 8, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
        co.Conv3d(8, 8, (5, 1, 1), padding=(2, 0, 0), groups=8, bias=False),
        co.BatchNorm3d(8, inplace=True),
        co.Residual(inner, co.ReLU(inplace=True)),
        co.Pool3d("max", (2, 2, 2), padding=(0, 1, 1)),
        co.Conv3d(8, 6, (3, 1, 1), padding=(1, 0, 0)),
        co.SpatialMean(),
        co.ClipPool(3),
        co.Projection(6, 5),
    )
    return randomise_batch_norm(co.ClipNetwork(blocks, (3, 4, 16, 16))).eval()


def test_a_clip_gets_the_same_answer():
    net = network()
    clip = torch.randn(2, 3, 4, 16, 16)
    with torch.no_grad():
        assert relative_error(plain_form(net)(clip), net(clip)) < 1e-5


def test_a_stream_gets_the_same_answers_and_state():
    net = co.convert(network())
    plain = plain_form(net)
    ours = theirs = net.initial_state(2)
    with torch.no_grad():
        for frame in torch.randn(net.receptive_field + 2, 2, 3, 16, 16):
            y, ours = plain.step(frame, ours)
            expected, theirs = net.step(frame, theirs)
            assert relative_error(y, expected) < 1e-5
    assert all(relative_error(a, b) < 1e-5 for a, b in zip(ours, theirs, strict=True))


def test_the_network_itself_stays_as_it_is():
    net = network()
    before = copy.deepcopy(net)
    plain_form(net)
    assert [type(layer) for layer in net.modules()] == [type(layer) for layer in before.modules()]
    assert any(layer.is_matrix for layer in net.modules() if isinstance(layer, co.Conv3d))


@pytest.mark.parametrize("form", ["clip", "frame"])
def test_its_graph_calls_convolutions(form):
    net = network() if form == "clip" else co.convert(network())
    plain = plain_form(net)

    class Graph(torch.nn.Module):
        def forward(self, x, *state):
            return plain(x) if form == "clip" else plain.step(x, state)

    x = torch.randn(1, 3, 4, 16, 16)
    inputs = (x,) if form == "clip" else (x[:, :, 0], *(tensor.clone() for tensor in net.initial_state(1)))
    with torch.no_grad():
        graph = torch.export.export(Graph(), inputs).graph
    called = [str(node.target) for node in graph.nodes if node.op == "call_function"]
    kernels = [layer for layer in net.modules() if isinstance(layer, co.Conv3d)]
    taps = sum(1 if form == "clip" else layer.kernel_size[0] for layer in kernels)
    assert sum("conv" in name for name in called) == taps
    assert sum("linear" in name for name in called) == 1  # the classifier
