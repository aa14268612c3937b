"""Multiply-accumulates as the paper prints them, for every row of Table 3, and what the cross-checks say."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from co3d_bench.bench.measure import counting
from co3d_bench.bench.measure.counting import count, count_as_paper
from co3d_bench.models import continual as co
from co3d_bench.models.spec import ModelSpec, Preprocessing, Source
from co3d_bench.models.zoo import find_model, list_models

TABLE3 = Path(__file__).parents[3] / "models" / "paper_tables" / "table3_pool_size.csv"
TO_THE_DIGIT = {
    "x3d-xs": 635_560_544,
    "x3d-s": 2_061_365_744,
    "x3d-m": 4_970_008_352,
    "x3d-l": 19_166_052_038,
    "cox3d-s-13": 166_565_305,
    "cox3d-m-16": 325_456_057,
    "coi3d-r50-8": 5_677_868_033,
    "coslow-r50-8": 6_900_090_881,
}


@cache
def macs(name):
    spec = find_model(name)
    return count_as_paper(spec.build(), spec)


def counted(name):
    spec = find_model(name)
    return count(spec.build(), spec)


def rows_of_table3():
    with TABLE3.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pool = f"-{row['pool']}" if row["model"] == "cox3d" else ""
            # Rows that differ in their pool alone: two of each size here, the rest by `make acceptance`.
            marks = [pytest.mark.acceptance] if pool in ("-32", "-96") else []
            yield pytest.param(f"{row['model']}-{row['size']}{pool}", int(row["flops_k"]), marks=marks)


@pytest.mark.parametrize(("name", "kilo"), list(rows_of_table3()))
def test_every_row_of_table_3_to_the_printed_digit(name, kilo):
    assert round(macs(name) / 1000) == kilo


@pytest.mark.parametrize("name", TO_THE_DIGIT)
def test_figures_known_to_the_last_digit(name):
    assert macs(name) == TO_THE_DIGIT[name]


TABLE1 = [spec.name for spec in list_models() if spec.published is not None and spec.published.macs_g is not None]


@pytest.mark.parametrize("name", [name for name in TABLE1 if name != "rcu-8"])
def test_every_row_of_table_1_as_printed(name):
    assert macs(name) / 1e9 == pytest.approx(find_model(name).published.macs_g, abs=0.0051)


def test_the_one_row_that_is_not_as_printed_says_so():
    assert len(TABLE1) == 21
    assert "0.54 G" in find_model("rcu-8").published.note
    assert round(macs("rcu-8") / 1e9, 2) == 0.54


def test_the_cross_checks_agree_on_what_convolutions_and_products_cost():
    counts = counted("cox3d-m-16")
    net = find_model("cox3d-m-16").build()
    convolutions_and_classifier = 296_710_296 + 2048 * 400 + 400
    stem = 24 * 5 * 112 * 112  # scales and adds frames, which torch does not see as a convolution
    biases = sum(p.numel() for name, p in net.named_parameters() if name.endswith("bias") and "norm_b.1" in name) + 400
    assert counts.flops_torch == 2 * (convolutions_and_classifier - stem - biases)
    assert counts.macs_once < counts.macs
    assert counts.macs_functional > counts.macs_once
    assert counts.counter.startswith("ptflops ")


def tiny_spec(module, shape, form="clip"):
    return ModelSpec(
        name="tiny",
        title="Tiny",
        family="tiny",
        form=form,
        input_shape=shape,
        classes=2,
        build=lambda: module,
        preprocessing=Preprocessing((0.5,) * 3, (0.5,) * 3, 8, 1),
    )


def test_a_network_of_plain_layers_is_counted_as_by_hand():
    net = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1, bias=False), nn.BatchNorm3d(4), nn.ReLU(), nn.Flatten())
    counts = count(net, tiny_spec(net, (3, 2, 5, 5)))
    positions = 2 * 5 * 5
    assert counts.macs == counts.macs_once == positions * (27 * 3 * 4 + 2 * 4 + 4)
    assert counts.flops_torch == 2 * positions * 27 * 3 * 4


def test_the_network_that_runs_is_counted_not_its_name():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv3d(3, 3, 1, bias=False)

        def forward(self, x):
            return self.layer(self.layer(x))

    net = Twice()
    assert count(net, tiny_spec(net, (3, 2, 4, 4))).macs == 2 * 9 * 2 * 4 * 4


def test_a_frame_network_inside_another_is_counted_as_it_is_alone():
    clip = nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 6)).eval()
    body = co.convert(clip, input_shape=(3, 4, 8, 8), prove=False)

    class Headed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = body, nn.Linear(6, 2, bias=False)

        def initial_state(self, batch_size):
            return self.body.initial_state(batch_size)

        def step(self, frame, state):
            scores, state = self.body.step(frame, state)
            return self.head(scores), state

    net = Headed()
    alone, whole = (count(each, tiny_spec(each, (3, 8, 8), "frame")) for each in (body, net))
    assert alone.macs_once > 27 * 3 * 4 * 36
    assert whole.macs_once == alone.macs_once + 12
    assert whole.notes == ()


def test_a_network_that_does_not_run_is_not_counted_and_says_why():
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("no such thing")

    net = Broken()
    counts = count(net, tiny_spec(net, (3, 2, 4, 4)))
    assert [counts.macs, counts.macs_once, counts.macs_functional, counts.macs_aten, counts.flops_torch] == [None] * 5
    assert counts.notes == (
        "not counted: macs, macs_once, macs_functional, macs_aten, flops_torch: RuntimeError: no such thing",
    )


class ByNumbers(nn.Module):
    """Looks at numbers to decide, which torch's meta device has none of; answers with more than scores."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        scores = self.layer(x) if x.sum() < 1 else x
        return {"scores": scores, "more": (x, [x])}


