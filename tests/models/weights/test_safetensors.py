"""What is written as safetensors is read again, by us and by the letter of the format."""

from __future__ import annotations

import json

import pytest
import torch

from co3d_bench.models.weights.errors import WeightsError
from co3d_bench.models.weights.formats import read_file
from co3d_bench.models.weights.safetensors import write_safetensors

TENSORS = {
    "a.weight": torch.arange(6.0).reshape(2, 3).t(),  # in no order of its own
    "a.count": torch.tensor(7),
    "empty": torch.zeros(0, 3),
}


def test_it_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "net.safetensors"
    write_safetensors(path, TENSORS, {"made by": "a test"})
    found = read_file(path)
    assert found.format == "safetensors"
    for name, tensor in TENSORS.items():
        assert torch.equal(found.tensor(name), tensor)
        assert found.tensor(name).dtype == tensor.dtype


def test_the_bytes_are_those_of_the_format(tmp_path):
    path = tmp_path / "net.safetensors"
    write_safetensors(path, {"a": torch.tensor([1.0, -2.0])}, {"made by": "a test"})
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert json.loads(content[8 : 8 + length]) == {
        "__metadata__": {"made by": "a test"},
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    }
    assert content[8 + length :] == bytes.fromhex("0000803f000000c0")


def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "net.safetensors").mkdir()
    with pytest.raises(WeightsError, match=r"net\.safetensors: cannot be written"):
        write_safetensors(tmp_path / "net.safetensors", TENSORS, {})
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]
