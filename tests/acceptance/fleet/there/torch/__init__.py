"""Torch of a simulated board: as much as the agent's scripts and the network of `nets.py` take of it, without torch.

What stands in: the tensors (lists of floats, correct to float32), and the time: a prediction sleeps, so that the
process of a case lasts as long as a recorded case did. What is real is all that calls it: agent.py, onboard.py,
loop.py, probe.py and runner.py as they are copied to a board, with their lock, their names of jobs and their lines.

A process that measures also keeps the board's own log, which knows nothing of the agent: `begin` and `end` with the
time, and `overlap` where another process of this board measures already (a lock that the kernel frees with its holder).
"""

import array
import atexit
import contextlib
import fcntl
import json
import operator
import os
import random
import time
from pathlib import Path

__version__ = "1.10.0+simulated"
WARMUP = 17  # the first prediction, and the fewest of a warm-up


class version:
    cuda = None


class cuda:
    is_available = staticmethod(lambda: False)
    device_count = staticmethod(lambda: 0)


class _C:
    class _nn:
        """Nothing is looked up here."""


class Size(tuple):
    def numel(self):
        product = 1
        for length in self:
            product *= length
        return product


float32, int64 = "f", "q"  # as the standard library's arrays call them


class Tensor:
    """Numbers in a row, and a shape."""

    def __init__(self, values, shape, dtype=float32):
        self.values, self.shape, self.dtype = array.array(dtype, values), Size(shape), dtype

    def each(self, function):
        return Tensor(map(function, self.values), self.shape, self.dtype)

    def __mul__(self, other):
        if isinstance(other, Tensor):
            return Tensor(map(operator.mul, self.values, other.values), self.shape, self.dtype)
        return self.each(lambda value: value * other)

    def __add__(self, other):
        if isinstance(other, Tensor):
            return Tensor(map(operator.add, self.values, other.values), self.shape, self.dtype)
        return self.each(lambda value: value + other)

    def __mod__(self, other):
        return self.each(lambda value: value % other)

    def __truediv__(self, other):
        return self.each(lambda value: value / other)

    def __sub__(self, other):
        return self.each(lambda value: value - other)

    def __getitem__(self, rows):
        width = self.numel() // self.shape[0]
        kept = [value for row in rows for value in self.values[row * width : (row + 1) * width]]
        return Tensor(kept, (len(rows), *self.shape[1:]), self.dtype)

    def float(self):
        return Tensor(self.values, self.shape, float32)

    def to(self, *_):
        return self

    cpu = contiguous = to

    def reshape(self, shape):
        return Tensor(self.values, shape, self.dtype)

    def dim(self):
        return len(self.shape)

    def numel(self):
        return len(self.values)

    def element_size(self):
        return self.values.itemsize

    def data_ptr(self):
        return self.values.buffer_info()[0]


class Generator:
    def manual_seed(self, seed):
        self.random = random.Random(seed)


def is_tensor(value):
    return isinstance(value, Tensor)


def reshape(tensor, shape):
    return tensor.reshape(shape)


def frombuffer(data, dtype, count, offset):
    values = array.array(dtype)
    values.frombytes(bytes(data[offset : offset + count * values.itemsize]))
    return Tensor(values, (count,), dtype)


def full(shape, fill, dtype):
    return Tensor([fill] * shape.numel(), shape, dtype)


def arange(length, dtype):
    return Tensor(range(length), (length,), dtype)


def randn(shape, generator):
    return Tensor([generator.random.gauss(0, 1) for _ in range(Size(shape).numel())], shape)


def linear(x, weight, bias):
    """Scores of rows, after this prediction's share of the case's time."""
    time.sleep(next(naps, 0.0))
    inputs = x.shape[1]
    scores = [
        sum(map(operator.mul, x.values[row * inputs :], weight.values[unit * inputs : (unit + 1) * inputs]))
        + bias.values[unit]
        for row in range(x.shape[0])
        for unit in range(weight.shape[0])
    ]
    return Tensor(scores, (x.shape[0], weight.shape[0]))


@contextlib.contextmanager
def inference_mode():
    yield


no_grad = inference_mode


def set_num_threads(count):
    counts["threads"] = count


def set_num_interop_threads(count):
    counts["interop"] = count


def get_num_threads():
    return counts["threads"]


def get_num_interop_threads():
    return counts["interop"]


def measuring(job):
    """Keep the log from now to the end of this process; returns how long each prediction sleeps."""
    seconds = random.Random(job["case"]).choice(json.loads(os.environ["SHELF_SECONDS"]))
    log = os.open(str(Path.home() / "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(event):
        line = {"event": event, "t": time.monotonic(), "pid": os.getpid(), "case": job["case"], "seconds": seconds}
        os.write(log, (json.dumps(line) + "\n").encode())

    held = os.open(str(Path.home() / "measuring"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        write("overlap")
    write("begin")
    atexit.register(write, "end")
    count = WARMUP + job["settings"]["runs"]
    return iter([seconds / count] * count)


counts = {"threads": 1, "interop": 1}
naps = iter(())
if Path("job.json").is_file():  # agents ask for the version elsewhere
    naps = measuring(json.loads(Path("job.json").read_text()))
