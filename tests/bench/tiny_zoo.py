"""Networks small enough to be measured in a blink, and networks that go wrong in every way there is."""

from __future__ import annotations

import os
import signal
import time

import torch
from torch import Tensor, nn

from co3d_bench.models.spec import ModelSpec, Preprocessing
from co3d_bench.models.zoo import UnknownModelError

PREPROCESSING = Preprocessing((0.45,) * 3, (0.225,) * 3, short_side=10, frame_interval=2)


class TinyClip(nn.Module):
    """Mean over everything but the channels, then a linear layer: (B, 3, 4, 8, 8) -> (B, 5)."""

    receptive_field, padding, delay = 4, 0, 3

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 5)

    def forward(self, clip: Tensor) -> Tensor:
        return self.head(clip.mean(dim=(2, 3, 4)))


class TinyFrames(nn.Module):
    """The same over the last 3 frames; the state is the channel means of the 2 before."""

    receptive_field, padding, delay = 3, 0, 2

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 5)

    def initial_state(self, batch_size: int = 1, fill: str = "zeros", frame: Tensor | None = None):
        return (torch.zeros(batch_size, 3), torch.zeros(batch_size, 3))

    def step(self, frame: Tensor, state):
        now = frame.mean(dim=(2, 3))
        return self.head((state[0] + state[1] + now) / 3), (state[1], now)

    def prefill(self, clip: Tensor, state=None):
        state = state or self.initial_state(len(clip))
        y = clip
        for frame in clip.unbind(2):
            y, state = self.step(frame, state)
        return y, state

    def forward(self, clip: Tensor) -> Tensor:
        return self.head(clip[:, :, -3:].mean(dim=(2, 3, 4)))


class WrongFrames(TinyFrames):
    """Forgets a frame."""

    def step(self, frame: Tensor, state):
        y, state = super().step(frame, state)
        return y, (state[1], state[1])


class Misbehaves(TinyClip):
    """Does something bad at its third call."""

    def __init__(self, deed) -> None:
        super().__init__()
        self.deed, self.calls = deed, 0

    def forward(self, clip: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == 3:
            self.deed()
        return super().forward(clip)


class Limited(TinyClip):
    """Does something bad when the batch is larger than it likes."""

    def __init__(self, most: int, deed) -> None:
        super().__init__()
        self.most, self.deed = most, deed

    def forward(self, clip: Tensor) -> Tensor:
        if len(clip) > self.most:
            self.deed()
        return super().forward(clip)


class Moody(TinyClip):
    """Answers a little differently in every process."""

    def __init__(self) -> None:
        super().__init__()
        self.mood = os.getpid() % 1000 * 1e-6

    def forward(self, clip: Tensor) -> Tensor:
        return super().forward(clip) + self.mood


class NoNative(TinyClip):
    """Uses an operator that our own kernels have no rule for."""

    def forward(self, clip: Tensor) -> Tensor:
        scores = super().forward(clip)
        return scores + scores.argmax(dim=1, keepdim=True)


def _raise() -> None:
    raise RuntimeError("the network fell over\nwith a second line")


def _print() -> None:
    os.write(1, b'{"event":"failed"}\nlibrary chatter\n')
    print("more chatter")


KNOWN_S = 0.04
KNOWN_BYTES = 1_000_000
KNOWN_MACS = 3 * 4 * 8 * 8 * 4  # each of (3, 4, 8) rows of 8 numbers times a matrix of 8 x 4


class Known(nn.Module):
    """Takes `KNOWN_S` by the clock, `KNOWN_BYTES` for a moment, and `KNOWN_MACS`: (B, 3, 4, 8, 8) -> (B, 5)."""

    receptive_field, padding, delay = 4, 0, 3

    def __init__(self) -> None:
        super().__init__()
        self.product = nn.Linear(8, 4, bias=False)

    def forward(self, clip: Tensor) -> Tensor:
        until = time.perf_counter() + KNOWN_S
        scores = self.product(clip).flatten(1)[:, :5]
        scratch = torch.empty(KNOWN_BYTES // 4)
        del scratch
        # Last of all: what comes after so long finds its code and data thrown out of the caches by busy neighbours, and
        # two views, 7 us by themselves, were seen to take 240. Most of it asleep: who computes all the time has to
        # share its core with them.
        time.sleep(max(0, until - time.perf_counter() - 0.001))
        while time.perf_counter() < until:
            pass
        return scores


DEEDS = {
    "raises": _raise,
    "exits": lambda: os._exit(7),
    "segfaults": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hangs": lambda: time.sleep(600),
    "hungry": lambda: torch.empty(1 << 55),
    "chatty": _print,
}


def _spec(name: str, form: str, build) -> ModelSpec:
    shape = (3, 4, 8, 8) if form == "clip" else (3, 8, 8)
    return ModelSpec(
        name=name,
        title=name.title(),
        family="tiny",
        form=form,  # pyright: ignore[reportArgumentType]
        input_shape=shape,
        classes=5,
        build=build,
        preprocessing=PREPROCESSING,
    )


SPECS = {
    spec.name: spec
    for spec in (
        _spec("tiny-clip", "clip", TinyClip),
        _spec("known", "clip", Known),
        _spec("tiny-moody", "clip", Moody),
        _spec("no-native", "clip", NoNative),
        _spec("tiny-frames", "frame", TinyFrames),
        _spec("tiny-wrong", "frame", WrongFrames),
        *(_spec(name, "clip", lambda deed=deed: Misbehaves(deed)) for name, deed in DEEDS.items()),
        _spec("up-to-4", "clip", lambda: Limited(4, DEEDS["hungry"])),
        _spec("dies-above-1", "clip", lambda: Limited(1, DEEDS["exits"])),
    )
}


def find_model(name: str) -> ModelSpec:
    if name not in SPECS:
        raise UnknownModelError(f"{name}: there are {', '.join(SPECS)}")
    return SPECS[name]
