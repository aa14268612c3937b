"""Regular 3D CNNs as people write them, in plain torch.nn: what `convert` has never seen."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from co3d_bench.models import continual as co

from ..reference import randomise_batch_norm

CHANNELS = 12
CLASSES = 5
SHAPE = (3, 16, 24, 24)  # of a clip: channels, frames, height, width


class Block(nn.Module):
    """A residual block as torchvision writes it: one in-place ReLU used twice, an in-place sum."""

    def __init__(self, channels_in, channels, stride=(1, 1, 1)):
        super().__init__()
        self.conv1 = nn.Conv3d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(channels)
        self.downsample = None
        if stride != (1, 1, 1) or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv3d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm3d(channels)
            )

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """Temporal strides in the first pool, in a block and in its shortcut: one feature for every 4 frames."""

    def __init__(self, stride=2):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, 8, (5, 3, 3), (1, 2, 2), (2, 1, 1), bias=False), nn.BatchNorm3d(8), nn.ReLU(inplace=True)
        )
        self.pool = nn.MaxPool3d(3, (stride, 2, 2), 1)
        self.layers = nn.ModuleList([Block(8, 8), Block(8, CHANNELS, (stride, 2, 2)), Block(CHANNELS, CHANNELS)])

    def forward(self, x):
        x = self.pool(self.stem(x))
        for layer in self.layers:
            x = layer(x)
        return x


class Inception(nn.Module):
    """Branches that reach 1, 3 and 7 frames, joined; pools as functions."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 6, (1, 3, 3), padding=(0, 1, 1))
        self.short = nn.Conv3d(6, 4, 1)
        self.middle = nn.Sequential(
            nn.Conv3d(6, 4, 1), nn.ReLU(inplace=True), nn.Conv3d(4, 4, (3, 1, 1), padding="same")
        )
        self.long = nn.Conv3d(6, 4, (4, 1, 1), dilation=(2, 1, 1), padding=(3, 0, 0))
        self.after = nn.Conv3d(16, CHANNELS, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.conv(x), inplace=True)
        x = F.max_pool3d(x, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        pooled = self.short(F.avg_pool3d(x, 3, 1, 1, count_include_pad=False))
        x = torch.cat((self.short(x), self.middle(x), self.long(x), pooled), dim=1)
        return F.max_pool3d(F.gelu(self.after(x)), kernel_size=(3, 2, 2), stride=2, padding=(1, 0, 0))


class Gate(nn.Module):
    """Squeeze-and-excitation, in four spellings that all mean the same."""

    def __init__(self, channels, spelling):
        super().__init__()
        self.spelling = spelling
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.convs = nn.Sequential(nn.Conv3d(channels, 4, 1), nn.ReLU(), nn.Conv3d(4, channels, 1), nn.Sigmoid())
        self.linear = nn.Sequential(nn.Linear(channels, 4), nn.ReLU(), nn.Linear(4, channels), nn.Sigmoid())

    def forward(self, x):
        batch, channels = x.shape[:2] if self.spelling == "sizes" else (x.size(0), x.size(1))
        if self.spelling == "convolutions":
            return x * self.convs(self.pool(x))
        if self.spelling == "mean":
            return self.convs(x.mean((2, 3, 4), keepdim=True)) * x
        if self.spelling == "indices":
            return x * self.linear(x.mean([-1, -2, -3]))[:, :, None, None, None]
        y = F.adaptive_avg_pool3d(x, (1, 1, 1)).view(batch, channels)
        y = self.linear(y).view(batch, channels, 1, 1, 1)
        return x.mul(y.expand_as(x))


class Attentive(nn.Module):
    """A convolution, attention, and a convolution around which the input is carried."""

    def __init__(self, spelling="convolutions"):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, CHANNELS, 3, (1, 2, 2), 1), nn.BatchNorm3d(CHANNELS))
        self.gate = Gate(CHANNELS, spelling)
        self.conv = nn.Conv3d(CHANNELS, CHANNELS, (3, 1, 1), (2, 1, 1), padding=(1, 0, 0))
        self.beside = nn.MaxPool3d((1, 1, 1), (2, 1, 1))

    def forward(self, x):
        x = self.gate(self.stem(x))
        return torch.add(self.conv(x), self.beside(x))


