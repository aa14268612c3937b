"""What this machine can do at best, measured: multiply-accumulates, bytes copied, calls, and events recorded of them.

Best of several, since whatever disturbs a measurement of a limit makes it look lower. A second or so in all.
"""

from __future__ import annotations

from collections.abc import Callable

from ..profile.operator_profile import Ceilings
from .loop import Clock

# Large enough that threads and blocks pay, small enough for any board: three matrices of 4 MB.
GEMM_SIZE = 1024
# Far more than caches hold, so that memory is what is measured.
COPY_BYTES = 256 << 20
CALLS = 1000
BUDGET_S = 0.4  # for each
LEAST = 3


def best_s(call: Callable[[], object], *, clock: Clock, budget_s: float = BUDGET_S, least: int = LEAST) -> float:
    """The shortest time of `call()`: called once before, then at least `least` times, until the budget is spent."""
    call()
    begin = clock()
    times_s: list[float] = []
    while len(times_s) < least or clock() - begin < budget_s:
        start = clock()
        call()
        times_s.append(clock() - start)
    return min(times_s)


def measure_ceilings(clock: Clock, *, gemm_size: int = GEMM_SIZE, copy_bytes: int = COPY_BYTES) -> Ceilings:
    """The ceilings of torch on this machine, with as many threads as torch now has."""
    import torch

    a, b = torch.randn(gemm_size, gemm_size), torch.randn(gemm_size, gemm_size)
    out = torch.empty(gemm_size, gemm_size)
    # The same product by two libraries, of which the quicker one differs by processor: torch's BLAS, and, as a 1 x 1
    # convolution over a row of pixels that lie channels last, the one for convolutions.
    pixels, filters = a.view(1, 1, gemm_size, gemm_size).movedim(3, 1), b.view(gemm_size, gemm_size, 1, 1)
    gemms = (lambda: torch.mm(a, b, out=out), lambda: torch.conv2d(pixels, filters))
    with torch.inference_mode():
        gemm_s = min(best_s(gemm, clock=clock) for gemm in gemms)
    source = torch.ones(copy_bytes, dtype=torch.uint8)
    target = torch.zeros_like(source)
    copy_s = best_s(lambda: target.copy_(source), clock=clock)
    one, other = torch.zeros(1), torch.zeros(1)

    def calls() -> None:
        for _ in range(CALLS):
            one.add_(other)  # a plain number would be made a tensor first: four calls more

    call_s = best_s(calls, clock=clock, budget_s=BUDGET_S / 4) / CALLS
    traced_s = min(_traced_s(calls, clock) for _ in range(LEAST)) / CALLS
    return Ceilings(
        gemm_macs_per_s=gemm_size**3 / gemm_s,
        copy_bytes_per_s=2 * copy_bytes / copy_s,
        call_s=call_s,
        event_s=max(0.0, traced_s - call_s),  # one event a call
        threads=torch.get_num_threads(),
    )


def _traced_s(call: Callable[[], object], clock: Clock) -> float:
    """Seconds of `call()` while it is traced as a profile is."""
    from ..profile.trace import tracing

    with tracing():
        call()
        start = clock()
        call()
        return clock() - start
