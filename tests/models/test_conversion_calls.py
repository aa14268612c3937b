"""Little networks as people write them: each call that works on every frame alone is carried over, and proven so."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from co3d_bench.models import continual as co
from co3d_bench.models.continual.conversion import proof

C = 8
SHAPE = (3, 6, 8, 8)  # of a clip
FRAMES, PIXELS = SHAPE[1], SHAPE[2]


@pytest.fixture(autouse=True)
def _all_of_the_proof(monkeypatch):
    monkeypatch.setattr(proof, "LIMIT_S", 1e6)
    torch.manual_seed(0)


class Net(nn.Module):
    """A convolution over time, a line of code, and a head."""

    def __init__(self, line, layers, parameters):
        super().__init__()
        self.conv, self.fc = nn.Conv3d(3, C, 3, padding=1), nn.Linear(C, 5)
        self.line = line
        for name, layer in layers.items():
            self.add_module(name, layer())
        for name, shape in parameters.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape)))
        self.register_buffer("order", torch.tensor([1, 0, 3, 2, 5, 4, 7, 6]))

    def forward(self, x):
        return self.line(self, self.conv(x))


def head(net, x):
    return net.fc(x.mean((2, 3, 4)))


def frames(x):
    batch, channels, time, height, width = x.shape
    return x.transpose(1, 2).reshape(batch * time, channels, height, width)


def clip(x, batch):
    return x.view(batch, -1, *x.shape[1:]).transpose(1, 2)


def shuffle(x, groups):
    batch, channels, *rest = x.shape
    return x.view(batch, groups, channels // groups, *rest).transpose(1, 2).reshape(batch, channels, *rest)


def selective(net, x):
    """Selective kernels: branches stacked, and weighed by a softmax over the branches."""
    both = torch.stack([x, net.beside(x)], 1)
    weights = F.softmax(net.gate(both.sum(1).mean((2, 3, 4))).view(-1, 2, C), 1)
    return head(net, (both * weights[:, :, :, None, None, None]).sum(1))


def attended(net, x):
    """Non-local attention inside each frame."""
    f = frames(x).flatten(2)
    return head(net, clip((f @ torch.softmax(f.transpose(1, 2) @ f, -1)).view(-1, C, PIXELS, PIXELS), x.shape[0]))


def inside_out(net, x):
    """(2+1)D by nn.Conv1d over time."""
    b, c, t, h, w = x.shape
    y = net.series(x.permute(0, 3, 4, 1, 2).reshape(b * h * w, c, t))
    return head(net, y.reshape(b, h, w, c, t).permute(0, 3, 4, 1, 2))


def shifted(net, x):
    """Channels of the frame after and the frame before, as TSM has them."""
    later, earlier = F.pad(x[:, :2, 1:], (0, 0, 0, 0, 0, 1)), F.pad(x[:, 2:4, :-1], (0, 0, 0, 0, 1, 0))
    return head(net, torch.cat([later, earlier, x[:, 4:]], 1))


def balanced(net, x):
    w = F.relu(net.w) / (F.relu(net.w).sum() + 1e-4)
    return head(net, w[0] * x + w[1] * net.beside(x))


def squeezed(net, x):
    return head(net, x * torch.sigmoid(net.gate(x.mean((3, 4)).transpose(1, 2))).transpose(1, 2)[..., None, None])


def convnext(net, x):
    y = net.up(net.norm(net.beside(x).permute(0, 2, 3, 4, 1)))
    return head(net, x + net.w * net.down(F.gelu(y)).permute(0, 4, 1, 2, 3))


def halves(net, x):
    first, second = x.chunk(2, 2)
    return net.fc(first.mean((2, 3, 4)) - second.mean((2, 3, 4)))


def spatially_attended(net, x):
    maps = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0], torch.max(x, 1, keepdim=True).values], 1)
    return head(net, x * torch.sigmoid(net.beside(maps)))


def causal(net, x):
    return head(net, net.beside(F.pad(x, (0, 0, 0, 0, 2, 0))) + x)


BESIDE = {"beside": lambda: nn.Conv3d(C, C, 3, padding=1)}
TEMPORAL = {"beside": lambda: nn.Conv3d(C, C, (3, 1, 1))}
LINES = {
    "channels cut and joined": (lambda s, x: head(s, torch.cat([x[:, :4] * 2, x[:, 4:]], 1)), {}, {}),
    "chunks": (lambda s, x: head(s, torch.cat(list(x.chunk(2, dim=1))[::-1], 1)), {}, {}),
    "split": (lambda s, x: head(s, torch.cat([*x.split([2, 6], 1)][::-1], 1)), {}, {}),
    "shuffle": (lambda s, x: head(s, shuffle(x, 2) * s.w), {}, {"w": (C, 1, 1, 1)}),
    "padding in space": (lambda s, x: head(s, F.pad(x, (1, 1, 1, 1, 0, 0), mode="reflect").relu()), {}, {}),
    "padding of the past": (causal, TEMPORAL, {}),
    "a convolution cut at its end": (
        lambda s, x: head(s, s.beside(x)[:, :, :-2] + x),
        {"beside": lambda: nn.Conv3d(C, C, (3, 1, 1), padding=(2, 0, 0))},
        {},
    ),
    "LayerNorm over channels": (
        lambda s, x: head(s, s.norm(x.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)),
        {"norm": lambda: nn.LayerNorm(C)},
        {},
    ),
    "a ConvNeXt block": (
        convnext,
        {
            "beside": lambda: nn.Conv3d(C, C, 3, padding=1, groups=C),
            "norm": lambda: nn.LayerNorm(C),
            "up": lambda: nn.Linear(C, 16),
            "down": lambda: nn.Linear(16, C),
        },
        {"w": (C, 1, 1, 1)},
    ),
    "pictures": (
        lambda s, x: head(s, clip(F.relu(s.norm(s.picture(frames(x)))), x.shape[0])),
        {"picture": lambda: nn.Conv2d(C, C, 3, 2, 1), "norm": lambda: nn.BatchNorm2d(C)},
        {},
    ),
    "pictures to scores": (
        lambda s, x: s.fc(s.picture(x.transpose(1, 2).flatten(0, 1)).mean([-1, -2]).reshape(-1, FRAMES, C).mean(dim=1)),
        {"picture": lambda: nn.Conv2d(C, C, 3, groups=2)},
        {},
    ),
    "norms of pictures": (
        lambda s, x: head(s, clip(s.norm(s.pool(frames(x))), x.shape[0])),
        {"pool": lambda: nn.MaxPool2d(2), "norm": lambda: nn.GroupNorm(2, C)},
        {},
    ),
    "frames as channels": (
        lambda s, x: s.fc(s.picture(x.flatten(1, 2)).mean((2, 3))),
        {"picture": lambda: nn.Conv2d(C * FRAMES, C, 3)},
        {},
    ),
    "series": (inside_out, {"series": lambda: nn.Conv1d(C, C, 3, padding=1)}, {}),
    "resizing": (lambda s, x: head(s, F.interpolate(F.avg_pool3d(x, (1, 2, 2)), size=x.shape[2:]) * x), {}, {}),
    "larger pictures": (
        lambda s, x: head(s, s.transposed(s.larger(x)).relu()),
        {
            "larger": lambda: nn.Upsample(scale_factor=(1, 2, 2), mode="trilinear"),
            "transposed": lambda: nn.ConvTranspose3d(C, C, (1, 2, 2), (1, 2, 2)),
        },
        {},
    ),
    "numbers": (
        lambda s, x: head(s, (x.clamp(-1, 1).pow(2) + 1e-3).sqrt() + (-x).abs() + torch.exp(-x.abs()) + 2 - x**2),
        {},
        {},
    ),
    "activations": (
        lambda s, x: head(
            s, F.hardswish(x) + F.gelu(x) + F.silu(x) + s.act(x) + F.prelu(x, s.w) + x.to(x.dtype).float()
        ),
        {"act": lambda: nn.PReLU(C)},
        {"w": (1,)},
    ),
    "choices": (lambda s, x: head(s, torch.where(x > 0, x, 0.1 * x) + torch.maximum(x, -x)), {}, {}),
    "means over channels": (spatially_attended, {"beside": lambda: nn.Conv3d(3, 1, (1, 3, 3), padding=(0, 1, 1))}, {}),
    "adaptive pools": (
        lambda s, x: s.scores(F.adaptive_avg_pool3d(F.adaptive_max_pool3d(x, (FRAMES, 4, 4)), (1, 2, 2)).flatten(1)),
        {"scores": lambda: nn.Linear(4 * C, 5)},
        {},
    ),
    "parameters": (lambda s, x: head(s, x * s.w + s.b.view(1, -1, 1, 1, 1)), {}, {"w": (1, C, 1, 1, 1), "b": (C,)}),
    "parameters that are computed": (balanced, BESIDE, {"w": (2,)}),
    "weights of another layer": (lambda s, x: F.linear(x.mean((2, 3, 4)), s.fc.weight * 2, s.fc.bias), {}, {}),
    "every second frame": (lambda s, x: head(s, x[:, :, ::2]), {}, {}),
    "differences of frames": (lambda s, x: head(s, x[:, :, 1:] - x[:, :, :-1]), {}, {}),
    "the last frame": (lambda s, x: s.fc(x[:, :, -1].mean((2, 3)) + x.select(2, 2).mean((2, 3))), {}, {}),
    "halves of the clip": (halves, {}, {}),
    "shifted channels": (shifted, {}, {}),
    "stacked branches": (lambda s, x: head(s, torch.stack([x, s.beside(x)], dim=0).sum(dim=0)), BESIDE, {}),
    "selective kernels": (selective, {**BESIDE, "gate": lambda: nn.Linear(C, 2 * C)}, {}),
    "a flat clip": (
        lambda s, x: s.scores(torch.flatten(F.max_pool3d(x, (2, 4, 4)), 1)),
        {"scores": lambda: nn.Linear(C * (FRAMES // 2) * 4, 5)},
        {},
    ),
    "a flat clip, time first": (
        lambda s, x: s.scores(x.mean((3, 4)).permute(0, 2, 1).flatten(1)),
        {"scores": lambda: nn.Linear(C * FRAMES, 5)},
        {},
    ),
    "one mean after the other": (lambda s, x: s.fc(x.mean(-1).mean(-1).mean(-1)), {}, {}),
    "squeezed": (lambda s, x: s.fc(F.adaptive_avg_pool3d(x, 1).squeeze(-1).squeeze(-1).squeeze(-1)), {}, {}),
    "sums": (lambda s, x: s.fc(x.sum((2, 3, 4)) / 100), {}, {}),
    "attention to each frame": (squeezed, {"gate": lambda: nn.Linear(C, C)}, {}),
    "attention inside frames": (attended, {}, {}),
    "normalised channels": (
        lambda s, x: head(s, F.normalize(x, dim=1) + F.softmax(x, 1) + x / x.norm(2, 1, True)),
        {},
        {},
    ),
    "normalised pixels": (lambda s, x: head(s, x - x.mean((3, 4), keepdim=True) / x.std((3, 4), keepdim=True)), {}, {}),
    "products of matrices": (
        lambda s, x: head(s, (x.movedim(1, -1) @ s.w).movedim(-1, 1) + torch.einsum("bcthw,cd->bdthw", x, s.w)),
        {},
        {"w": (C, C)},
    ),
    "keywords": (
        lambda s, x: head(
            s,
            torch.cat(tensors=[torch.relu(input=x), torch.sigmoid(input=x)], dim=1)[:, :C]
            + torch.add(input=x, other=x, alpha=2)
            + F.avg_pool3d(input=x, kernel_size=1),
        ),
        {},
        {},
    ),
    "by lists": (
        lambda s, x: head(s, (x[:, [1, 0, *range(2, C)]] + x.index_select(1, s.order)) * s.w),
        {},
        {"w": (C, 1, 1, 1)},
    ),
    "repeated": (lambda s, x: head(s, x.mean(1, keepdim=True).repeat(1, C, 1, 1, 1) * x), {}, {}),
    "expanded": (lambda s, x: head(s, torch.sigmoid(x.mean((3, 4), keepdim=True)).expand_as(x) + x), {}, {}),
    "a convolution with computed weights": (
        lambda s, x: head(s, F.conv3d(x, s.w / s.w.norm(), padding=(0, 1, 1))),
        {},
        {"w": (C, C, 1, 3, 3)},
    ),
    "a branch on shapes": (lambda s, x: head(s, x) if x.shape[2] > 4 and len(x) < 3 else x, {}, {}),
    "frame after frame": (lambda s, x: s.fc(sum(x[:, :, i].mean((2, 3)) for i in range(x.size(2))) / 8), {}, {}),
    "every frame's scores": (lambda s, x: s.fc(x.mean((3, 4)).transpose(1, 2)), {}, {}),
}


@pytest.mark.parametrize("name", LINES)
def test_a_call_that_works_on_every_frame_alone_is_carried_over(name):
    net = Net(*LINES[name]).eval()
    frame_net = co.convert(net, input_shape=SHAPE)
    assert frame_net.conversion.proof.startswith("proven: answers as the module does")
    assert set(frame_net.blocks.state_dict()) == set(net.state_dict())


def test_layers_of_a_chain_are_carried_over():
    net = nn.Sequential(
        nn.Conv3d(3, C, (1, 3, 3)),
        nn.Upsample(scale_factor=(1, 2, 2)),
        nn.PReLU(C),
        nn.ReplicationPad3d((1, 1, 1, 1, 0, 0)),
        nn.AdaptiveAvgPool3d((None, 3, 3)),
        nn.ChannelShuffle(2),
        nn.Conv3d(C, C, 3, padding=(1, 0, 0)),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.LayerNorm(C),
        nn.Linear(C, 5),
        nn.LogSoftmax(-1),
    ).eval()
    frame_net = co.convert(net, input_shape=SHAPE)
    assert frame_net.conversion.proof.startswith("proven: answers as the module does")
    assert set(frame_net.blocks.state_dict()) == set(net.state_dict())


def test_group_norm_goes_by_each_frame_where_that_is_chosen():
    net = nn.Sequential(nn.Conv3d(3, C, 3, padding=1), nn.GroupNorm(2, C), nn.ReLU(), nn.AdaptiveAvgPool3d(1)).eval()
    with pytest.raises(co.ConversionError, match="statistics='frame' takes those of each frame"):
        co.convert(net, input_shape=SHAPE)
    frame_net = co.convert(net, input_shape=SHAPE, statistics="frame")
    assert frame_net.conversion.differences[-1].startswith("norms: 1 (GroupNorm): by the statistics of each frame")
    x = torch.randn(1, 3, frame_net.receptive_field, PIXELS, PIXELS)
    maps = torch.nn.functional.conv3d(x, net[0].weight, net[0].bias, padding=(0, 1, 1))
    by_frames = torch.stack([net[1](one) for one in maps.unbind(2)], 2)
    assert torch.allclose(frame_net(x), F.relu(by_frames).mean((2, 3, 4)), atol=1e-5)
    with pytest.raises(co.ConversionError, match="statistics: 'batch'"):
        co.convert(net, input_shape=SHAPE, statistics="batch")


REFUSED = {
    "a maximum over the clip": (lambda s, x: s.fc(x.amax((2, 3, 4))), "takes the maximum or minimum over all frames"),
    "attention between frames": (
        lambda s, x: head(s, (lambda f: f @ torch.softmax(f.transpose(1, 2) @ f, -1))(x.flatten(2)).view_as(x)),
        "multiplies the frames of .* with each other, as attention over time does",
    ),
    "frames in reverse": (lambda s, x: head(s, x.flip(2)), "which is time"),
    "a weight for each frame": (lambda s, x: head(s, x * s.w), "meets a parameter for each frame of the clip"),
    "frames made of frames": (lambda s, x: head(s, F.interpolate(x, scale_factor=2)), "makes 12 frames of 6"),
    "numbers read": (lambda s, x: head(s, x * x.mean().item()), "it reads a tensor's numbers"),
    "parts written": (
        lambda s, x: (lambda y: (y.__setitem__((slice(None), slice(0, 2)), 0), head(s, y))[1])(x * 1),
        "writes into a part of a tensor",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_other_frames_is_refused_in_one_sentence(name):
    line, why = REFUSED[name]
    net = Net(line, {}, {"w": (1, C, FRAMES, 1, 1)} if name == "a weight for each frame" else {}).eval()
    with pytest.raises(
        co.ConversionError, match=rf"Net\S*( \w+)? at \S*test_conversion_calls.py:\d+: .*{why}"
    ) as caught:
        co.convert(net, input_shape=SHAPE)
    assert "\n" not in str(caught.value)
