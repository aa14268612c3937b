"""Every network of the zoo with the weights of every project that publishes them for it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from co3d_bench.models.weights.load import load_weights
from co3d_bench.models.weights.names import read_names
from co3d_bench.models.weights.sources import CHECKPOINTS, checkpoints_for
from co3d_bench.models.zoo import find_model, list_models

from ..networks import shapes_of
from . import foreign

R2PLUS1D = ("r2plus1d-18-8", "r2plus1d-18-16")
OURS_ALONE = ("movinet", "mobilenetv3")


def our_names(network):
    """Names and shapes a network of ours should have: PyTorchVideo's, or torchvision's inside `blocks`.

    Those of MoViNet and MobileNetV3 are ours alone.
    """
    if network.startswith(OURS_ALONE):
        return {key: tuple(tensor.shape) for key, tensor in shapes_of(network).state_dict().items()}
    if network in R2PLUS1D:
        return {f"blocks.{name}": shape for name, shape in foreign.torchvision_r2plus1d().items()}
    return foreign.pytorchvideo(network)


def write(path, names, form):
    """A file of that form, each tensor full of a number of its own."""
    if form == "pkl":  # half precision holds whole numbers up to 2048, in half the space
        blobs = {name: np.full(shape, number, dtype="f2") for number, (name, shape) in enumerate(names.items())}
        path.write_bytes(pickle.dumps({"blobs": blobs}, 2))
    else:
        torch.save({"model_state": foreign.filled(names)} if form == "pyth" else foreign.filled(names), path)
    return path


def check(name, path, expected):
    """Load the file; every tensor of the network must be full of the number of its pair."""
    spec = find_model(name)
    net = spec.build()
    report = load_weights(net, spec, path)
    state = net.state_dict()
    assert {key: tuple(state[key].shape) for key in expected} == expected
    found = [(state[key].min().item(), state[key].max().item()) for key in expected]
    assert found == [(number, number) for number in range(len(expected))]
    return report


@pytest.mark.parametrize("row", CHECKPOINTS, ids=lambda row: row.name)
def test_every_public_checkpoint_fits_its_network(tmp_path, row):
    """In the form, the names and the shapes that its project writes."""
    network = row.networks[0]
    form = row.file.rpartition(".")[2]
    names = {"pyslowfast": foreign.pyslowfast, "pytorchvideo": foreign.pytorchvideo}
    if network in R2PLUS1D:
        theirs = foreign.torchvision_r2plus1d()
    elif network.startswith(OURS_ALONE):
        theirs = foreign.torchvision_mobilenetv3() if form == "pth" else foreign.movinet_pytorch(network)
    elif form == "pkl":
        theirs = foreign.caffe2(network)
    elif row.project.name == "pytorchvideo" and network.startswith("x3d"):
        theirs = foreign.pytorchvideo(network, first_norm=False)
    else:
        theirs = names[row.project.name](network)
    ours = our_names(network)
    if network.startswith(OURS_ALONE):  # pair by pair, as the rules say
        reading = read_names(dict.fromkeys(theirs, ""), ours)
        assert set(reading.names) == set(theirs)
        ours = {reading.names[name]: ours[reading.names[name]] for name in theirs}
    if form == "pkl":
        ours = {name: shape for name, shape in ours.items() if not name.endswith("tracked")}
    if row.project.name == "pytorchvideo":
        ours = theirs
    report = check(network, write(tmp_path / row.file, theirs, form), ours)
    assert report.tensors == len(theirs)


# With a longer pool the names and shapes are those of the same network at its own: every night is enough.
NAMED = [
    pytest.param(spec.name, marks=[pytest.mark.acceptance] if spec.extends else [])
    for spec in list_models()
    if checkpoints_for(spec)
]


@pytest.mark.parametrize("name", NAMED)
def test_networks_have_the_names_and_shapes_of_the_public_checkpoints(name):
    spec = find_model(name)
    found = {key: tuple(tensor.shape) for key, tensor in shapes_of(spec.name).state_dict().items()}
    assert found == our_names(spec.counterpart or name)


def test_networks_of_the_papers_table_have_public_weights():
    without = {spec.family for spec in list_models() if spec.published and not checkpoints_for(spec)}
    assert without <= {"rcu"}  # of which no file is known


def test_every_network_that_a_checkpoint_names_is_there():
    for row in CHECKPOINTS:
        assert [find_model(name).name for name in row.networks] == list(row.networks)
