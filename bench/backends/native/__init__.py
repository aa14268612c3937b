"""Our own kernels: channels-last feature maps, a convolution with all its taps, sums and activation in one pass, no
copies.

The C++ is compiled for this machine when the network is made ready, and driven by a table of the network's calls
(`bench/backends/native/`). Between the calls of a step there is nothing but a barrier of the threads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .... import __version__
from ...export.precision import TOLERANCE
from ...profile.trace import Clock, TracedCall, TracedSteps
from ...record.record import Engine as EngineRecord
from .. import Ask, Backend, Runnable, toolchain
from .calls import FeatureMap, Kind
from .work import shapes_of, work_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .compiled import Library
    from .lower import Lowered
    from .memory import Layout


def prepare(net: nn.Module, example: Tensor, ask: Ask) -> Runnable:
    """Lower, lay out, compile, pack the weights."""
    from .compiled import build
    from .lower import lower
    from .memory import allocate, lay_out

    lowered = lower(net, example.cpu().float())
    layout = lay_out(lowered)
    return NativeRunnable(lowered, layout, allocate(layout.floats), build(), ask.threads)


class NativeRunnable:
    """The engine with its memory; the answers are copied out of it."""

    def __init__(self, lowered: Lowered, layout: Layout, memory: Tensor, library: Library, threads: int) -> None:
        from .compiled import Engine

        self._memory, self._layout, self._lowered = memory, layout, lowered
        self._initial = lowered.entry.state
        self._engine = Engine(library, lowered.calls, layout, memory.data_ptr(), threads)
        self._rings = {call.taps[1].map: at for at, call in enumerate(lowered.calls) if call.kind == Kind.SLIDE}
        self._answers = tuple(
            self._view(answer, layout.offset[layout.slot[answer]]).view(shape)
            for answer, shape in zip(lowered.answers, lowered.answer_shapes, strict=True)
        )
        self._record = EngineRecord(
            name="co3d-bench",
            version=__version__,
            provider=f"{library.vector_bits}-bit vectors",
            threads=threads,
            artefact_bytes=library.size_bytes,
            compile_s=library.compile_s,
            compile_cached=library.cached,
            notes=(f"{library.compiler} {' '.join(library.flags)}",),
        )
        self.reset()

    def _view(self, value: FeatureMap, offset: int) -> Tensor:
        """The map as a tensor (B, C, H, W) or (B, C, T, H, W) over the engine's memory."""
        size = (value.slots, value.batch, value.frames, value.height, value.width, value.pitch)
        full = self._memory[offset : offset + value.floats].view(size)[..., : value.channels]
        return full.permute(1, 0, 5, 2, 3, 4).flatten(1, 1)

    def warm(self, x: Tensor) -> None:
        return None

    def reset(self) -> None:
        self._engine.reset()
        for value, initial, offset in zip(self._lowered.state, self._initial, self._layout.offset[1:], strict=False):
            view = self._view(value, offset)  # (B, slots, C, T, H, W)
            if value.slots > 1:
                view[:, :-1, :, 0].copy_(initial)
            else:
                view[:, 0].view(initial.shape).copy_(initial)

    def step(self, x: Tensor) -> Any:
        x = x.float().contiguous()
        self._engine.step(x.data_ptr())
        answers = tuple(answer.clone() for answer in self._answers)  # ours is written again at the next step
        return answers[0] if len(answers) == 1 else answers

    def traced_steps(self, xs: Sequence[Tensor], clock: Clock) -> TracedSteps:
        """Steps, and every call of each with what it did and how long it took."""
        steps, times_s = [], []
        for x in xs:
            start = clock()
            steps.append(self._traced_step(x))
            times_s.append(clock() - start)
        return TracedSteps(tuple(steps), tuple(times_s))

    def _traced_step(self, x: Tensor) -> list[TracedCall]:
        x = x.float().contiguous()
        start_ns = time.monotonic_ns()
        times = pairwise([start_ns, *self._engine.timed_step(x.data_ptr())])
        return [
            TracedCall(call.name, shapes_of(call), (work := work_of(call)), work.kind, end_ns - begin_ns)
            for call, (begin_ns, end_ns) in zip(self._lowered.calls, times, strict=True)
        ]

    def synchronize(self) -> None:
        return None

    def state_tensors(self) -> tuple[Tensor, ...]:
        base = self._memory.data_ptr()
        found = []
        for index, value in enumerate(self._lowered.state, start=1):
            view = self._view(value, (self._engine.address(index) - base) // 4)
            if value.slots > 1:
                oldest = self._engine.position(self._rings[value]) + 1
                found.append(view[:, :, :, 0].roll(-oldest, 1)[:, :-1])
            else:
                found.append(view[:, 0].view(self._initial[index - 1].shape))
        return tuple(found)

    def engine(self) -> EngineRecord:
        return self._record


def missing() -> str | None:
    if os.name != "posix":
        return "it is written for Linux"
    return toolchain.missing(headers=False)


BACKEND = Backend(
    name="native",
    title="co3d-bench's own kernels, compiled for this machine",
    prepare=prepare,
    on_board={"cpu": ("fp32",)},  # bench/run/boards/native.py
    tolerance=TOLERANCE,
    missing=missing,
    in_torch=False,
    traces_itself=True,
    order=15,
)
