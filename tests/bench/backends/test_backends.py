"""Every backend that is ready here: right, in every precision it offers, for clips and for streams."""

from __future__ import annotations

import copy

import pytest
import torch
from small_networks import clip_network

from co3d_bench.bench.backends import Ask, list_backends
from co3d_bench.bench.measure.verify import compare
from co3d_bench.models import continual as co

READY = [backend for backend in list_backends() if backend.missing() is None and "cpu" in backend.here]
# A C++ compiler takes 5 to 10 s for each of the tiny networks: one of each of these backends here, all by
# `make acceptance`.
COMPILED = {("compile", "fp32", "frame"), ("export", "bf16", "clip")}


def case(backend, precision, form):
    slow = backend.name in ("compile", "export") and (backend.name, precision, form) not in COMPILED
    marks = [pytest.mark.acceptance] if slow else []
    return pytest.param(backend, precision, form, marks=marks, id=f"{backend.name}-{precision}-{form}")


CASES = [
    case(backend, precision, form)
    for backend in READY
    for precision in backend.here["cpu"]
    for form in ("clip", "frame")
]


def networks():
    clip = clip_network()
    return {"clip": (clip, (1, 3, 4, 16, 16)), "frame": (co.convert(clip, prove=False), (1, 3, 16, 16))}


@pytest.mark.parametrize(("backend", "precision", "form"), CASES)
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
