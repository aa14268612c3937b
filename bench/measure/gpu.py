"""What a CUDA device is asked: its switches, its own clock, copies, memory. Answers are as `CudaFacts` has them.

Every function takes the module it works on (`torch`, or a stand-in), so that tests need no card. Boards that are
reached over ssh run this file too, so it is written for Python 3.6 and imports nothing of ours.
"""
# ruff: noqa: UP006, UP035, UP045 - types as they were

from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

# Copies of an input and of an answer, each synchronised.
COPIES = 20


def set_flags(torch: Any, tf32: bool = False, benchmark: bool = True) -> None:
    """Set explicitly what would otherwise depend on torch's version.

    TF32 is off: with it, fp32 on an Ampere card computes with 10 bits of mantissa. cuDNN's benchmark is on: shapes do
    not change, and it chooses during the warm-up.
    """
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = benchmark


def device_facts(torch: Any) -> Dict[str, Any]:
    """The current device, its software, and what its switches are."""
    version = torch.backends.cudnn.version()
    return {
        "name": torch.cuda.get_device_name(),
        "capability": "{}.{}".format(*torch.cuda.get_device_capability()),
        "cuda": torch.version.cuda,
        "cudnn": None if version is None else str(version),
        "flags": {
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_tf32": torch.backends.cudnn.allow_tf32,
            "matmul_tf32": torch.backends.cuda.matmul.allow_tf32,
        },
    }


class DeviceClock:
    """Events around each call of a step, on the current stream. They are read when all is over: asking would wait."""

    def __init__(self, cuda: Any, step: Callable[[Any], Any]) -> None:
        self._cuda, self._step = cuda, step
        self._pairs: List[Tuple[Any, Any]] = []

    def __call__(self, x: Any) -> Any:
        begin, end = self._cuda.Event(enable_timing=True), self._cuda.Event(enable_timing=True)
        begin.record()
        y = self._step(x)
        end.record()
        self._pairs.append((begin, end))
        return y

    def seconds(self) -> List[float]:
        """What the device took for each call so far."""
        self._cuda.synchronize()
        return [begin.elapsed_time(end) / 1e3 for begin, end in self._pairs]  # it is in milliseconds


def time_copies(
    cuda: Any, device: str, inputs: Sequence[Any], answer: Sequence[Any], clock: Callable[[], float]
) -> Tuple[List[float], List[float]]:
    """Seconds of each copy of an input to the device, and of an answer back; each waits until it is done.

    `inputs` lie on the host, as a camera gives them (not in pinned memory), the tensors of the `answer` on the device.
    """

    def timed(copy: Callable[[], Any]) -> float:
        cuda.synchronize()
        begin = clock()
        copy()
        cuda.synchronize()
        return clock() - begin

    def put(x: Any) -> Any:  # one tensor, or several
        return [tensor.to(device) for tensor in x] if isinstance(x, tuple) else x.to(device)

    there = [timed(partial(put, inputs[number % len(inputs)])) for number in range(COPIES)]
    back = [timed(lambda: [tensor.to("cpu") for tensor in answer]) for _ in range(COPIES)]
    return there, back


def memory_of(
    cuda: Any,
    predict: Callable[[], Any],
    available: Callable[[], Optional[int]],
    available_before: Optional[int] = None,
    in_torch: bool = True,
) -> Dict[str, Optional[int]]:
    """The memory of one prediction by torch's allocator: the peak of what is allocated, and of what is reserved for it.

    What earlier calls left in the allocator's hands, as cuDNN's trials of algorithms do, is given back before. An
    engine that is not `in_torch` has an allocator of its own, which reports nothing. How far the machine's `available`
    bytes have dropped since `available_before` is for a GPU that shares that memory; None: it does not.
    """
    cuda.synchronize()
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    answer = predict()
    cuda.synchronize()
    del answer
    left = None if available_before is None else available()
    return {
        "peak_allocated_bytes": int(cuda.max_memory_allocated()) if in_torch else None,
        "peak_reserved_bytes": int(cuda.max_memory_reserved()) if in_torch else None,
        "available_drop_bytes": None if available_before is None or left is None else max(0, available_before - left),
    }
