"""A stand-in for torch's CUDA: work is queued and done when somebody waits for it. No card is at hand.

Tensors stay where they are (`device="cpu"`), so that real networks run; what the device reports is made up.
"""

from types import SimpleNamespace


class FakeCuda:
    """The device's clock runs only while it works."""

    def __init__(self):
        self.now = 0.0  # of the host
        self.device_now = 0.0
        self.queue = []
        self.allocated = self.reserved = 0
        self.calls = []
        self.free = 8 << 30

    def launch(self, seconds):
        self.now += 0.001  # what a launch costs the host
        self.queue.append(seconds)

    def synchronize(self):
        for job in self.queue:
            if callable(job):
                job()
            else:
                self.device_now += job
                self.now += job
        self.queue.clear()

    def Event(self, enable_timing):
        assert enable_timing
        event = SimpleNamespace(time=None)

        def mark():
            event.time = self.device_now

        def elapsed_time(later):
            assert None not in (event.time, later.time), "asked before the device was waited for"
            return (later.time - event.time) * 1e3

        event.record = lambda: self.queue.append(mark)
        event.elapsed_time = elapsed_time
        return event

    def init(self):
        self.calls.append("init")

    def is_available(self):
        return True

    def empty_cache(self):
        self.calls.append("empty_cache")

    def reset_peak_memory_stats(self):
        self.calls.append("reset_peak_memory_stats")
        self.allocated = self.reserved = 0

    def max_memory_allocated(self):
        return self.allocated

    def max_memory_reserved(self):
        return self.reserved

    def mem_get_info(self):
        return self.free, 16 << 30

    def get_device_name(self, index=0):
        return "Xavier"

    def get_device_capability(self, index=0):
        return (7, 2)


def fake_torch(cuda):
    """What `bench/measure/cuda.py` takes of torch."""
    return SimpleNamespace(
        __version__="2.1.0",
        cuda=cuda,
        version=SimpleNamespace(cuda="11.4"),
        backends=SimpleNamespace(
            cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=True)),
            cudnn=SimpleNamespace(allow_tf32=True, benchmark=False, version=lambda: 8600),
        ),
    )
