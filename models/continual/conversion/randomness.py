"""Random numbers: a conversion leaves the generators as they were, and finds out who draws from them."""

from __future__ import annotations

import pickle
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


def _numpy() -> Any:
    return sys.modules.get("numpy")  # not loaded for this: then nobody has drawn from it


# Of each global generator, how its state is read and set.
_GENERATORS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "torch": (
        lambda: bytes(torch.get_rng_state().tolist()),
        lambda state: torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8)),
    ),
    "random": (random.getstate, random.setstate),
    "numpy.random": (
        lambda: pickle.dumps(_numpy().random.get_state()) if _numpy() else None,
        lambda state: _numpy().random.set_state(pickle.loads(state)) if state else None,  # noqa: S301 - from above
    ),
}


@contextmanager
def draws() -> Iterator[list[str]]:
    """The names of the global generators that were drawn from inside; they are set back to where they were."""
    before = {name: read() for name, (read, _) in _GENERATORS.items()}
    drawn: list[str] = []
    try:
        yield drawn
    finally:
        for name, (read, put) in _GENERATORS.items():
            if before[name] is not None and read() != before[name]:
                drawn.append(name)
                put(before[name])
