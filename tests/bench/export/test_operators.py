"""The operators a network calls: recorded as torch.export gives them, or left to it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from small_networks import clip_network
from torch import nn

from co3d_bench.bench.export.aten.operators import export, record
from co3d_bench.bench.export.entry import make_entry
from co3d_bench.models import continual as co


def calls(found):
    """Operator, shapes of what it reads, and of what it makes; constants with their values' sum."""

    def seen(node):
        constant = found.constants.get(node)
        return tuple(node.meta["val"].shape), None if constant is None else float(constant.sum())

    nodes = [node for node in found.graph.nodes if node.op == "call_function"]
    return [(str(node.target), [seen(each) for each in node.all_input_nodes], seen(node)) for node in nodes]


@pytest.mark.parametrize("frames", [False, True])
def test_what_is_recorded_is_what_torch_export_gives(frames):
    net = co.convert(clip_network(), prove=False) if frames else clip_network()
    entry = make_entry(net, torch.randn(2, *((3, 16, 16) if frames else (3, 4, 16, 16))), plain=True)
    assert calls(record(entry)) == calls(export(entry))


class Odd(nn.Module):
    """A linear layer, and something else."""

    def __init__(self, does):
        super().__init__()
        self.does = does
        self.layer = nn.Linear(4, 4)
        self.register_buffer("count", torch.zeros(4))
        self.scale = torch.ones(4)
        self.seen = []
        self.last = torch.zeros(1)

    def forward(self, x):
        return self.does(self, x)


def made_of(does):
    with torch.no_grad():
        return make_entry(Odd(does).eval(), torch.rand(1, 4), plain=True)


def counts(net, x):
    net.count = net.count + 1
    return net.layer(x) + net.count


def counts_in_place(net, x):
    net.scale.add_(1)
    return net.layer(x) * net.scale


def remembers(net, x):
    net.last = net.layer(x)
    return net.last


def collects(net, x):
    net.seen.append(net.layer(x))
    return net.seen[0]


def reads_what_was_overwritten(net, x):
    y = net.layer(x)
    half = y[:, :2]
    y.relu_()
    return y + half.sum(1, keepdim=True)


def writes_elsewhere(net, x):
    y = net.layer(x)
    torch.add(y, 1, out=y)
    return y


NOT_ALWAYS_THE_SAME = {
    "decides by a number": lambda net, x: net.layer(x) if x.sum() > 0 else x,
    "takes a number": lambda net, x: net.layer(x) * x.sum().item(),
    "takes a list": lambda net, x: net.layer(x) * net.count.tolist()[0],
    "takes an array": lambda net, x: net.layer(x) * float(x.numpy()[0, 0]),
    "takes an address": lambda net, x: net.layer(x) * (x.data_ptr() % 7),
    "another package": lambda net, x: net.layer(x) * torch.from_dlpack(torch.utils.dlpack.to_dlpack(x)),
    "compares": lambda net, x: net.layer(x) if torch.equal(x, x) else x,
    "as many as are positive": lambda net, x: net.layer(x)[:, : len(x.nonzero())],
    "writes into its input": lambda net, x: net.layer(x.add_(1)),
    **{does.__name__: does for does in (counts, counts_in_place, remembers, collects, reads_what_was_overwritten)},
    "writes elsewhere": writes_elsewhere,
}


@pytest.mark.parametrize("does", NOT_ALWAYS_THE_SAME.values(), ids=NOT_ALWAYS_THE_SAME)
def test_a_network_of_which_one_call_does_not_show_all_is_not_recorded(does):
    entry = made_of(does)
    before = [entry.module.net.last, *entry.module.net.seen, *entry.module.state_dict().values()]
    with pytest.raises(Exception):  # noqa: B017, PT011 - of torch where it refuses, else ours
        record(entry)
    after = [entry.module.net.last, *entry.module.net.seen, *entry.module.state_dict().values()]
    assert all(
        ours is theirs or ours.data_ptr() == theirs.data_ptr() for ours, theirs in zip(after, before, strict=True)
    )


def overwrites(net, x):
    y = net.layer(x)
    y.relu_()
    y += x * net.scale
    return torch.cat(y.chunk(2, 1)) + torch.tensor(2.0)


def test_what_is_overwritten_taken_apart_or_made_from_nothing_is_recorded():
    targets = [str(node.target) for node in record(made_of(overwrites)).graph.nodes]
    names = [target.split(".")[1] for target in targets if target.startswith("aten.")]
    assert names == ["linear", "relu_", "mul", "add_", "chunk", "cat", "add"]


def test_recording_needs_nothing_of_torchs_compiler():
    """Importing it takes longer than everything else that is done before the first prediction."""
    code = """
import sys, torch
from small_networks import clip_network
from co3d_bench.bench.backends.native.lower import lower
from co3d_bench.models.continual import convert
net = convert(clip_network())
lower(net, torch.zeros(1, *net.input_shape))
sys.exit(bool({"torch._dynamo", "sympy"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd="tests/bench", check=False).returncode == 0
