"""`co3d_bench.model`: a network in one line, with seeded weights, a checkpoint's or a file's."""

from __future__ import annotations

import pickle

import pytest
import torch

import co3d_bench
from co3d_bench.models.weights.cache import cache_folder, cached_path
from co3d_bench.models.weights.errors import WeightsError
from co3d_bench.models.weights.sources import checkpoints_for
from co3d_bench.models.zoo import UnknownModelError, find_model


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CO3D_BENCH_CACHE", str(tmp_path / "cache"))


def weights_of(net):
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def saved(path, seed):
    """A file of random weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(co3d_bench.model("x3d-xs", seed=seed).state_dict(), path)
    return path


def test_weights_are_seeded_as_in_a_run_and_the_users_generator_is_left_alone():
    torch.manual_seed(1)
    net = co3d_bench.model("tsm-mobilenetv2")
    drawn = torch.randn(3)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.randn(3))
    torch.manual_seed(0)
    assert torch.equal(weights_of(net), weights_of(find_model("tsm-mobilenetv2").build()))
    assert not torch.equal(weights_of(net), weights_of(co3d_bench.model("tsm-mobilenetv2", seed=1)))
    assert not net.training


@pytest.mark.parametrize("given", ["auto", "path"])
def test_weights_of_a_file(tmp_path, given):
    path = tmp_path / "mine.pth" if given == "path" else cached_path(checkpoints_for(find_model("x3d-xs"))[0])
    saved(path, seed=7)
    net = co3d_bench.model("x3d-xs", weights=path if given == "path" else "auto")
    assert torch.equal(weights_of(net), weights_of(co3d_bench.model("x3d-xs", seed=7)))


def test_what_is_not_there_is_not_fetched_and_the_message_explains_how():
    with pytest.raises(WeightsError, match="`co3d-bench weights fetch cox3d-m-64` downloads it"):
        co3d_bench.model("cox3d-m-64", weights="auto")
    with pytest.raises(WeightsError, match="no public weights are known"):
        co3d_bench.model("rcu-8", weights="auto")
    with pytest.raises(WeightsError, match=r"nowhere\.pth: no such file"):
        co3d_bench.model("cox3d-m-64", weights="nowhere.pth")
    with pytest.raises(UnknownModelError, match="did you mean cox3d-m-64"):
        co3d_bench.model("cox3d-m64")
    assert not cache_folder().exists()


def test_code_in_a_file_is_not_run(tmp_path):
    class Code:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"weight": Code()}, tmp_path / "evil.pth", pickle_module=pickle)
    with pytest.raises(WeightsError, match="refused, and none of it was run"):
        co3d_bench.model("x3d-xs", weights=tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()
