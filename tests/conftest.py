import asyncio
import os
import tempfile

import pytest
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


@pytest.fixture
def no_loop():
    """A thread without a running event loop, as a process of its own has it: the browser's, which waits in this thread
    for the tests of pages to come, is put aside meanwhile."""
    waiting = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(waiting)


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A video of 132 frames, 320 x 180: a pattern that moves on by two pixels each frame."""
    import av
    import numpy as np

    file = tmp_path_factory.mktemp("film") / "film.mp4"
    pattern = (
        np.random.default_rng(0).integers(0, 256, (180 // 4, 320 // 4, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    )
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(132):
            frame = av.VideoFrame.from_ndarray(np.roll(pattern, 2 * number, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file
