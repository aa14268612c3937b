"""How OpenMP threads wait in every measuring process: they spin for a moment, then sleep.

PyTorch's threads wait for each other at every operator, by default spinning. Where other work takes a core, spinning
threads keep the last one from running: CoX3D-S (13), 10 ms a step, then takes 170 ms, at worst 2.7 s. GNU's library,
which comes with PyTorch for Linux, reads `GOMP_SPINCOUNT`, in iterations; LLVM's and Intel's read `KMP_BLOCKTIME`, in
milliseconds (not measured here).

3000 iterations are the fewest that cost nothing on an idle machine (`tests/speed/busy_neighbour.py`): with 1000 an idle
step takes a fifth longer, and one beside a process that burns a core half as long as with 3000.

Boards that are reached over ssh run this file too, so it is written for Python 3.6.
"""
# ruff: noqa: UP006, UP035 - types as they were

from typing import Dict, Mapping, Tuple

WAITING = {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "1"}
# A user who set one of them has decided how threads wait.
_OF_THE_USER = ("OMP_WAIT_POLICY", *WAITING)
_FAMILIES = ("GOMP_", "KMP_", "OMP_")
_COUNTS = ("OMP_NUM_THREADS",)  # part of the case instead


def wait_settings(environ: Mapping[str, str]) -> Dict[str, str]:
    """The variables to add to that environment; empty where the user has set one."""
    return {} if any(name in environ for name in _OF_THE_USER) else dict(WAITING)


def openmp_settings(environ: Mapping[str, str]) -> Tuple[str, ...]:
    """The OpenMP settings of an environment, sorted, as NAME=value."""
    return tuple(
        f"{name}={value}"
        for name, value in sorted(environ.items())
        if name.startswith(_FAMILIES) and name not in _COUNTS
    )
