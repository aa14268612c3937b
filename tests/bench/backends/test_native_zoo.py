"""Our own kernels against PyTorch over the zoo, and over what `convert` accepts: on small frames here, at full size by
`make acceptance`."""

from __future__ import annotations

import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from co3d_bench.bench.backends import Ask, get_backend
from co3d_bench.bench.backends.native.calls import PLAIN
from co3d_bench.bench.backends.native.lower import lower
from co3d_bench.bench.backends.native.work import PLAIN_WORDS
from co3d_bench.bench.measure.verify import compare
from co3d_bench.models import continual as co
from co3d_bench.models.suites import SUITES
from co3d_bench.models.zoo import find_model, our_models

BACKEND = get_backend("native")
pytestmark = pytest.mark.skipif(BACKEND.missing() is not None, reason=str(BACKEND.missing()))
CLOSE = 1e-5
PIXELS = 32
MOSTLY_FAST = {*SUITES["paper"].models(), "movinet-a0-stream"}
# One of each graph; the others differ from them in lengths. Long to prepare, and so not here: CoSlowFast, CoR(2+1)D.
ONE_OF_A_KIND = {"x3d-xs", "cox3d-s-13", "i3d-r50", "coi3d-r50-8", "slowfast-4x16-r50", "coc2d-r50-8"}
ONE_OF_A_KIND |= {"r2plus1d-18-8", "rcu-8", "tsm-mobilenetv2-8", "movinet-a0", "movinet-a0-stream", "mobilenetv3-large"}


