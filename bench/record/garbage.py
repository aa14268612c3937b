"""Python's cycle collector, paused where it would disturb.

Boards that are reached over ssh run this file too, so it is written for Python 3.6.
"""
# ruff: noqa: UP035 - types as they were

import gc
from contextlib import contextmanager
from typing import Iterator


@contextmanager
def paused_collector() -> Iterator[None]:
    """No collection of cycles inside; afterwards as before.

    While thousands of records are read it would walk over all of them again and again and free nothing; while a network
    is timed it would run during some samples (the caller collects once before).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
