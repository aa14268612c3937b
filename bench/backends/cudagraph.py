"""CUDA graphs: every kernel of one step recorded once and started by a single call. Untested on hardware.

Written against torch's documented `torch.cuda.graph`, and tested with a stand-in that repeats the recorded calls: no
machine with CUDA was at hand. A graph reads and writes the same memory at each replay. So the input is copied to a
fixed buffer, the state lies in fixed buffers, and the graph ends by copying the next state into them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...models.inputs import map_tensors, tensors_of
from ..errors import UserError
from ..export import flat
from ..export.precision import TOLERANCE, torch_missing
from ..record.record import Engine
from . import Ask, Backend, Runnable, eager

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ...models.inputs import Input

# Calls before the recording: engines choose their algorithms and take their workspaces in the first ones.
WARM_UPS = 3

# (what is to be recorded) -> what repeats it
Record = Callable[[Callable[[], None]], Callable[[], None]]


def prepare(net: nn.Module, example: Input, ask: Ask) -> Runnable:
    """Records the step on the first CUDA device, batch norm folded. `measure/cuda.py` sets TF32."""
    import torch

    from ...models.continual import fold_batch_norm

    if why := missing():
        raise UserError(why)
    if not torch.cuda.is_available():
        raise UserError(f"cudagraph: torch {torch.__version__} sees no CUDA device; install a build of torch for CUDA")
    dtype = eager.dtype_of(ask.precision)
    with torch.inference_mode(False), torch.no_grad():
        here = map_tensors(lambda tensor: tensor.to("cuda", copy=True), example)
        flattened = flat.flatten(fold_batch_norm(net).to("cuda", dtype), here, dtype)
        engine = Engine(
            name="PyTorch, CUDA graph",
            version=torch.__version__,
            provider=torch.cuda.get_device_name(),
            notes=(f"CUDA {torch.version.cuda}",),
        )
        try:
            return Recorded(flattened, record, torch.cuda.synchronize, engine)
        except RuntimeError as error:
            first = str(error).splitlines()[0]
            raise UserError(
                f"cudagraph: {type(net).__name__} cannot be recorded: {first}; use another backend"
            ) from error


def record(body: Callable[[], None]) -> Callable[[], None]:
    """Run `body` a few times beside the current stream, then record it."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            body()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        body()
    return graph.replay


class Recorded:
    """The recorded call, its input and its state in fixed buffers. An answer holds until the next step."""

    def __init__(self, flattened: flat.Flat, record: Record, synchronize: Callable[[], Any], engine: Engine) -> None:
        self._flattened = flattened
        self._given = tuple(tensor.clone() for tensor in tensors_of(flattened.example))
        self._state = tuple(tensor.clone() for tensor in flattened.state)
        self._synchronize = synchronize
        self._engine = engine
        self._answer: Any = None
        self._copies = copy_order(flattened.sources)
        self._replay = record(self._body)
        self.reset()

    def _body(self) -> None:
        self._answer, *new = self._flattened.function(*self._given, *self._state)
        # A new tensor may be a view of an old one, which is about to be overwritten.
        mine = {tensor.untyped_storage().data_ptr() for tensor in self._state}
        new = [tensor.clone() if tensor.untyped_storage().data_ptr() in mine else tensor for tensor in new]
        everything = (*self._state, *new)
        for buffer, source in self._copies:
            self._state[buffer].copy_(everything[source])

    def warm(self, x: Tensor) -> None:
        return None

    def reset(self) -> None:
        for mine, fresh in zip(self._state, self._flattened.state, strict=True):
            mine.copy_(fresh)

    def step(self, x: Input) -> Tensor:
        for mine, tensor in zip(self._given, tensors_of(x), strict=True):
            mine.copy_(tensor, non_blocking=True)
        self._replay()
        return self._answer

    def synchronize(self) -> None:
        self._synchronize()

    def state_tensors(self) -> tuple[torch.Tensor, ...]:
        return self._state

    def engine(self) -> Engine:
        return self._engine


def copy_order(sources: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """(buffer, the buffer of its next value), so that no buffer is written before all who need its old value have it.

    Buffers keep their own value where they are their own source. Raises UserError if buffers swap their values.
    """
    waiting = {buffer: source for buffer, source in enumerate(sources) if buffer != source}
    ordered: list[tuple[int, int]] = []
    while waiting:
        needed = set(waiting.values())
        free = [buffer for buffer in waiting if buffer not in needed]
        if not free:
            raise UserError("cudagraph: this network's state swaps its buffers; use another backend")
        ordered += [(buffer, waiting.pop(buffer)) for buffer in free]
    return tuple(ordered)


def missing() -> str | None:
    """Asks for NVIDIA's driver only: whether this torch was built for it takes importing torch."""
    if why := torch_missing():
        return why
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver here (libcuda.so.1): it needs a machine with CUDA"
    return None


BACKEND = Backend(
    name="cudagraph",
    title="CUDA graph of one step",
    prepare=prepare,
    here={"cuda": eager.PRECISIONS["cuda"]},
    tolerance=TOLERANCE,
    in_torch=False,  # a graph's memory is a pool that torch's counters of what is alive do not see
    any_input=True,
    missing=missing,
    order=40,
)
