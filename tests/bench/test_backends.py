"""Every backend that is ready here: right, in every precision it offers, for clips and for streams."""

from __future__ import annotations

import copy

import pytest
import torch

from co3d_bench.bench.backends import Ask, list_backends
from co3d_bench.bench.verify import compare
from co3d_bench.models import continual as co

READY = [backend for backend in list_backends() if backend.missing() is None and "cpu" in backend.torch_devices]
CASES = [(backend, precision) for backend in READY for precision in backend.precisions]


def clip_network():
    """A small network with what the zoo's are made of."""
    torch.manual_seed(0)
    inner = co.Sequential(
        co.Conv3d(8, 12, 1, bias=False),
        co.BatchNorm3d(12, inplace=True),
        co.ReLU(inplace=True),
        co.Conv3d(12, 12, 3, padding=1, groups=12, bias=False),
        co.Sequential(co.BatchNorm3d(12, inplace=True), co.SqueezeExcitation(12, 8)),
        co.Swish(),
        co.Conv3d(12, 8, 1, bias=False),
        co.BatchNorm3d(8, inplace=True),
    )
    blocks = co.Sequential(
        co.Conv3d(3, 8, (3, 3, 3), stride=(1, 2, 2), padding=1, bias=False),
        co.BatchNorm3d(8, inplace=True),
        co.ReLU(inplace=True),
        co.Residual(inner, co.ReLU(inplace=True)),
        co.SpatialMean(),
        co.ClipPool(4),
        co.Projection(8, 5),
    )
    co.initialise(blocks)
    return co.ClipNetwork(blocks, (3, 4, 16, 16)).eval()


def networks():
    clip = clip_network()
    return {"clip": (clip, (1, 3, 4, 16, 16)), "frame": (co.convert(clip), (1, 3, 16, 16))}


@pytest.mark.parametrize("form", ["clip", "frame"])
@pytest.mark.parametrize(("backend", "precision"), CASES, ids=lambda value: getattr(value, "name", value))
def test_it_answers_as_the_eager_network_does(backend, precision, form):
    net, shape = networks()[form]
    weights = copy.deepcopy(net.state_dict())
    example = torch.randn(shape)
    with torch.inference_mode():
        runnable = backend.prepare(net, example, Ask(precision, threads=1, calibration=[example] * 4))
        runnable.step(example)
        runnable.warm(example)
        found = compare(runnable, net, example, backend.tolerance[precision], budget_s=5)
    assert found.passed, found
    engine = runnable.engine()
    assert engine.name
    assert engine.version
    if form == "frame":
        assert sum(tensor.numel() for tensor in runnable.state_tensors()) > 0
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, weights[name])
