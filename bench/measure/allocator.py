"""The C library's allocator keeps what the network frees, so that no call pays for getting it from the kernel again.

By default glibc hands large blocks back as soon as they are free and asks for them anew: thousands of page faults a
call, in some processes and not in others, by where their memory happens to lie. See METHODOLOGY, "Before anything is
timed". Boards that are reached over ssh run this file too, so it is written for Python 3.6.
"""
# ruff: noqa: UP035, UP045 - types as they were

import ctypes
import os
from typing import Callable, Mapping, Optional

# malloc.h, and mallopt(3)
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1

KEPT = "glibc, freed memory is kept"


def keep_freed_memory(
    environment: Mapping[str, str] = os.environ, mallopt: Optional[Callable[[int, int], int]] = None
) -> Optional[str]:
    """Have this process keep what it frees, unless the user chose an allocator or its settings.

    Returns the text for the record: what was done, or what the user chose; None where the C library has no such switch.
    Call it before anything large is allocated.
    """
    chosen = [
        f"{name}={value}"
        for name, value in sorted(environment.items())
        if name.startswith("MALLOC_") or name in ("GLIBC_TUNABLES", "LD_PRELOAD")
    ]
    if chosen:
        return " ".join(chosen)
    if mallopt is None:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or not (mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER)):
        return None
    return KEPT
