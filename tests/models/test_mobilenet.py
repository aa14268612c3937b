"""MobileNetV3-Large: torchvision's counts and names, and a network of pictures."""

from __future__ import annotations

import torch

from co3d_bench.bench.measure.counting import count
from co3d_bench.models.weights.load import load_weights
from co3d_bench.models.zoo import find_model

from .networks import parameters, shapes_of
from .weights import foreign

SPEC = find_model("mobilenetv3-large")


def test_parameters_and_multiply_accumulates_are_torchvisions():
    """MobileNet_V3_Large_Weights: num_params 5483032, _ops 0.217 (G, convolutions and products)."""
    net = shapes_of(SPEC.name)
    assert parameters(net) == 5_483_032
    assert f"{count(net, SPEC).flops_torch / 2e9:.3f}" == "0.217"


def test_it_keeps_nothing():
    net = shapes_of(SPEC.name)
    assert (net.receptive_field, net.delay, net.initial_state(1)) == (1, 0, ())


def test_a_checkpoint_of_torchvisions_for_other_classes_loads(tmp_path):
    names = foreign.torchvision_mobilenetv3(classes=12)
    torch.save(foreign.filled(names), tmp_path / "mobilenet.pth")
    net = SPEC.build()
    report = load_weights(net, SPEC, tmp_path / "mobilenet.pth")
    assert (report.naming, report.classes, report.tensors) == ("torchvision MobileNetV3", 12, len(names))
    first, last = net.get_submodule("blocks.features.0.0"), net.get_submodule("blocks.classifier.3")
    assert first.weight.unique().tolist() == [0]
    assert last.bias.unique().tolist() == [len(names) - 1]
