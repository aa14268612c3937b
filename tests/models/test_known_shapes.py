"""Shapes by arithmetic are those that the layers make."""

import pytest
import torch
from torch import nn

from co3d_bench.models import continual as co
from co3d_bench.models.continual.conversion.known_shapes import known_shape
from co3d_bench.models.continual.state import Sequential
from co3d_bench.models.zoo import find_model

CLIP = (2, 4, 6, 9, 10)
LAYERS = [
    nn.Conv3d(4, 6, (3, 2, 1), stride=(2, 1, 3), padding=(1, 0, 0), dilation=(1, 2, 1)),
    co.Conv3d(4, 8, (3, 3, 3), padding=(1, 1, 1), groups=2),
    co.Conv3d(4, 8, (3, 3, 3), padding=(1, 1, 1), pad_time=False),
    co.BatchNorm3d(4),
    nn.ReLU(),
    co.Pool3d("max", (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
    co.Pool3d("avg", (2, 1, 1), dilation=2, pad_time=False),
    co.ClipPool(6),
    co.SpatialMean(),
    co.ClipMean(),
    co.Projection(4, 3),
    nn.Linear(10, 3),
    co.SqueezeExcitation(4, 2),
    Sequential(nn.Conv3d(4, 5, 1), nn.ReLU(), nn.Dropout(0.5)),
    co.Residual(Sequential(co.Conv3d(4, 7, 3, padding=1)), nn.ReLU(), co.Conv3d(4, 7, 1), co.BatchNorm3d(7)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_it_is_what_the_layer_makes(layer):
    with torch.no_grad():
        assert known_shape(layer.eval(), CLIP) == tuple(layer(torch.zeros(CLIP)).shape)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(5, 6, 3),  # other channels
        nn.Conv3d(4, 6, 11),  # larger than the clip
        nn.Conv3d(4, 6, 3, padding="same"),
        co.Pool3d("max", (1, 2, 2), ceil_mode=True),
        nn.LSTM(4, 4),
        nn.Linear(4, 4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_of_the_rest_torch_is_asked(layer):
    assert known_shape(layer, CLIP) is None


@pytest.mark.parametrize("name", ["cox3d-s-13", "coslow-r50-8"])
def test_networks_of_the_zoo_are_built_without_torchs_compiler(name, monkeypatch):
    """It takes a second or more to load, in every measuring process."""

    def refuse(*_, **__):
        raise AssertionError("torch was asked for a shape")

    monkeypatch.setattr("co3d_bench.models.continual.conversion.shapes.FakeTensorMode", refuse)
    with torch.device("meta"):
        find_model(name).build()