class NoCopy(ByNumbers):
    def __deepcopy__(self, memo):
        raise TypeError("there is one of me")


@pytest.mark.parametrize("network", [ByNumbers, NoCopy])
def test_a_network_that_only_runs_for_real_is_counted_for_real(network):
    net = network()
    counts = count(net, tiny_spec(net, (4,), "input"))
    assert (counts.macs, counts.macs_once, counts.flops_torch, counts.notes) == (4 * 2 + 2, 4 * 2 + 2, 16, ())


def test_what_the_module_hooks_cannot_see_is_not_called_zero():
    class Functions(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2, 4))

        def forward(self, x):
            return nn.functional.linear(x, self.weight)

    net = Functions()
    counts = count(net, tiny_spec(net, (4,), "input"))
    assert (counts.macs, counts.macs_once, counts.flops_torch) == (None, None, 16)
    assert counts.notes == (
        "not counted: macs, macs_once: ptflops' module hooks know none of its layers",
        "not counted: macs_functional: ptflops knows none of its layers and functions",
        "the module hooks do not see 8 of the 8 multiply-accumulates that torch's counter sees: those in its own "
        "forward (Functions)",
    )


def test_every_figure_is_an_integer_of_pythons():
    class Sum(nn.Linear):
        def forward(self, input):
            return torch.add(super().forward(input), 1.0)

    net = Sum(4, 2)
    counts = count(net, tiny_spec(net, (4,), "input"))
    figures = [counts.macs, counts.macs_once, counts.macs_functional, counts.macs_aten, counts.flops_torch]
    assert figures == [10, 10, 12, 10, 16]
    assert {type(figure) for figure in figures} == {int}  # as JSON has them


class PlainFrames(nn.Module):
    """A linear layer and ReLU a frame; stands for a network that is none of ours."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def initial_state(self, batch_size):
        return (torch.zeros(batch_size, 4),)

    def step(self, frame, state):
        return self.layers(frame), (frame,)


def test_the_papers_peculiarities_are_those_of_converted_networks_alone():
    net = PlainFrames()
    converted = replace(tiny_spec(net, (4,), "frame"), counterpart="x3d-s")
    assert count(net, converted).macs == 4 * 4 + 4 + 2 * 4
    for other in (replace(converted, source=Source(file="net.py")), replace(converted, counterpart=None)):
        assert count(net, other).macs == count(net, other).macs_once == 4 * 4 + 4 + 4


def test_counting_leaves_the_network_as_it_was():
    spec = find_model("x3d-xs")
    torch.manual_seed(0)
    net = spec.build().eval()
    clip = torch.randn(1, *spec.input_shape)
    with torch.no_grad():
        before = net(clip)
        count(net, spec)
        assert torch.equal(net(clip), before)
    assert not any(name.startswith("__flops") for module in net.modules() for name in vars(module))


class SamePad(nn.Conv3d):
    """A convolution that pads by itself."""

    def forward(self, input):
        return super().forward(nn.functional.pad(input, [1] * 6))


class Calls(nn.Module):
    """Calls its layer as `call` does; then a classifier."""

    def __init__(self, layer, call):
        super().__init__()
        self.layer, self.call, self.head = layer, call, nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.call(self.layer, x).mean((2, 3, 4)))


def conv(kind=nn.Conv3d):
    return kind(3, 4, 3, padding=0 if issubclass(kind, SamePad) else 1, bias=False)


def lazy():
    return nn.LazyConv3d(4, 3, padding=1, bias=False)


def called(layer, x):
    return layer(x)


CONVOLUTION = 27 * 3 * 4 * 2 * 5 * 5
HEAD = 4 * 2 + 2
# Whatever a convolution is wrapped in, it counts as one.
LAYERS = {
    "a subclass": lambda: conv(SamePad),
    "a subclass of a subclass": lambda: conv(type("Mine", (SamePad,), {})),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(conv()),
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(conv()),
    "a lazy layer": lazy,
    "a compiled layer": lambda: torch.compile(conv(), backend="eager"),
}


@pytest.mark.parametrize("made", LAYERS.values(), ids=LAYERS.keys())
def test_a_layer_counts_as_its_nearest_base(made):
    net = Calls(made(), called)
    counts = count(net, tiny_spec(net, (3, 2, 5, 5)))
    assert (counts.macs, counts.macs_once, counts.notes) == (CONVOLUTION + HEAD, CONVOLUTION + HEAD, ())


def test_a_layer_called_by_keyword_or_in_two_places_is_counted_as_often_as_it_runs():
    net = Calls(conv(), lambda layer, x: layer(input=x))
    assert count(net, tiny_spec(net, (3, 2, 5, 5))).macs_once == CONVOLUTION + HEAD
    shared = nn.Conv3d(3, 3, 1, bias=False)
    twice = nn.Sequential(nn.Sequential(shared), nn.Sequential(shared), nn.Flatten())
    assert count(twice, tiny_spec(twice, (3, 2, 4, 4))).macs_once == 2 * 9 * 2 * 4 * 4


class Inside(nn.Module):
    """Calls its layer's `forward`, past all hooks."""

    def __init__(self):
        super().__init__()
        self.conv = conv()

    def forward(self, x):
        return self.conv.forward(x)


