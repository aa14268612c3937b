"""MoViNet: the authors' figures, Atze00/MoViNet-pytorch's answers by its own names, and a stream that never forgets."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from co3d_bench.bench.backends import Ask, get_backend
from co3d_bench.bench.measure.counting import count, count_as_paper
from co3d_bench.bench.measure.reaction import reaction_frames
from co3d_bench.bench.measure.verify import compare
from co3d_bench.models.weights.load import load_weights
from co3d_bench.models.zoo import find_model
from co3d_bench.models.zoo.movinet import K15, K33, K53, SIZES, Size, Stage, build_base, build_stream

from ..reference import randomise_batch_norm, relative_error
from .networks import clip_of, empty_state, parameters, shapes_of, step_through_all
from .weights import foreign

# A narrow network with every kind of block: with and without frames, halved or not, widened or not.
STAGES = (Stage(8, (16,), (K15,)), Stage(16, (24,), (K33,)), Stage(16, (32,), (K53,), stride=1))
TINY = Size("tiny", 24, 24, 8, STAGES, head_channels=16, gflops=0, top1=(0, 0))

pytestmark = pytest.mark.usefixtures("no_grad")


def tiny(build=build_stream):
    torch.manual_seed(0)
    return randomise_batch_norm(build(TINY, classes=7)).eval()


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("movinet-a0", 3_111_799),  # the paper: 3.1 M
        ("movinet-a1", 4_690_296),  # 4.6 M
        ("movinet-a2", 5_249_562),  # 4.8 M
        ("movinet-a0-stream", 3_748_031),  # attention takes twice the channels, kernels are in two parts
        ("movinet-a1-stream", 6_447_352),
        ("movinet-a2-stream", 7_326_962),
    ],
)
def test_parameters_are_those_of_the_port(name, number):
    learnt = [
        shape for key, shape in foreign.movinet_pytorch(name).items() if not key.endswith(("_tracked", "_mean", "_var"))
    ]
    assert parameters(shapes_of(name)) == sum(torch.Size(shape).numel() for shape in learnt) == number


@pytest.mark.parametrize(
    ("name", "macs_g"),
    [("movinet-a0", 2.778), pytest.param("movinet-a2-stream", 11.491, marks=pytest.mark.acceptance)],
)
def test_multiply_accumulates_of_a_film_of_50_frames(name, macs_g):
    """The authors' page prints 2.7, 6.0 and 10 GFLOPs, the paper 2.71 for A0: multiply-accumulates, not twice as many.

    Of A2 the paper prints 10.3; the layers of the authors' code come to 11.5.
    """
    spec = find_model(name)
    frames = 50 if spec.form == "frame" else 1
    assert frames * count_as_paper(shapes_of(name), spec) / 1e9 == pytest.approx(macs_g, abs=5e-4)
    printed = next(size.gflops for size in SIZES if size.name == name.split("-")[1])
    assert f"{printed:g} GFLOPs for a film of 50 frames" in spec.notes()[0]
    assert macs_g == pytest.approx(printed, rel=0.15)


def test_multiply_accumulates_of_a_frame():
    """Of a film of 50 frames 2.71 G; convolutions and products alone are less."""
    spec = find_model("movinet-a0-stream")
    counted = count(shapes_of(spec.name), spec)
    assert counted.flops_torch == 2 * 49_748_440
    assert counted.macs == counted.macs_once == 54_213_656


def test_reach_in_time():
    net = shapes_of("movinet-a0-stream")
    before = sum(block.frames - 1 for block in foreign.movinet_blocks("a0"))
    assert (net.receptive_field, net.padding, net.delay, net.unbounded) == (None, before, 0, False)
    assert shapes_of("movinet-a0").receptive_field == 50


def test_its_accuracy_is_on_no_account_of_kinetics_400():
    for size in SIZES:
        for name in (f"movinet-{size.name}", f"movinet-{size.name}-stream"):
            assert find_model(name).published is None
            assert "% top-1 on Kinetics-600" in find_model(name).notes()[0]


def test_every_answer_of_1000_steps_is_that_of_the_clip_so_far():
    net = tiny()
    clip = clip_of(1000, pixels=24)
    stepped, _ = step_through_all(net, clip, empty_state(net, clip))
    together, _ = net.steps(clip)
    largest = together.abs().amax(1)
    assert ((stepped - together).abs().amax(1) / largest).max() <= 1e-5
    for frames in (1, 40, 1000):
        assert relative_error(net(clip[:, :, :frames]), stepped[..., frames - 1]) <= 1e-5


def test_an_answer_follows_ever_less_until_a_new_state_begins():
    """What an hour of one stream means: the same change of scene moves the answer less, the later it comes."""
    net = tiny()
    old, new = clip_of(2, pixels=24).unbind(2)
    moved = []
    for frames in (10, 100, 1000):
        before, state = net.steps(old.unsqueeze(2).expand(-1, -1, frames, -1, -1))
        after, _ = net.steps(new.unsqueeze(2).expand(-1, -1, 10, -1, -1), state)
        moved.append(float((after[..., -1] - before[..., -1]).norm()))
    assert moved[0] > moved[1] > moved[2] > 0
    fresh, _ = net.step(new, empty_state(net, new.unsqueeze(2)))
    assert relative_error(fresh, net(new.unsqueeze(2))) <= 1e-5
    spec = find_model("movinet-a0-stream")
    assert reaction_frames(spec, net) is None  # it has no end
    assert "begin a new state" in spec.notes()[1]


def theirs(weights, clip, size, stream):
    """The scores of Atze00/MoViNet-pytorch (movinets/models.py, `tf_like`) for a clip, by its own names."""

    def pad(x, kernel, stride):
        rims = []
        for length in (x.shape[-1], x.shape[-2]):
            rim = max(kernel - (stride if length % stride == 0 else length % stride), 0)
            rims += [rim // 2, rim - rim // 2]
        return F.pad(x, rims)

    def conv(x, name, act, kernel=1, stride=1, frames=1, groups=1):
        key = f"{name}.conv{'2d' if stream else '3d'}"
        weight, bias = weights[f"{key}.weight"], weights.get(f"{key}.bias")
        if stream:
            weight = weight.unsqueeze(2) if frames == 1 else weight.unsqueeze(4)
        x = pad(x, kernel, stride)
        side = 0 if stream else frames // 2
        if stream and frames > 1:  # what its stream buffer holds at first
            x = F.pad(x, (0, 0, 0, 0, frames - 1, 0))
        x = F.conv3d(x, weight, bias, (1, stride, stride), (side, 0, 0), groups=groups)
        if f"{name}.norm.weight" in weights:
            entries = (weights[f"{name}.norm.{entry}"] for entry in ("running_mean", "running_var", "weight", "bias"))
            x = F.batch_norm(x, *entries, eps=1e-3)
        return act(x)

    def as_it_is(x):
        return x

    def so_far(x):
        return x.cumsum(2) / torch.arange(1, x.shape[2] + 1).view(-1, 1, 1)

    def average(x):
        ones = pad(torch.ones_like(x), 3, 2)
        return F.avg_pool3d(pad(x, 3, 2), (1, 3, 3), (1, 2, 2)) / F.avg_pool3d(ones, (1, 3, 3), (1, 2, 2))

    act = F.hardswish if stream else F.silu
    x = conv(clip, "conv1.conv_1", act, 3, 2)
    for block in foreign.movinet_blocks(size):
        name, groups = block.name, block.inner
        y = conv(x, f"{name}.expand.conv_1", act)
        if stream:
            y = conv(y, f"{name}.deep.conv_1", act, block.pixels, block.stride, 1, groups)
            y = conv(y, f"{name}.deep.conv_2", act, 1, 1, block.frames, groups) if block.frames > 1 else y
            space = y.mean((3, 4), keepdim=True)
            squeezed = torch.cat((so_far(space), space), 1)
        else:
            y = conv(y, f"{name}.deep.conv_1", act, block.pixels, block.stride, block.frames, groups)
            squeezed = y.mean((2, 3, 4), keepdim=True)
        gate = conv(conv(squeezed, f"{name}.se.fc1.conv_1", act), f"{name}.se.fc2.conv_1", as_it_is)
        y = y * ((0.2 * gate + 0.5).clamp(0, 1) if stream else gate.sigmoid())
        y = conv(y, f"{name}.project.conv_1", as_it_is)
        if block.stride > 1 or block.channels_in != block.channels:
            halved = average(x) if block.stride > 1 else x
            x = conv(halved, f"{name}.res.{int(block.stride > 1)}.conv_1", as_it_is)
        x = x + weights[f"{name}.alpha"] * y
    x = conv(x, "conv7.conv_1", act)
    x = so_far(x.mean((3, 4), keepdim=True))[:, :, -1:] if stream else x.mean((2, 3, 4), keepdim=True)
    return conv(conv(x, "classifier.0.conv_1", F.silu), "classifier.3.conv_1", as_it_is).flatten(1)


@pytest.mark.parametrize(("name", "pixels"), [("movinet-a0", 43), ("movinet-a0-stream", 43), ("movinet-a0-stream", 40)])
def test_a_checkpoint_of_theirs_gives_their_answers(tmp_path, name, pixels):
    """With the names and shapes of the port and 5 classes in place of 600, at sizes that are halved with and without a
    remainder."""
    generator = torch.Generator().manual_seed(3)
    weights = {}
    for key, shape in foreign.movinet_pytorch(name, classes=5).items():
        if key.endswith("num_batches_tracked"):
            weights[key] = torch.tensor(0)
        elif "running_var" in key or "norm.weight" in key or key.endswith("alpha"):
            weights[key] = 0.5 + torch.rand(shape, generator=generator)
        else:
            fan_in = max(1, torch.Size(shape[1:]).numel()) if len(shape) > 1 else 100
            weights[key] = torch.randn(shape, generator=generator) / fan_in**0.5
    torch.save(weights, tmp_path / "model_statedict_v3")
    spec = find_model(name)
    net = spec.build()
    report = load_weights(net, spec, tmp_path / "model_statedict_v3")
    assert (report.naming, report.classes, report.left_out) == ("MoViNet-pytorch", 5, ())
    assert report.tensors == len(weights)
    clip = clip_of(7, batch=2, pixels=pixels)
    expected = theirs(weights, clip, name.split("-")[1], name.endswith("stream"))
    assert expected.std() > 0.1
    assert relative_error(net.eval()(clip), expected) <= 1e-4


@pytest.mark.parametrize(
    ("engine", "build"),
    [
        *(("fused", build_base), ("fused", build_stream), ("openvino", build_stream)),
        pytest.param("onnxruntime", build_stream, marks=pytest.mark.acceptance),
    ],
)
def test_engines_answer_as_the_network_does(engine, build):
    backend = get_backend(engine)
    if (missing := backend.missing()) is not None:
        pytest.skip(missing)
    net = tiny(build)
    x = clip_of(6, pixels=24) if build is build_base else clip_of(1, pixels=24)[:, :, 0]
    with torch.inference_mode():
        found = compare(backend.prepare(net, x, Ask()), net, x, 1e-4, budget_s=0.2)
    assert found.passed, found
