"""Every continual layer against `continual-inference`, its verbs against each other, tuned against as written."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from co3d_bench.models import continual as co

from ..reference import continual_inference, randomise_batch_norm, relative_error

FRAMES = 11


def conv(channels_in, channels_out, kernel, stride=1, padding=0, dilation=1, groups=1, bias=True):
    return co.Conv3d(
        channels_in,
        channels_out,
        kernel,
        stride=(1, stride, stride),
        padding=padding,
        dilation=(1, dilation, dilation),
        groups=groups,
        bias=bias,
        pad_time=False,
    )


CONVOLUTIONS = {
    "pointwise": conv(6, 10, 1),
    "pointwise, strided": conv(6, 10, 1, stride=2),
    "temporal 3": conv(6, 6, (3, 1, 1), padding=(1, 0, 0)),
    "temporal 5 depthwise": conv(8, 8, (5, 1, 1), padding=(2, 0, 0), groups=8),
    "full 3": conv(4, 6, 3, padding=1),
    "full 5, unpadded": conv(4, 6, 5),
    "strided in space, keeps outputs": conv(4, 6, 3, stride=2, padding=1),
    "narrow input, keeps inputs": conv(1, 8, (5, 7, 7), stride=2, padding=(2, 3, 3)),
    "dilated in space": conv(4, 4, 3, padding=(1, 2, 2), dilation=2),
    "grouped": conv(8, 12, 3, padding=1, groups=4),
    "depthwise": conv(8, 8, 3, padding=1, groups=8, bias=False),
    "depthwise, strided": conv(8, 8, 3, stride=2, padding=1, groups=8),
    "depthwise, kernel 5": conv(8, 8, 5, padding=2, groups=8),
    "depthwise, large map": conv(8, 8, 3, padding=1, groups=8),
}
POOLS = {
    "average": co.Pool3d("avg", (3, 2, 2)),
    "average over time": co.Pool3d("avg", (7, 1, 1)),
    "maximum": co.Pool3d("max", (3, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
    "maximum in space": co.Pool3d("max", (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
}


def block(channels_in, channels_out, stride, squeeze=True):
    norm_b = [co.BatchNorm3d(12)]
    if squeeze:
        norm_b.append(co.SqueezeExcitation(12, 8, co.SpatialMean()))
    branch = co.Sequential(
        conv(channels_in, 12, 1, bias=False),
        co.BatchNorm3d(12),
        nn.ReLU(),
        conv(12, 12, 3, stride=stride, padding=1, groups=12, bias=False),
        co.Sequential(*norm_b),
        co.Swish(),
        conv(12, channels_out, 1, bias=False),
        co.BatchNorm3d(channels_out),
    )
    projects = channels_in != channels_out or stride != 1
    return co.Residual(
        branch,
        nn.ReLU(),
        branch1_conv=conv(channels_in, channels_out, 1, stride=stride, bias=False) if projects else None,
        branch1_norm=co.BatchNorm3d(channels_out) if projects else None,
    )


BLOCKS = {
    "residual": block(6, 6, 1),
    "residual without attention": block(6, 6, 1, squeeze=False),
    "residual that projects": block(6, 8, 2),
    "two residuals": co.Sequential(block(6, 8, 2), block(8, 8, 1)),
    "residual around a longer reach": co.Residual(
        co.Sequential(conv(6, 6, (5, 3, 3), padding=(2, 1, 1)), conv(6, 6, 3, padding=1)), nn.ReLU()
    ),
}
# What `continual-inference` has no layer for.
OURS_ALONE = {
    "recurrent": co.RecurrentUnit(5),
    "shift": co.Shift(share=4, pad_time=False),
    "residual around a shift": co.Residual(
        co.Sequential(co.Shift(share=2, pad_time=False), conv(6, 6, 1)), nn.Identity()
    ),
    "mean of all frames so far": co.CumulativeMean(),
    "mean of all frames so far beside the frame": co.CumulativeMean(beside=True),
    "causal": co.CausalConv3d(6, 6, (5, 1, 1), groups=6, bias=False),
    "causal, keeps sums": co.CausalConv3d(6, 4, (3, 3, 3), padding=(1, 1)),
    "causal residual whose shortcut is averaged": co.Residual(
        co.Sequential(
            co.SamePadding(),
            conv(6, 8, (1, 5, 5), stride=2, padding=(0, 1, 1)),
            nn.Hardswish(),
            co.CausalConv3d(8, 8, (3, 1, 1), groups=8),
            co.SqueezeExcitation(
                *(8, 8, co.Sequential(co.SpatialMean(), co.CumulativeMean(beside=True))),
                pooled=16,
                activation=nn.Hardswish(),
                gate=co.HardSigmoid(),
            ),
            co.Scale(),
        ),
        nn.Identity(),
        co.Sequential(co.SameMean(), conv(6, 8, 1)),
    ),
}
LAYERS = CONVOLUTIONS | POOLS | BLOCKS | OURS_ALONE
TUNED = {f"{name}, tuned": co.tune(deepcopy(layer)) for name, layer in LAYERS.items()}
EITHER = LAYERS | TUNED
STATEFUL = [name for name, layer in EITHER.items() if layer.state_count]
BIG = {"depthwise, large map, tuned": 120}  # beyond the size from which frames are convolved one by one


def channels_of(layer):
    return next((module.in_channels for module in layer.modules() if isinstance(module, nn.Conv3d)), 5)


def example(layer, name="", frames=FRAMES, batch=2, seed=1):
    randomise_batch_norm(layer.eval())
    size = BIG.get(name, 12)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels_of(layer), frames, size, size, generator=generator)


def step_through(layer, clip, state):
    """The outputs of every frame as a clip, and the state after the last one."""
    outputs = []
    for frame in clip.unbind(2):
        y, state = layer.step(frame, state)
        outputs.append(y)
    return torch.stack(outputs, 2), state


def start(layer, clip, fill="zeros"):
    return layer.initial_state(clip[:, :, 0], fill)


pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("name", EITHER)
def test_steps_equal_the_clip_form_without_temporal_padding(name):
    layer = EITHER[name]
    clip = example(layer, name)
    stepped, _ = step_through(layer, clip, start(layer, clip))
    whole = layer(clip)  # of a causal layer as many outputs as steps, of others those of full reach
    assert whole.shape[2] == FRAMES - (0 if "causal" in name else co.temporal_of(layer).receptive_field - 1)
    assert relative_error(stepped[:, :, FRAMES - whole.shape[2] :], whole) <= 1e-5


@pytest.mark.parametrize("name", LAYERS)
def test_tuned_it_gives_the_same_answers(name):
    layer, tuned = LAYERS[name], TUNED[f"{name}, tuned"]
    clip = example(layer, name)
    randomise_batch_norm(tuned.eval())
    state = start(layer, clip)
    for x in (clip, clip.contiguous(memory_format=torch.channels_last_3d)[:1]):
        before = x.clone()
        assert relative_error(tuned(x), layer(x)) <= 1e-5
        assert torch.equal(x, before)
    y, after = layer.steps(clip, state)
    quick, quick_after = tuned.steps(clip, state)
    for mine, theirs in zip((quick, *quick_after), (y, *after), strict=True):
        assert relative_error(mine, theirs) <= 1e-5


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in OURS_ALONE])
def test_steps_equal_continual_inference(name):
    layer = LAYERS[name]
    clip = example(layer, name)
    reference = continual_inference(layer).eval()
    stepped, _ = step_through(layer, clip, start(layer, clip))
    reach = co.temporal_of(layer).receptive_field
    theirs = [reference.forward_step(frame) for frame in clip.unbind(2)]
    for index in range(reach - 1, FRAMES):
        assert relative_error(stepped[:, :, index], theirs[index]) <= 1e-5


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_clip_form_with_temporal_padding_equals_torch(name):
    layer = CONVOLUTIONS[name]
    clip = example(layer, name)
    regular = nn.Conv3d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
        bias=layer.bias is not None,
    )
    regular.load_state_dict(layer.state_dict())
    layer.pad_time = True
    try:
        assert relative_error(layer(clip), regular(clip)) <= 1e-5
    finally:
        layer.pad_time = False


@pytest.mark.parametrize("name", STATEFUL)
@pytest.mark.parametrize("fill", ["zeros", "replicate"])
def test_a_chunk_equals_its_steps_and_leaves_the_same_state(name, fill):
    layer = EITHER[name]
    clip = example(layer, name)
    before = start(layer, clip, fill)
    stepped, state = step_through(layer, clip, before)
    chunked, chunk_state = layer.steps(clip, before)
    assert relative_error(chunked, stepped) <= 1e-5
    assert len(chunk_state) == len(state) == layer.state_count
    for mine, theirs in zip(chunk_state, state, strict=True):
        assert mine.shape == theirs.shape
        assert relative_error(mine, theirs) <= 1e-5


@pytest.mark.parametrize("name", STATEFUL)
def test_replicate_starts_as_if_the_first_frame_had_been_shown_for_ever(name):
    layer = EITHER[name]
    clip = example(layer, name)
    still = clip[:, :, :1].expand(-1, -1, FRAMES + 8, -1, -1)
    replicated = start(layer, still, "replicate")
    endless = co.temporal_of(layer).endless  # it never forgets the frames of a beginning from zeros, nor their number
    settled, state = step_through(layer, still, replicated if endless else start(layer, still))
    if not endless:
        for mine, theirs in zip(replicated, state, strict=True):
            assert relative_error(mine, theirs) <= 1e-5
    y, _ = layer.step(still[:, :, 0], replicated)
    assert relative_error(y, settled[:, :, -1]) <= 1e-5


@pytest.mark.parametrize("name", STATEFUL)
def test_a_step_changes_neither_its_frame_nor_its_state(name):
    layer = EITHER[name]
    clip = example(layer, name)
    _, state = step_through(layer, clip[:, :, :4], start(layer, clip))
    frame = clip[:, :, 4].contiguous(memory_format=torch.channels_last)
    held = [tensor.clone() for tensor in (frame, *state)]
    first, _ = layer.step(frame, state)
    second, _ = layer.step(frame, state)
    assert torch.equal(first, second)
    for tensor, copy in zip((frame, *state), held, strict=True):
        assert torch.equal(tensor, copy)


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.integers(1, 5),
    dilation=st.integers(1, 3),
    padding_share=st.floats(0, 1),
    wide=st.booleans(),
    frames=st.integers(1, 6),
)
def test_dilation_in_time_any_padding_and_any_chunk_length(kernel, dilation, padding_share, wide, frames):
    span = dilation * (kernel - 1)
    channels = (2, 4) if wide else (4, 2)  # the first keeps inputs, the second sums of outputs
    layer = co.Conv3d(
        *channels,
        (kernel, 3, 3),
        padding=(int(padding_share * span), 1, 1),
        dilation=(dilation, 1, 1),
        pad_time=False,
    )
    clip = torch.randn(1, channels[0], span + 4, 5, 5)
    stepped, _ = step_through(layer, clip, start(layer, clip))
    assert relative_error(stepped[:, :, span:], layer(clip)) <= 1e-5
    regular = nn.functional.conv3d(clip, layer.weight, layer.bias, padding=(0, 1, 1), dilation=layer.dilation)
    assert relative_error(layer(clip), regular) <= 1e-5
    if span:
        state = start(layer, clip)
        first, state = layer.steps(clip[:, :, :frames], state)
        second, _ = layer.steps(clip[:, :, frames:], state) if frames < clip.shape[2] else (clip[:, :, :0], ())
        parts = torch.cat((first, second), 2) if second.shape[2] else first
        assert relative_error(parts, stepped) <= 1e-5


def test_the_smaller_of_the_two_possible_states_is_kept():
    for name, layer in CONVOLUTIONS.items():
        if "unpadded" in name:
            continue  # the choice looks at channels and stride, not at the rim that such a kernel loses
        clip = example(layer, name)
        state = start(layer, clip)
        frame, y = clip[:, :, 0], layer(clip)[:, :, 0]
        smallest = min(frame[0].numel(), y[0].numel()) * layer.span
        assert sum(tensor[0].numel() for tensor in state) == smallest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": (3, 0, 0)}, "larger than the kernel's reach"),
        ({"padding_mode": "replicate"}, "only zeros has"),
        ({"padding": "same"}, "give the padding as numbers"),
    ],
)
def test_a_convolution_without_a_frame_form_is_refused_with_the_reason(options, message):
    with pytest.raises(ValueError, match=message):
        co.Conv3d(4, 4, 3, **options)


def test_the_recurrence_is_what_its_authors_print():
    layer = LAYERS["recurrent"]
    clip = example(layer, "recurrent")
    weight = layer.hidden.weight[:, :, 0, 0, 0]
    h = torch.zeros_like(clip[:, :, 0])
    for frame, y in zip(clip.unbind(2), layer(clip).unbind(2), strict=True):
        h = (torch.einsum("oi,bihw->bohw", weight, h) + frame) / 2
        assert relative_error(y, h) <= 1e-5


def test_the_recurrence_forgets_by_half_with_each_frame_and_lets_through_what_stays():
    layer = co.RecurrentUnit(6)
    co.initialise(layer)
    assert torch.linalg.matrix_norm(layer.hidden.weight.flatten(1), 2) == pytest.approx(1, abs=1e-5)
    impulse = torch.zeros(1, 6, 8, 1, 1)
    impulse[:, :, 0] = torch.randn(1, 6, 1, 1)
    answers = layer(impulse).norm(dim=1).flatten()
    assert relative_error(answers, impulse[:, :, 0].norm() / 2 ** torch.arange(1, 9)) <= 1e-5
    layer.hidden.weight.copy_(torch.eye(6).view_as(layer.hidden.weight))  # as its authors begin
    (at_rest,) = layer.initial_state(impulse[:, :, 0], "replicate")
    assert relative_error(at_rest, impulse[:, :, 0]) <= 1e-5


def test_a_mean_of_all_frames_counts_each_alike_and_begins_anew_with_its_state():
    layer, clip = co.CumulativeMean(), torch.randn(2, 3, 1000, 1, 1)
    expected = clip.double().cumsum(2) / torch.arange(1, 1001).view(-1, 1, 1)
    stepped, (mean, count) = step_through(layer, clip, start(layer, clip))
    assert relative_error(stepped.double(), expected) <= 1e-6
    assert torch.equal(count.flatten(), torch.full((2,), 1000.0))
    assert torch.equal(mean, stepped[:, :, -1])
    first, _ = layer.step(clip[:, :, 7], start(layer, clip))
    assert torch.equal(first, clip[:, :, 7])


def test_streams_of_one_batch_may_have_begun_at_different_frames():
    layer, clip = co.CumulativeMean(), torch.randn(2, 3, 4, 1, 1)
    _, (mean, count) = step_through(layer, clip, start(layer, clip))
    begun = torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)  # the second starts anew
    y, _ = layer.step(clip[:, :, 0], (mean * begun, count * begun))
    assert torch.equal(y[1], clip[1, :, 0])
    assert relative_error(y[0], (clip[0].sum(1) + clip[0, :, 0]) / 5) <= 1e-6


@pytest.mark.parametrize(("dtype", "most"), [(torch.float16, 2048), (torch.bfloat16, 256)])
def test_in_half_precision_a_long_mean_forgets_instead_of_standing_still(dtype, most):
    layer = co.CumulativeMean()
    ones = torch.ones(1, 1, 1, 1, dtype=dtype)
    state = layer.initial_state(ones, "zeros")
    for _ in range(3000):
        y, state = layer.step(-ones, state)
    assert state[1].item() == most
    for _ in range(6000):
        y, state = layer.step(ones, state)
    assert y.item() > 0.4


@pytest.mark.parametrize("size", [6, 7, 11, 12])
@pytest.mark.parametrize("kernel", [3, 5])
def test_padding_and_mean_of_tensorflow(size, kernel):
    """`same`: ceil(size / 2) outputs, the rim in halves, the larger one behind; a mean over what is there."""
    x = torch.randn(2, 3, size, size)
    whole = max((-(-size // 2) - 1) * 2 + kernel - size, 0)
    before, after = whole // 2, whole - whole // 2
    weight = torch.randn(3, 1, kernel, kernel)
    expected = nn.functional.conv2d(nn.functional.pad(x, (before, after, before, after)), weight, stride=2, groups=3)
    layer = conv(3, 3, (1, kernel, kernel), stride=2, padding=(0, (kernel - 3) // 2, (kernel - 3) // 2), groups=3)
    layer.weight.copy_(weight.unsqueeze(2))
    layer.bias.zero_()
    padded = co.SamePadding()(x)
    assert relative_error(layer.step(padded, ())[0], expected) <= 1e-5
    assert torch.equal(co.SamePadding()(x.unsqueeze(2)).squeeze(2), padded)
    if kernel == 3:
        ones = nn.functional.pad(torch.ones_like(x), (before, after, before, after))
        rim = nn.functional.pad(x, (before, after, before, after))
        mean = nn.functional.avg_pool2d(rim, 3, 2) / nn.functional.avg_pool2d(ones, 3, 2)
        assert relative_error(co.SameMean()(x), mean) <= 1e-6
        assert torch.equal(co.SameMean()(x.unsqueeze(2)).squeeze(2), co.SameMean()(x))


def test_the_hard_sigmoid_is_tensorflows():
    x = torch.linspace(-4, 4, 81)
    assert relative_error(co.HardSigmoid()(x), (0.2 * x + 0.5).clamp(0, 1)) <= 1e-6


@pytest.mark.parametrize("pad_time", [True, False])
def test_the_shift_of_a_clip(pad_time):
    clip = torch.randn(2, 9, 4, 3, 3)
    y = co.Shift(share=4, pad_time=pad_time)(clip)
    assert y.shape[2] == (4 if pad_time else 3)
    assert torch.equal(y[:, :2, -3:], clip[:, :2, :3])
    assert torch.equal(y[:, 2:], clip[:, 2:, 0 if pad_time else 1 :])
    if pad_time:
        assert not y[:, :2, 0].any()


def test_what_skips_frames_has_no_steps():
    clip = torch.zeros(1, 4, 6, 8, 8)
    for layer in (co.Pool3d("avg", (2, 2, 2), stride=(2, 2, 2)), co.Conv3d(4, 4, 3, stride=2), co.Subsample(2)):
        assert layer(clip).shape[2] in (2, 3)
        with pytest.raises(ValueError, match="`step` takes a frame and the state"):
            layer(clip[:, :, 0])
        for verb, x in ("step", clip[:, :, 0]), ("steps", clip):
            if hasattr(layer, verb):
                with pytest.raises(ValueError, match="frame form"):
                    getattr(layer, verb)(x, ())


def test_a_clip_too_short_is_reported():
    layer = CONVOLUTIONS["full 5, unpadded"]
    with pytest.raises(ValueError, match="too short for a kernel that reaches 5"):
        layer(torch.zeros(1, 4, 3, 8, 8))
    with pytest.raises(ValueError, match="too few to pool"):
        POOLS["average over time"](torch.zeros(1, 5, 3, 8, 8))


def test_layers_can_be_trained_by_clips_and_by_steps():
    layer = block(6, 8, 2)
    randomise_batch_norm(layer).train()
    with torch.enable_grad():
        clip = torch.randn(2, 6, 6, 8, 8)
        layer(clip).square().mean().backward()
        by_clip = [parameter.grad.clone() for parameter in layer.parameters()]
        layer.zero_grad()
        layer.eval()
        state = layer.initial_state(clip[:, :, 0], "zeros")
        loss = 0.0
        for frame in clip.unbind(2):
            y, state = layer.step(frame, state)
            loss = loss + y.square().mean()
        loss.backward()
    assert all(grad.isfinite().all() and grad.abs().sum() > 0 for grad in by_clip)
    assert all(parameter.grad.abs().sum() > 0 for parameter in layer.parameters())