def built(name, pixels=None):
    """The network, for frames of so many pixels, and one input. Its numbers are cheap ones: drawing as many as a
    network asks for takes longer than running it."""
    with torch.device("meta"):
        net = find_model(name).build().eval()
    net = net.to_empty(device="cpu")
    noise = torch.randn(1 << 16, generator=torch.Generator().manual_seed(0))
    for tensor in (*net.parameters(), *net.buffers()):
        if tensor.is_floating_point():
            fan_in = tensor[0].numel() if tensor.dim() > 1 else 1
            drawn = noise.repeat(-(-tensor.numel() // len(noise)))[: tensor.numel()].view(tensor.shape)
            tensor.data.copy_(drawn * fan_in**-0.5 if tensor.dim() > 1 else 1 + 0.1 * drawn)
    if pixels:
        net.input_shape = (*net.input_shape[:-2], pixels, pixels)
    return net, torch.randn(1, *net.input_shape)


def named(name):
    return pytest.param(name, marks=[] if name in ONE_OF_A_KIND else pytest.mark.acceptance)


@pytest.mark.parametrize("name", [named(spec.name) for spec in our_models()])
def test_every_network_of_the_zoo_on_small_frames(name):
    net, x = built(name, PIXELS)
    with torch.inference_mode():
        found = compare(BACKEND.prepare(net, x, Ask(threads=1)), net, x, CLOSE, budget_s=0)
    assert found.passed, found


@pytest.mark.acceptance
@pytest.mark.parametrize("name", [spec.name for spec in our_models()])
def test_every_network_of_the_zoo_at_full_size_and_mostly_by_fast_kernels(name, record_property):
    """What was measured is in the file of `--junitxml`."""
    torch.manual_seed(0)
    net = find_model(name).build().eval()
    x = torch.randn(1, *net.input_shape)
    with torch.inference_mode():
        runnable = BACKEND.prepare(net, x, Ask(threads=2))
        found = compare(runnable, net, x, CLOSE, budget_s=5)
        (calls,) = runnable.traced_steps([x], time.perf_counter).steps
    plain = sum(call.time_ns for call in calls if call.kind in PLAIN_WORDS) / sum(call.time_ns for call in calls)
    record_property("relative_error", found.relative_error)
    record_property("plain_share", plain)
    assert found.passed, found
    assert name not in MOSTLY_FAST or plain <= 0.1


class Line(nn.Module):
    """A layer, and a line of code behind it."""

    def __init__(self, line, layers=None):
        super().__init__()
        self.line = line
        self.layers = nn.ModuleDict(layers or {})
        self.register_buffer("order", torch.tensor([1, 0, 3, 2, 5, 4]))
        self.register_buffer("w", torch.linspace(0.5, 2, 6).view(6, 1, 1))
        self.register_buffer("kernel", torch.linspace(-1, 2, 648).cos().view(6, 12, 3, 3))

    def forward(self, x):
        return self.line(self, x)


def attention(net, x):
    b, c, h, w = x.shape
    q, k, v = x.flatten(2).transpose(1, 2).reshape(b, h * w, 3, 2, c // 6).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, -1)


def stacked(net, x):
    both = torch.stack([x, x.flip(1), x * 2], 1)
    return (both * F.softmax(both.mean((3, 4)), 1)[..., None, None]).sum(1)


def rows_and_columns(net, x):
    """One number a channel, in other dimensions than the channels'."""
    means = x.mean((2, 3))
    row, column = means.view(-1, 1, 6), means.view(-1, 6, 1)
    near = F.conv1d(row, net.w.view(2, 1, 3), padding=1)
    return row + column, row * column, row.mean(2), near, row.unsqueeze(1) * x[..., :6].relu(), row.relu() + row


def by_its_first_pixel(net, x):
    weight = net.w.view(6, 1, 1, 1)
    y = F.conv2d(x[:1], weight, groups=6)
    return F.conv2d(y * y[:, :, :1, :1], weight, groups=6)


def two_views(net, x):
    y = net.layers["linear"](x[:1, :, :1].permute(0, 2, 3, 1))
    return y.permute(0, 3, 1, 2) + x[:1, :1, :1].expand(-1, 9, -1, -1), y.exp()


def joined(net, x):
    """More maps than a call takes."""
    return torch.cat([torch.relu(x - 0.1 * at) for at in range(11)], 1)


LINES = {
    "moved": lambda s, x: (x[:, [1, 0, 2]] + x.index_select(1, s.order)[:, ::2], x.roll(1, 2), x.flip(3)),
    "shuffled": lambda s, x: x.view(len(x), 2, 3, *x.shape[2:]).transpose(1, 2).reshape(x.shape).relu(),
    "joined": joined,
    "with constants": lambda s, x: torch.cat([x, s.w.expand(len(x), 6, 1, x.shape[3])], 2),
    "padded": lambda s, x: (F.pad(x, (1, 2, 0, 1), value=0.5), F.pad(x, (1, 1, 2, 0), mode="reflect")),
    "computed": lambda s, x: (x.abs() + 1e-3).sqrt() * torch.exp(-x.abs()) / (x**2 + 1) - torch.tanh(x) + 2 - x,
    "compared": lambda s, x: torch.where(x > 0, x, 0.1 * x) + torch.maximum(x, -x).clamp(-0.5, 0.7),
    "spread": lambda s, x: (x * s.w + x.mean(1, keepdim=True) - x.mean((2, 3), keepdim=True), x * x[:, :, :1]),
    "rows and columns": rows_and_columns,
    "a batch as channels": lambda s, x: x.repeat(3, 1, 1, 1).mean((2, 3)).permute(1, 0),
    "by its own first pixel": by_its_first_pixel,
    "constants alone": lambda s, x: F.pad(x.relu(), (1, 0), value=0.3)[..., :1].exp(),
    "two views of one map": two_views,
    "with factors": lambda s, x: torch.sub(x, 2, alpha=3) + torch.rsub(x, 2, alpha=3) + torch.add(s.w, x, alpha=3),
    "padded by its old name": lambda s, x: torch.constant_pad_nd(x, (1, -1), 0.5),
    "one of the batch": lambda s, x: F.avg_pool2d(x[0], 3),
    "activations": lambda s, x: F.gelu(x) + F.hardswish(x) + F.hardsigmoid(x) + F.relu6(4 * x) + F.leaky_relu(x),
    "more activations": lambda s, x: F.elu(x) + F.softplus(x) + F.mish(x) + F.hardtanh(x),
    "reduced": lambda s, x: (x.amax(1), x.sum((2, 3)), x.max(1)[0], x.mean(), x.norm(2, 1)),
    "variances": lambda s, x: (x.std((2, 3)), x.var(1), x.std(1, unbiased=False), x.var()),
    "an activation of what is none": lambda s, x: (x.mean((2, 3)).relu(), x.flatten(1).sigmoid()),
    "softmax": lambda s, x: (F.softmax(x, 1), F.log_softmax(x.flatten(2), -1)),
    "norms": lambda s, x: F.group_norm(x, 2) + F.layer_norm(x, x.shape[1:]) + F.instance_norm(x),
    "batch norm": lambda s, x: F.batch_norm(x, s.w.flatten() - 1, s.w.flatten(), s.w.flatten(), s.w.flatten()),
    "pools": lambda s, x: (
        F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
        F.max_pool2d(x, 3, 1, 1, dilation=2),
        F.adaptive_avg_pool2d(x, (3, 5)),
        F.adaptive_max_pool2d(x, 3),
    ),
    "resized": lambda s, x: (
        F.interpolate(x, scale_factor=2),
        F.interpolate(x, size=(5, 13), mode="bilinear", align_corners=False),
    ),
    "linear over channels": lambda s, x: s.layers["linear"](x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
    "products": lambda s, x: (x @ x.transpose(2, 3), x @ x[:, :1, 0, :, None], s.w.view(2, 3) @ x[:, :3, :, 0]),
    "attention": attention,
    "stacked": stacked,
    "groups": lambda s, x: s.layers["groups"](x) + s.layers["twice"](x),
    "transposed": lambda s, x: s.layers["transposed"](x),
    "the same padding": lambda s, x: s.layers["same"](x),
    "over one dimension": lambda s, x: s.layers["series"](x[:, :, 0]),
}
LAYERS = {
    "linear": lambda: nn.Linear(6, 9),
    "groups": lambda: nn.Conv2d(6, 12, 3, groups=3),
    "twice": lambda: nn.Conv2d(6, 12, 3, groups=6),
    "transposed": lambda: nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1),
    "same": lambda: nn.Conv2d(6, 4, 3, padding="same"),
    "series": lambda: nn.Conv1d(6, 4, 11, padding=2, dilation=1),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_of_plain_code(name):
    torch.manual_seed(0)
    net = Line(LINES[name], {key: make() for key, make in LAYERS.items()}).eval()
    x = torch.randn(2, 6, 9, 11)
    with torch.inference_mode():
        expected = net(x)
        found = BACKEND.prepare(net, x, Ask(threads=2)).step(x)
    if not isinstance(expected, tuple):
        expected, found = (expected,), (found,)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def around(x, *sides):
    return F.pad(x, sides)


FOLDED = {
    "zeros around a convolution in groups of one channel": lambda s, x: tuple(
        F.conv2d(around(x, before, behind, behind, before), s.kernel[:, :1], None, step, groups=6)
        for before, behind in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2))
        for step in (1, 2)
    ),
    "zeros around, and its own": lambda s, x: F.conv2d(around(x, 0, 1, 2, 1), s.kernel[:, :6], None, 2, 1).relu(),
    "zeros around what is computed": lambda s, x: F.conv2d(
        around(x.relu(), 0, 1, 0, 1), s.kernel[:, :6], s.w[:, 0, 0], 2
    ),
    "channels of several maps": lambda s, x: F.conv2d(torch.cat([x.relu(), x.sigmoid()], 1), s.kernel, s.w[:, 0, 0]),
    "factors behind it": lambda s, x: 1.5 * (F.conv2d(x, s.kernel[:, :6], s.w[:, 0, 0]) * s.w + 0.5),
}


@pytest.mark.parametrize("width", [8, 9, 18])
@pytest.mark.parametrize("name", FOLDED)
def test_what_lies_around_a_convolution_takes_no_call_of_its_own(name, width):
    torch.manual_seed(0)
    net, x = Line(FOLDED[name]).eval(), torch.randn(2, 6, 7, width)
    with torch.inference_mode():
        expected = net(x)
        found = BACKEND.prepare(net, x, Ask(threads=2)).step(x)
    calls = lower(net, x).calls
    assert not {call.name for call in calls if call.kind in PLAIN} | {call.name for call in calls} & {"mul.Tensor"}
    if not isinstance(expected, tuple):
        expected, found = (expected,), (found,)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def sums_of_sums(net, x):
    first = three(net, x, 0)
    second = three(net, x, 1) + first
    return first, second, three(net, x, 2) + second


def three(net, x, at, *sides):
    return F.conv2d(around(x, *sides), net.kernel[:, at : at + 1], None, 2, 1, groups=6)


def every_second_and_third_frame(net, x):
    """Two of the four frames each."""
    kernel, clip = net.kernel[:, :3, None, None], x.repeat(2, 1, 1, 1).unflatten(0, (1, 4)).transpose(1, 2).relu()
    return tuple(F.conv3d(clip, kernel[:, at], None, (2 + at % 2, 2, 2), (0, 1, 1), groups=6) for at in range(3))


# And how many of the three keep their sums in one call.
THREE = {
    "alike": (lambda s, x: tuple(three(s, x, at) for at in range(3)), 3),
    "with zeros of different width around": (lambda s, x: tuple(three(s, x, at, 0, at, 0, 0) for at in range(3)), 1),
    "with wide zeros around": (lambda s, x: tuple(three(s, x, at, 0, 2, 0, 2) for at in range(3)), 1),
    "each added to the next": (sums_of_sums, 1),
    "of every second and third frame": (every_second_and_third_frame, 1),
}


@pytest.mark.parametrize("width", [8, 9])
@pytest.mark.parametrize("name", THREE)
def test_three_convolutions_of_one_map_in_groups_of_one_channel(name, width):
    torch.manual_seed(0)
    line, together = THREE[name]
    net, x = Line(line).eval(), torch.randn(2, 6, 7, width)
    with torch.inference_mode():
        expected, found = net(x), BACKEND.prepare(net, x, Ask(threads=2)).step(x)
    assert max(len(call.outputs) for call in lower(net, x).calls) == together
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


class Clip(nn.Module):
    """Pools, cuts and convolutions in time, as whole clips have them."""

    def __init__(self):
        super().__init__()
        self.long = nn.Conv3d(6, 4, (11, 1, 1), padding=(5, 0, 0))
        self.wide = nn.Conv3d(6, 4, 3, padding=(0, 1, 0))

    def forward(self, x):
        frames = x.transpose(1, 2).flatten(0, 1)
        return (
            F.max_pool3d(x, (2, 3, 3), (2, 2, 2), (0, 1, 1)),
            F.avg_pool3d(x, (3, 1, 1), (1, 1, 1), (1, 0, 0)),
            F.max_pool3d(x, (12, 2, 2)),
            x[:, :, 1:] - x[:, :, :-1],
            x.mean((3, 4)).amax(2),
            self.long(x),
            self.wide(F.pad(x.relu(), (0, 1, 1, 0, 2, 0))),
            F.avg_pool2d(frames, 2).view(len(x), -1, 6, 3, 4).transpose(1, 2),
        )


def test_time_in_clips():
    torch.manual_seed(0)
    net, x = Clip().eval(), torch.randn(2, 6, 12, 7, 8)
    with torch.inference_mode():
        for ours, theirs in zip(BACKEND.prepare(net, x, Ask(threads=2)).step(x), net(x), strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_zeros_before_the_first_frame_of_the_input():
    net, x = (
        nn.Sequential(nn.ConstantPad3d((1, 0, 0, 1, 2, 0), 0.0), nn.Conv3d(3, 4, 3)).eval(),
        torch.randn(2, 3, 5, 6, 7),
    )
    with torch.inference_mode():
        assert torch.allclose(BACKEND.prepare(net, x, Ask(threads=2)).step(x), net(x), rtol=1e-4, atol=1e-5)


class Cumulative(nn.Module):
    """A mean over all frames, the number of them, the last two frames as one tensor, and half the channels of one."""

    receptive_field, padding, delay = None, 0, 0

    def initial_state(self, batch_size=1, fill="zeros", frame=None):
        sizes = ((3, 8, 8), (1, 1, 1), (3, 2, 8, 8), (2, 8, 8), (3,))
        return tuple(torch.zeros(batch_size, *size) for size in sizes)

    def step(self, frame, state):
        mean, count, past, shifted, row = state
        count = count + 1
        mean = mean + (frame - mean) / count
        clip = torch.cat([past, frame.unsqueeze(2)], 2)
        both = torch.cat([shifted, frame], 1)
        row = 0.5 * row + frame.mean((2, 3))
        scores = torch.cat([mean.mean((2, 3)), clip.amax((2, 3, 4)), both.std((2, 3)), row], 1)
        return scores, (mean, count, clip[:, :, 1:], frame[:, 1:] * 1, row)


def test_states_of_any_shape():
    net, frames = Cumulative(), torch.randn(6, 2, 3, 8, 8)
    with torch.inference_mode():
        runnable = BACKEND.prepare(net, frames[0], Ask(threads=2))
        for _ in range(2):
            runnable.reset()
            state = net.initial_state(2)
            for frame in frames:
                scores, state = net.step(frame, state)
                assert torch.allclose(runnable.step(frame), scores, rtol=1e-4, atol=1e-5)
            for ours, theirs in zip(runnable.state_tensors(), state, strict=True):
                assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_frames_one_by_one_of_a_converted_network():
    regular = nn.Sequential(
        nn.Conv3d(3, 6, 3, padding=1),
        nn.GELU(),
        nn.AvgPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1), count_include_pad=False),
        nn.MaxPool3d(3, 1, 1),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
        nn.Softmax(-1),
    ).eval()
    net = co.convert(regular, input_shape=(3, 6, 12, 12), prove=False)
    x = torch.randn(2, 3, 12, 12)
    with torch.inference_mode():
        assert compare(BACKEND.prepare(net, x, Ask(threads=2)), net, x, CLOSE, budget_s=5).passed
