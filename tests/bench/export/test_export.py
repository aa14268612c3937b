"""Files for use outside: what they are called, what they take and give, and that they answer as the network does."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from small_networks import clip_network

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.export import Options, get_format, list_formats
from co3d_bench.bench.export.entry import make_entry
from co3d_bench.bench.measure.verify import relative_error
from co3d_bench.cli.verbs import call
from co3d_bench.models import continual as co


@pytest.fixture(scope="module")
def frames():
    return co.convert(clip_network(), prove=False)


def test_every_format_is_named_once():
    names = [row.name for row in list_formats()]
    assert len(set(names)) == len(names)
    with pytest.raises(KeyError, match="torch-export"):
        get_format("none")


def test_a_step_names_what_it_takes_and_gives(frames):
    entry = make_entry(frames, torch.randn(2, 3, 16, 16))
    count = len(frames.initial_state(2))
    assert entry.input_names == ("frame", *(f"state_{index}" for index in range(count)))
    assert entry.output_names == ("scores", *(f"new_state_{index}" for index in range(count)))
    given = entry.module(*entry.inputs)
    assert given[0].shape == (2, 5)
    assert [tensor.shape for tensor in given[1:]] == [tensor.shape for tensor in entry.inputs[1:]]


def test_batch_norm_is_folded_in_a_copy(frames):
    entry = make_entry(frames, torch.randn(1, 3, 16, 16))
    assert not [layer for layer in entry.module.modules() if isinstance(layer, torch.nn.BatchNorm3d)]
    assert [layer for layer in frames.modules() if isinstance(layer, torch.nn.BatchNorm3d)]


def test_torch_export_answers_as_the_network_does(frames, tmp_path):
    path, state_file = get_format("torch-export").write(
        frames, torch.zeros(1, 3, 16, 16), tmp_path / "net.pt2", Options()
    )
    step = torch.export.load(path).module()
    with np.load(state_file) as saved:
        state = [torch.from_numpy(saved[f"state_{index}"]) for index in range(len(saved.files))]
    expected_state = frames.initial_state(1)
    with torch.no_grad():
        for frame in torch.randn(frames.receptive_field + 3, 1, 3, 16, 16):
            scores, *state = step(frame, *state)
            expected, expected_state = frames.step(frame, expected_state)
            assert relative_error(scores, expected) < 1e-5


class ByItsInput(torch.nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize("name", ["torch-export", "aten-json"])
def test_a_network_that_cannot_be_traced_is_refused_in_one_line(name, tmp_path):
    with pytest.raises(UserError, match=r"torch.export cannot trace this network: .*data-dependent") as caught:
        get_format(name).write(ByItsInput().eval(), torch.zeros(1, 3, 4), tmp_path / "net", Options())
    assert "\n" not in str(caught.value)


def test_torch_export_of_a_clip_network(tmp_path):
    net = clip_network()
    (path,) = get_format("torch-export").write(net, torch.zeros(1, 3, 4, 16, 16), tmp_path / "net.pt2", Options())
    clip = torch.randn(1, 3, 4, 16, 16)
    with torch.no_grad():
        (scores,) = torch.export.load(path).module()(clip)
        assert relative_error(scores, net(clip)) < 1e-5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "net.tflite"], "net.tflite: no format has this suffix; name a format by --format: "),
        (["-o", "net.pt2", "--format", "onxn"], "--format: onxn: did you mean onnx?"),
        (["-o", "net.pt2", "--opset", "13"], "--opset: torch-export has none; leave the option out"),
        (["-o", "none/net.pt2"], "--out: none: no such folder; create it first"),
        (["-o", "net.pt2", "--precision", "fp8"], "--precision: fp8: there are fp32, bf16, fp16"),
    ],
)
def test_a_mistake_is_reported_before_anything_is_built(arguments, message):
    with pytest.raises(UserError, match=re.escape(message)):
        call(["export", "no-such-model", *arguments])


def test_the_verb_writes_what_it_says(tmp_path, capsys):
    (tmp_path / "net.py").write_text(
        "from torch import nn, zeros\n\n\ndef net():\n    return nn.Linear(3, 4), zeros(1, 3)\n"
    )
    path = tmp_path / "net.pt2"
    call(["export", f"{tmp_path}/net.py:net", "-o", str(path)])
    assert capsys.readouterr().out == f"{path}: {path.stat().st_size:,} bytes\n"
    assert torch.export.load(path).module()(torch.zeros(1, 3))[0].shape == (1, 4)
