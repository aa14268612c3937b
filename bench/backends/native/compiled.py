"""`kernels.cpp`, compiled for the machine it runs on, and the calls into it."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import subprocess
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...errors import UserError
from . import cache
from .calls import MAX_ADDENDS, MAX_OUTPUTS, MAX_TAPS, Call, Kind
from .memory import Layout

SOURCE = Path(__file__).with_name("kernels.cpp")
FLAGS = ("-O3", "-march=native", "-std=c++17", "-ffp-contract=fast", "-pthread", "-fPIC", "-shared")
MORE_FLAGS = "CO3D_BENCH_CXXFLAGS"
_INT = ctypes.c_int32


class Node(ctypes.Structure):
    """As in kernels.cpp."""

    _fields_ = (
        *((name, _INT) for name in ("kind", "activation", "reduction", "taps", "addends", "outputs")),
        ("input", _INT * MAX_TAPS),
        ("shift", _INT * MAX_TAPS),
        ("addend", _INT * MAX_ADDENDS),
        ("addend_output", _INT * MAX_ADDENDS),
        ("output", _INT * MAX_OUTPUTS),
        *((name, _INT) for name in ("batch", "in_frames", "out_frames", "frame_stride")),
        *((f"in_{name}", _INT) for name in ("h", "w", "c", "pitch")),
        *((f"out_{name}", _INT) for name in ("h", "w", "c", "pitch")),
        *((f"{name}_{axis}", _INT) for name in ("kernel", "stride", "padding", "dilation") for axis in "hw"),
        *((name, _INT) for name in ("in_planes", "slots", "dilation_t", "position")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias", "packed_weight", "packed_bias", "offsets")),
        ("ahead", ctypes.c_void_p),
        ("aheads", ctypes.c_int64),
    )


@dataclass(frozen=True)
class Library:
    """The compiled kernels."""

    handle: Any
    compiler: str  # its name and version
    flags: tuple[str, ...]
    size_bytes: int
    compile_s: float  # 0 where it was kept
    cached: bool  # whether it was compiled before, by another process or in this one

    @property
    def vector_bits(self) -> int:
        return 32 * self.handle.engine_vector_floats()


def compiler() -> str:
    return os.environ.get("CXX") or "g++"


def more_flags() -> tuple[str, ...]:
    """Compiler flags from the user, which come last and so win: another instruction set, say."""
    return tuple(shlex.split(os.environ.get(MORE_FLAGS, "")))


def build(source: Path = SOURCE) -> Library:
    """The kernels, compiled here or kept from before, and loaded. Raises UserError with what the compiler said."""
    name, flags = compiler(), (*FLAGS, *more_flags())
    version = _version(name)
    key = cache.key(source.read_bytes(), name, version, flags)
    if (file := cache.find(key)) and (handle := _loaded(file)):
        return Library(handle, _short(name, version), flags, file.stat().st_size - cache.DIGEST_BYTES, 0.0, True)
    with TemporaryDirectory(prefix="co3d-bench-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "kernels.so"
        start = time.perf_counter()
        _compile(name, flags, source, file)
        compile_s = time.perf_counter() - start
        cache.keep(key, file)
        handle = _loaded(file)  # and not the one that is kept, which may be damaged and open in this process
        if handle is None:
            raise UserError("native: kernels.cpp and compiled.py differ in what a node is; install co3d-bench again")
        return Library(handle, _short(name, version), flags, file.stat().st_size, compile_s, False)


def _compile(name: str, flags: tuple[str, ...], source: Path, file: Path) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own compiler, no shell
            [name, *flags, str(source), "-o", str(file)], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise UserError(f"native: {name}: {error.strerror}") from error
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200])
        raise UserError(f"native: {name} {' '.join(flags)} cannot compile the kernels: {reason}")


def _loaded(file: Path) -> Any | None:
    """The library; None where it is none, or not for our nodes."""
    try:
        handle = ctypes.CDLL(str(file))
        if handle.engine_node_bytes() != ctypes.sizeof(Node):
            return None
    except (OSError, AttributeError):
        return None
    handle.engine_make.restype = handle.engine_address.restype = ctypes.c_void_p
    return handle


def _version(name: str) -> str:
    """The compiler's version line; empty where it does not run, which compiling will report."""
    try:
        done = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return done.stdout


