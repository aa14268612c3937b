"""Every name of every network, as each project writes it, becomes ours: lists written from their code."""

from __future__ import annotations

import math

import pytest

from co3d_bench.models.weights.names import read_names

from . import foreign


def renamed(theirs, ours):
    reading = read_names(dict.fromkeys(theirs, ""), ours)
    return reading.naming.name, [reading.names[name] for name in theirs]


KINDS = {"x3d": "X3D", "slowfast": "SlowFast", "slow": "ResNet", "i3d": "ResNet", "c2d": "ResNet"}


@pytest.mark.parametrize("network", foreign.NETWORKS)
def test_pyslowfasts_names(network):
    ours = list(foreign.pytorchvideo(network))
    naming, found = renamed(foreign.pyslowfast(network), ours)
    assert naming == f"PySlowFast {KINDS[network.split('-')[0]]}"
    assert found == ours


@pytest.mark.parametrize("network", foreign.NETWORKS)
def test_caffe2s_names(network):
    ours = [name for name in foreign.pytorchvideo(network) if not name.endswith("num_batches_tracked")]
    naming, found = renamed(foreign.caffe2(network), ours)
    assert naming == f"Caffe2 {KINDS[network.split('-')[0]]}"
    assert found == ours


@pytest.mark.parametrize("network", foreign.NETWORKS)
def test_pytorchvideos_names_are_ours(network):
    ours = list(foreign.pytorchvideo(network))
    assert renamed(ours, ours) == ("PyTorchVideo", ours)


def test_torchvisions_names():
    theirs = list(foreign.torchvision_r2plus1d())
    ours = [f"blocks.{name}" for name in theirs]
    assert renamed(theirs, ours) == ("torchvision", ours)
    assert renamed(ours, ours) == ("co3d-bench", ours)


def test_names_of_nobody_are_taken_as_they_are():
    assert renamed(["encoder.weight"], ["encoder.weight"]) == ("its own names", ["encoder.weight"])


@pytest.mark.parametrize(
    ("network", "parameters"),
    # X3D: the paper's Table 1. The others: pytorchvideo docs/source/model_zoo.md.
    [
        ("x3d-m", "3.79"),
        ("x3d-l", "6.15"),
        ("c2d-r50", "24.33"),
        ("i3d-r50", "28.04"),
        ("slow-8x8-r50", "32.45"),
        ("slowfast-8x8-r50", "34.57"),
        ("slowfast-4x16-r50", "34.48"),
    ],
)
def test_the_lists_hold_as_many_parameters_as_is_published(network, parameters):
    assert f"{millions(foreign.pytorchvideo(network)):.2f}" == parameters


def test_the_list_of_torchvision_holds_as_many_parameters_as_is_published():
    # torchvision/models/video/resnet.py: num_params of R2Plus1D_18_Weights
    assert round(millions(foreign.torchvision_r2plus1d()) * 1e6) == 31_505_325


def millions(names):
    learnt = [shape for name, shape in names.items() if "running" not in name and "tracked" not in name]
    return sum(math.prod(shape) for shape in learnt) / 1e6
