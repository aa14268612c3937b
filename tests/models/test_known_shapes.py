"""Shapes by arithmetic are those that the layers make."""

import operator
import subprocess
import sys

import pytest
import torch
from torch import nn

from co3d_bench.models import continual as co
from co3d_bench.models.continual.conversion.known_shapes import known_result, known_shape
from co3d_bench.models.continual.delay import Subsample
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
    Subsample(4),
    Subsample(2, to_the_end=True),
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


ONE, LONGER, WHOLE = torch.zeros(CLIP), torch.zeros(2, 4, 9, 9, 10), torch.zeros(CLIP, dtype=torch.int64)


@pytest.mark.parametrize(
    ("called", "args", "kwargs"),
    [
        (operator.add, (ONE, ONE), {}),
        (torch.cat, ([ONE, LONGER], 2), {}),
        (torch.cat, ((ONE, LONGER, ONE),), {"dim": -3}),
        (torch.cat, ([ONE],), {}),
    ],
)
def test_a_call_is_known_as_it_is(called, args, kwargs):
    assert known_result(called, args, kwargs) == tuple(called(*args, **kwargs).shape)


@pytest.mark.parametrize(
    ("called", "args", "kwargs"),
    [
        ("add_", (ONE, LONGER), {}),
        ("add_", (ONE, 1), {}),
        (torch.add, (ONE, ONE), {"alpha": 2}),
        (torch.add, (ONE, WHOLE), {}),  # of another type
        (torch.cat, ([ONE, LONGER], 1), {}),
        (torch.cat, ([ONE, WHOLE], 2), {}),
        (torch.cat, ([ONE], 5), {}),
        (torch.cat, (), {"tensors": [ONE], "out": ONE}),
        (torch.mul, (ONE, ONE), {}),
    ],
)
def test_of_other_calls_torch_is_asked(called, args, kwargs):
    assert known_result(called, args, kwargs) is None


@pytest.mark.parametrize("name", ["cox3d-s-13", "coslow-r50-8", "cor2plus1d-18-8", "coslowfast-8x8-r50-32"])
def test_networks_of_the_zoo_are_built_without_torchs_compiler(name, monkeypatch):
    """It takes a second or more to load, in every measuring process."""

    def refuse(*_, **__):
        raise AssertionError("torch was asked for a shape")

    monkeypatch.setattr("co3d_bench.models.continual.conversion.shapes.FakeTensorMode", refuse)
    with torch.device("meta"):
        find_model(name).build()


def test_nothing_else_loads_the_compiler_either():
    """Not what the tracer records of each call, for example."""
    code = (
        "import sys; from co3d_bench.models.zoo import find_model; find_model('coslowfast-8x8-r50-32').build(); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
