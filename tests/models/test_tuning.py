"""Passes over a finished network: what is overwritten and what is not, and the form for engines that read a graph."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from co3d_bench.models import continual as co
from co3d_bench.models.continual import quick
from co3d_bench.models.continual.graph import Node
from co3d_bench.models.continual.tuning import FUNCTIONS, make_plain, tune, untune

from ..reference import randomise_batch_norm, relative_error

NAMES = tuple(name for names in FUNCTIONS.values() for name in names)


def network():
    """Kernels of every kind that eager calls in a way of its own: pointwise, a scale in time, depthwise, strided."""
    torch.manual_seed(0)
    inner = co.Sequential(
        co.Conv3d(8, 16, 1, bias=False),
        co.BatchNorm3d(16),
        co.Conv3d(16, 16, 3, padding=1, groups=16, bias=False),
        co.BatchNorm3d(16),
        co.SqueezeExcitation(16, 8),
        co.Swish(),
        co.Conv3d(16, 8, 1),
    )
    blocks = co.Sequential(
        co.Conv3d(3, 8, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
        co.Conv3d(8, 8, (5, 1, 1), padding=(2, 0, 0), groups=8, bias=False),
        co.BatchNorm3d(8),
        co.Residual(inner, co.ReLU()),
        co.Pool3d("max", (2, 2, 2), padding=(0, 1, 1)),
        co.Conv3d(8, 6, (3, 1, 1), padding=(1, 0, 0)),
        co.SpatialMean(),
        co.ClipPool(3),
        co.Projection(6, 5),
    )
    return randomise_batch_norm(co.ClipNetwork(blocks, (3, 4, 16, 16))).eval()


IN_PLACE = (quick.batch_norm_, quick.silu_, quick.scale_, quick.add_)


def untuned(net):
    """The same network, made without tuning."""
    blocks = copy.deepcopy(net.blocks)
    return type(net)(untune(blocks), net.input_shape, tuned=False).eval()


def plain(net):
    return co.make_plain(copy.deepcopy(net))


FORMS = {"for engines": plain, "made without": untuned}


@pytest.mark.parametrize("form", FORMS)
def test_a_clip_gets_the_same_answer(form):
    net = network()
    clip = torch.randn(2, 3, 4, 16, 16)
    with torch.no_grad():
        assert relative_error(FORMS[form](net)(clip), net(clip)) < 1e-5


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_gets_the_same_answers_and_state(form):
    net = co.convert(network(), prove=False)
    plain = FORMS[form](net)
    ours = theirs = net.initial_state(2)
    with torch.no_grad():
        for frame in torch.randn(net.receptive_field + 2, 2, 3, 16, 16):
            y, ours = plain.step(frame, ours)
            expected, theirs = net.step(frame, theirs)
            assert relative_error(y, expected) < 1e-5
    assert all(relative_error(a, b) < 1e-5 for a, b in zip(ours, theirs, strict=True))


def functions(net):
    """What its layers call, of those that tuning may exchange."""
    found = [getattr(layer, name, None) for layer in net.modules() for name in NAMES]
    return [str(function) for function in found if function is not None]


def test_the_network_itself_stays_as_it_is():
    net = network()
    before = functions(net)
    assert before == functions(copy.deepcopy(net)) != functions(co.make_plain(copy.deepcopy(net)))
    assert functions(net) == before


@pytest.mark.parametrize("form", ["clip", "frame"])
def test_its_graph_calls_convolutions(form):
    net = network() if form == "clip" else co.convert(network(), prove=False)
    plain = co.make_plain(copy.deepcopy(net))

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


def overwriting(layer):
    """Whether it writes into what it is given."""
    return any(getattr(layer, name, None) in IN_PLACE for name in NAMES) or getattr(layer, "inplace", False)


def test_what_stands_behind_a_convolution_overwrites_its_map():
    net = network()
    norm, residual = net.blocks[2], net.blocks[3]
    assert overwriting(norm)
    assert overwriting(residual)
    assert overwriting(residual.activation)
    assert [overwriting(layer) for layer in residual.branch2] == [False, True, False, True, True, True, False]
    assert not any(overwriting(layer) for layer in untuned(net).modules())


KEPT = {
    "by nobody else's leave": co.Sequential(co.BatchNorm3d(4)),
    "by a shortcut": co.Residual(co.Sequential(co.BatchNorm3d(4), co.Conv3d(4, 4, 1)), nn.ReLU()),
    "by a shortcut, handed on": co.Residual(co.Sequential(nn.Identity(), co.Swish(), co.Conv3d(4, 4, 1)), nn.ReLU()),
    "by an idle pool": co.Residual(co.Sequential(co.Pool3d("avg", (1, 1, 1)), co.Swish()), nn.Identity()),
    "as state, delayed": co.Sequential(co.Conv3d(4, 4, 1), co.Delay(2), co.BatchNorm3d(4)),
    "as state, recurrent": co.Sequential(co.Conv3d(4, 4, 1), co.RecurrentUnit(4), co.SqueezeExcitation(4, 2)),
    "by a branch that hands it on": co.Residual(co.Sequential(co.RecurrentUnit(4), nn.Identity()), nn.ReLU()),
    "in two places": (lambda norm: co.Sequential(norm, co.Conv3d(4, 4, 1), norm))(co.BatchNorm3d(4)),
    "by a graph's other branch": co.Graph(
        {"conv": (conv := co.Conv3d(4, 4, 1)), "norm": (norm := co.BatchNorm3d(4))},
        [Node(conv, (0,)), Node(norm, (1,)), Node(torch.add, (1, 2))],
        co.Temporal(),
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_somebody_else_holds_is_not_overwritten(case):
    torch.manual_seed(0)
    plain = randomise_batch_norm(co.Sequential(KEPT[case])).eval()
    for layer in plain.modules():
        if isinstance(layer, co.SqueezeExcitation):
            layer.set_pool(co.SpatialMean())
    tuned = co.tune(copy.deepcopy(plain))
    frames = torch.randn(6, 1, 4, 12, 12).contiguous(memory_format=torch.channels_last_3d)
    before = frames.clone()
    states = [net.initial_state(frames[0], "replicate") for net in (plain, tuned)]
    with torch.no_grad():
        for frame in frames:
            expected, states[0] = plain.step(frame, states[0])
            held = [kept.clone() for kept in states[1]]
            y, after = tuned.step(frame, states[1])
            assert all(torch.equal(kept, copied) for kept, copied in zip(states[1], held, strict=True))
            states[1] = after
            assert relative_error(y, expected) < 1e-5
    assert torch.equal(frames, before)


def test_gradients_do_not_miss_what_tuning_would_have_overwritten():
    net = network()
    clip = torch.randn(2, 3, 4, 16, 16)
    gradients = []
    for each in (net, untuned(net)):
        each(clip).square().sum().backward()
        gradients.append([parameter.grad for parameter in each.parameters()])
    assert all(relative_error(mine, theirs) < 1e-4 for mine, theirs in zip(*gradients, strict=True))


def test_a_tuned_network_can_be_saved(tmp_path):
    net = co.convert(network(), prove=False)
    frame, state = torch.randn(1, 3, 16, 16), net.initial_state(1)
    torch.save(net, tmp_path / "net.pt")
    loaded = torch.load(tmp_path / "net.pt", weights_only=False)
    expected, _ = net.step(frame, state)
    assert torch.equal(loaded.step(frame, state)[0], expected)
    assert functions(loaded) == functions(net)


def test_what_other_layers_call_by_the_same_names_stays():
    layer = torch.nn.Module()
    layer.scale, layer.mean = torch.ones(1), 0.45
    assert make_plain(layer).mean == 0.45
    assert tune(layer).scale is not None