OWN = "its own forward (Calls)"
UNSEEN = {
    "a call of forward": (conv, lambda layer, x: layer.forward(x), OWN),
    "a function": (conv, lambda layer, x: nn.functional.conv3d(x, layer.weight, padding=1), OWN),
    "a layer that is no part": (lambda: [conv()], lambda layers, x: layers[0](x), OWN),
    "a script": (lambda: torch.jit.script(conv()), called, OWN),
    "a part": (Inside, called, "layer (Inside)"),
}


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("made", "call", "where"), UNSEEN.values(), ids=UNSEEN.keys())
def test_what_torchs_counter_sees_and_the_hooks_do_not_is_named(made, call, where):
    net = Calls(made(), call)
    counts = count(net, tiny_spec(net, (3, 2, 5, 5)))
    assert counts.macs_once == HEAD
    assert counts.notes == (
        f"the module hooks do not see {CONVOLUTION:,} of the {CONVOLUTION + 8:,} multiply-accumulates that torch's "
        f"counter sees: those in {where}",
    )


class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.attention(query=x, key=x, value=x)[0]


ATTENTION = 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8  # projections; products of 5 tokens of 8 features


def test_attention_is_counted_without_its_fast_path():
    for net in (Attends(), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)):
        counts = count(net, tiny_spec(net, (5, 8), "input"))
        feed_forward = 2 * 5 * 8 * 16 if isinstance(net, nn.TransformerEncoderLayer) else 0
        assert counts.flops_torch == 2 * (ATTENTION + feed_forward)
        assert counts.macs_once > ATTENTION + feed_forward
        assert counts.notes == ()
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_layer_counts_as_its_float_layer():
    from torch.ao.quantization import quantize_dynamic

    floats = nn.Sequential(nn.Linear(8, 4, bias=False), nn.ReLU(), nn.Linear(4, 2))
    net = quantize_dynamic(floats, {nn.Linear}, dtype=torch.qint8)
    counts = count(net, tiny_spec(net, (8,), "input"))
    assert (counts.macs_once, counts.flops_torch) == (8 * 4 + 4 + 4 * 2 + 2, None)
    assert "not counted: flops_torch: torch's counter knows none of its operators" in counts.notes


def test_a_layer_whose_rule_fails_is_named_and_the_others_are_counted():
    def packed(layer, x):
        sequence = nn.utils.rnn.pack_padded_sequence(x.flatten(3).mean(3).movedim(2, 1), torch.tensor([2]), True)
        return layer(sequence)[1][0][:, :, None, None, None]

    net = Calls(nn.GRU(3, 4, batch_first=True), packed)
    counts = count(net, tiny_spec(net, (3, 2, 5, 5)))
    assert counts.macs_once == HEAD
    (note,) = counts.notes
    assert note.startswith("not counted by the module hooks: layer (GRU): AttributeError: 'PackedSequence'")


def test_where_ptflops_cannot_be_loaded_torchs_counter_is_left(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "ptflops"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "ptflops.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    counting._ptflops.cache_clear()
    net = nn.Linear(4, 2)
    counts = count(net, tiny_spec(net, (4,), "input"))
    counting._ptflops.cache_clear()
    assert (counts.macs, counts.macs_once, counts.macs_functional, counts.macs_aten) == (None,) * 4
    assert counts.flops_torch == 16
    why = "ptflops cannot be loaded: RuntimeError: operator torchvision::nms does not exist"
    assert counts.notes == (f"not counted: macs, macs_once, macs_functional, macs_aten: {why}",)


def test_a_torchvision_that_does_not_fit_torch_is_not_loaded(tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    code = "import sys; from co3d_bench.bench.measure.counting import _ptflops; _ptflops('pytorch_ops'); "
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torchvision' in sys.modules)"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"