class PyTorchVideoHead(nn.Module):
    """A fixed window, channels moved to the end and back, and an average over what is left."""

    def __init__(self, frames, pixels):
        super().__init__()
        self.pool = nn.AvgPool3d((frames, pixels, pixels), stride=1)
        self.dropout = nn.Dropout(0.5)
        self.proj = nn.Linear(CHANNELS, CLASSES)
        self.output_pool = nn.AdaptiveAvgPool3d(1)

    def forward(self, x):
        x = self.dropout(self.pool(x))
        x = self.proj(x.permute((0, 2, 3, 4, 1))).permute((0, 4, 1, 2, 3))
        return self.output_pool(x).view(x.shape[0], -1)


class Head(nn.Module):
    """A classifier whose `forward` is `spelling`, a function of the module and its features."""

    def __init__(self, spelling):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.norm = nn.BatchNorm1d(CHANNELS)
        self.fc = nn.Linear(CHANNELS, CLASSES)
        self.spelling = spelling

    def forward(self, x):
        return self.spelling(self, x)


SPELLINGS = {
    "pool and flatten": lambda self, x: self.fc(torch.flatten(self.pool(x), 1)),
    "mean over all": lambda self, x: self.fc(x.mean((2, 3, 4))),
    "mean over space, then time": lambda self, x: self.fc(x.mean([3, 4]).mean(2)),
    "mean over time, then space": lambda self, x: self.fc(torch.mean(x, 2).mean((-2, -1))),
    "flat pixels": lambda self, x: self.fc(x.flatten(2).mean(-1)),
    "view": lambda self, x: self.fc(F.adaptive_avg_pool3d(x, 1).view(x.size(0), -1)),
    "squeezed": lambda self, x: self.fc(self.pool(x).squeeze(4).squeeze(3).squeeze(-1)),
    "fixed window, functional": lambda self, x: self.fc(F.avg_pool3d(x, WINDOW).reshape(-1, CHANNELS)),
    "dropout and softmax": lambda self, x: F.softmax(self.fc(F.dropout(x.mean((2, 3, 4)), 0.5, self.training)), dim=-1),
    "normalised": lambda self, x: self.fc(F.relu(self.norm(self.pool(x).flatten(1)))),
    "classifier of every place": lambda self, x: self.pool(self.fc(x.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)),
}
WINDOW = (4, 3, 3)  # what the ResNet leaves of SHAPE

HEADS = {
    **{name: lambda spelling=spelling: Head(spelling) for name, spelling in SPELLINGS.items()},
    "layers in a chain": lambda: nn.Sequential(
        nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Dropout(), nn.Linear(CHANNELS, CLASSES)
    ),
    "PyTorchVideo's": lambda: PyTorchVideoHead(*WINDOW[:2]),
}


class Regular(nn.Module):
    """Features and a head."""

    def __init__(self, features, head):
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, x):
        return self.head(self.features(x))


FEATURES = {
    "ResNet": ResNet,
    "ResNet without temporal strides": lambda: ResNet(stride=1),
    "Inception": Inception,
    **{
        f"attention by {spelling}": lambda spelling=spelling: Attentive(spelling)
        for spelling in ("convolutions", "mean", "indices", "sizes")
    },
}


def ready(net):
    """In eval mode, with batch norms that do something."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
    return randomise_batch_norm(net).eval()


def converted(net, **options):
    """Its frame network, for clips of `SHAPE`; not proven, since what uses it compares the two forms itself."""
    return co.convert(net, input_shape=SHAPE, **{"prove": False, **options})
