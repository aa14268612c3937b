"""The C library's allocator keeps what the network frees, so that no call pays for getting it from the kernel again.

By default glibc hands large blocks back as soon as they are free and asks for them anew: thousands of page faults a
call, in some processes and not in others, by where their memory happens to lie. See METHODOLOGY, "Before anything is
timed".
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping

# malloc.h, and mallopt(3)
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1

KEPT = "glibc, freed memory is kept"


def keep_freed_memory(
    environment: Mapping[str, str] = os.environ, mallopt: Callable[[int, int], int] | None = None
) -> str | None:
    """Have this process keep what it frees, unless the user chose an allocator or its settings.

    Gives what a record says of it: what was done, what the user chose, or None where the C library has no such switch.
    To be called before anything large is allocated.
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
