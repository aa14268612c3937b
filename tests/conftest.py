import os
import tempfile

from hypothesis import settings

# No test is held to a time: on a shared machine any of them may be kept waiting for a core.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Nothing of what tests do is remembered for the user's own runs.
os.environ.setdefault("CO3D_BENCH_CACHE", tempfile.mkdtemp(prefix="co3d-bench-tests-"))

# Threads of an engine wait for each other at every operator, by default spinning; beside other work that makes a step
# a hundred times slower. Tests do not measure speed: let threads that wait give their core away soon. The engine
# reads this when it is loaded, so it stands before any import of torch.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Tests run two at a time; each with one thread, or they would wait for each other's.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
