"""Freed memory is kept, unless the user says otherwise."""

import subprocess
import sys

import pytest

from co3d_bench.bench.measure.allocator import KEPT, keep_freed_memory

PROGRAM = """
import ctypes, resource
from co3d_bench.bench.measure.allocator import keep_freed_memory
{before}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def touch():
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
touch()
begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin)
"""


def faults(before):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_a_block_that_was_freed_is_not_asked_for_again():
    if keep_freed_memory({}) is None:
        pytest.skip("this C library has no mallopt")
    assert faults("keep_freed_memory({})") < 100
    assert faults("") > 10_000  # 64 MiB in pages of 4 KiB


def test_what_the_user_chose_is_kept_and_reported():
    calls = []
    chosen = {"MALLOC_ARENA_MAX": "1", "LD_PRELOAD": "libjemalloc.so", "HOME": "/"}
    assert (
        keep_freed_memory(chosen, lambda *call: calls.append(call) or 1)
        == "LD_PRELOAD=libjemalloc.so MALLOC_ARENA_MAX=1"
    )
    assert not calls
    assert keep_freed_memory({"HOME": "/"}, lambda *call: calls.append(call) or 1) == KEPT
    assert calls == [(-4, 0), (-1, 2**31 - 1)]


def test_a_library_that_refuses_is_not_claimed_to_keep():
    assert keep_freed_memory({}, lambda *call: 0) is None
