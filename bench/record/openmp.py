"""How threads of OpenMP wait for each other, for every process that measures: they spin for a moment, then sleep.

PyTorch's threads meet at every operator, and whoever is first there spins. Where other work has taken a core, that is
the thread that keeps the last one from running: CoX3D-S (13), 10 ms a step, takes 170 ms, at worst 2.7 s. Which library
reads which variable: GNU's, which comes with PyTorch for Linux, `GOMP_SPINCOUNT`, in turns; LLVM's and Intel's
`KMP_BLOCKTIME`, in milliseconds (not measured here).

3000 turns are the fewest that cost nothing idle (`tests/speed/busy_neighbour.py`): with 1000 an idle step takes a fifth
longer, and one beside a process that burns a core half as long as with 3000.

Boards that are reached over ssh run this file too, so it is written for Python 3.6.
"""
# ruff: noqa: UP006, UP035 - types as they were

from typing import Dict, Mapping, Tuple

WAITING = {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "1"}
# Whoever has set one of them has decided how threads wait.
_OF_THE_USER = ("OMP_WAIT_POLICY", *WAITING)
_FAMILIES = ("GOMP_", "KMP_", "OMP_")
_COUNTS = ("OMP_NUM_THREADS",)  # another fact, and that of a case


def wait_settings(environ: Mapping[str, str]) -> Dict[str, str]:
    """What to set besides in that environment; nothing where the user has set it otherwise."""
    return {} if any(name in environ for name in _OF_THE_USER) else dict(WAITING)


def openmp_settings(environ: Mapping[str, str]) -> Tuple[str, ...]:
    """The settings of OpenMP in an environment, in their order: NAME=value."""
    return tuple(
        f"{name}={value}"
        for name, value in sorted(environ.items())
        if name.startswith(_FAMILIES) and name not in _COUNTS
    )