def _short(name: str, version: str) -> str:
    match = re.search(r"\d+\.\d+(\.\d+)?", version)
    return f"{Path(name).name} {match[0]}" if match else Path(name).name


class Engine:
    """The prepared calls of a network: weights packed, addresses known."""

    def __init__(self, library: Library, calls: Sequence[Call], layout: Layout, base: int, threads: int) -> None:
        self._library = library.handle
        self._count = len(calls)
        addresses = (ctypes.c_void_p * len(layout.offset))(*(base + 4 * offset for offset in layout.offset))
        self._addresses = addresses
        order = (_INT * len(layout.order))(*layout.order)
        nodes = (Node * len(calls))(*(node_of(call, layout) for call in calls))
        entry = self._library.engine_make(nodes, len(calls), addresses, order, len(addresses), layout.states, threads)
        self._engine = ctypes.c_void_p(entry)
        weakref.finalize(self, self._library.engine_free, self._engine)

    def step(self, input_address: int) -> None:
        self._library.engine_step(self._engine, ctypes.c_void_p(input_address), None)

    def timed_step(self, input_address: int) -> list[int]:
        """A step, and when each call was done, in nanoseconds of a steady clock."""
        ends_ns = (ctypes.c_int64 * self._count)()
        self._library.engine_step(self._engine, ctypes.c_void_p(input_address), ends_ns)
        return list(ends_ns)

    def reset(self) -> None:
        """The addresses as they were at first; what lies there is the caller's."""
        self._library.engine_reset(self._engine, self._addresses)

    def address(self, index: int) -> int:
        return self._library.engine_address(self._engine, index)

    def position(self, call: int) -> int:
        """The slot of a ring that is written next."""
        return self._library.engine_position(self._engine, call)


def node_of(call: Call, layout: Layout) -> Node:
    given, out = call.taps[0].map, call.output
    batch, in_frames, out_frames = given.batch, given.frames, out.frames
    if (groups := _groups(call)) is not None:
        batch, in_frames = groups, given.batch * given.frames // groups
        out_frames = out.batch * out.frames // groups
    node = Node(
        kind=call.kind,
        activation=call.activation,
        reduction=call.reduction,
        taps=len(call.taps),
        addends=len(call.addends),
        outputs=len(call.outputs),
        batch=batch,
        in_frames=in_frames,
        out_frames=out_frames,
        frame_stride=call.frame_stride,
        in_h=given.height,
        in_w=given.width,
        in_c=given.channels,
        in_pitch=given.pitch,
        in_planes=given.planes,
        out_h=out.height,
        out_w=out.width,
        out_c=out.channels,
        out_pitch=out.pitch,
        slots=call.taps[1].map.slots if call.kind == Kind.SLIDE else 1,
        dilation_t=call.dilation,
        weight=None if call.weight is None else call.weight.data_ptr(),
        bias=None if call.bias is None else call.bias.data_ptr(),
    )
    for name in ("kernel", "stride", "padding", "dilation"):
        for axis, value in zip("hw", getattr(call.window, name), strict=True):
            setattr(node, f"{name}_{axis}", value)
    for index, tap in enumerate(call.taps):
        node.input[index], node.shift[index] = layout.slot[tap.map], tap.shift
    for index, (value, output) in enumerate(call.addends):
        node.addend[index], node.addend_output[index] = layout.slot[value], output
    for index, value in enumerate(call.outputs):
        node.output[index] = layout.slot[value]
    return node


def _groups(call: Call) -> int | None:
    """How many means are taken, or factors are given, where that need not be one for each of the batch."""
    if call.kind == Kind.MEAN:
        return call.output.batch * call.output.frames
    if call.kind == Kind.SCALE and len(call.taps) == 2:
        return call.taps[1].map.batch * call.taps[1].map.frames
    return None
