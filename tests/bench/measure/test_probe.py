import subprocess
import sys
import time

import pytest

from co3d_bench.bench.measure.probe import (
    KernelProbe,
    Use,
    UseProbe,
    background_load,
    busy_seconds,
    peak_rss_bytes,
    steal_seconds,
)

STAT = """cpu  1 2 3 4 5 6 7 8 9 10
cpu0 100 20 30 4000 50 6 7 800 90 10
cpu1 1000 0 0 0 0 0 0 0 0 0
cpu12 10000 0 0 0 0 0 0 0 0 0
intr 5 6
"""


def test_steal_is_read_from_the_first_line():
    assert steal_seconds(b"cpu  1 2 3 4 5 6 7 250 9 10\ncpu0 0 0 0 0 0 0 0 999 0 0\n") == 2.5
    assert steal_seconds(b"cpu  1 2 3 4\n") == 0.0


def test_a_kernel_without_the_file_gives_no_steal(tmp_path):
    assert KernelProbe(tmp_path / "none")().steal_s == 0.0


def test_counters_never_fall():
    probe = KernelProbe()
    first, second = probe(), probe()
    assert second.involuntary_switches >= first.involuntary_switches
    assert second.steal_s >= first.steal_s


def test_peak_rss(tmp_path):
    status = tmp_path / "status"
    status.write_text("VmPeak:\t 9 kB\nVmHWM:\t  2048 kB\n")
    assert peak_rss_bytes(status) == 2 << 20
    assert peak_rss_bytes(tmp_path / "none") is None


def test_waiting_is_summed_over_threads(tmp_path):
    for number, text in enumerate(("100 2000000000 5", "7 500000000 1", "")):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "schedstat").write_text(text)
    assert KernelProbe(tasks=tmp_path)().waited_s == 2.5
    assert KernelProbe(tasks=tmp_path / "none")().waited_s == 0.0


@pytest.mark.parametrize(("cores", "seconds"), [({0}, 1.63), ({0, 1}, 11.63), ({2}, 0.0), ({12}, 100.0)])
def test_busy_is_neither_idle_nor_stolen_and_only_on_our_cores(cores, seconds):
    assert busy_seconds(STAT, cores) == pytest.approx(seconds)  # a tick is 10 ms


def test_the_background_load_is_what_is_busy_without_us():
    before, after = Use(at_s=10.0, busy_s=100.0, own_s=5.0), Use(at_s=14.0, busy_s=107.0, own_s=10.0)
    assert background_load(before, after) == 0.5
    assert background_load(before, Use(14.0, 101.0, 10.0)) == 0.0  # ticks are coarse
    assert background_load(None, after) is None
    assert background_load(before, before) is None


def test_use_without_the_file_is_not_known(tmp_path):
    assert UseProbe(tmp_path / "none")() is None
    (tmp_path / "stat").write_text(STAT)
    found = UseProbe(tmp_path / "stat", clock=lambda: 3.0, cpu_clock=lambda: 2.0)()
    assert (found.at_s, found.own_s) == (3.0, 2.0)


def test_a_busy_process_beside_us_is_seen():
    """For real, however busy the machine is already."""
    use = UseProbe()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            loud = load_while(use)
        finally:
            other.kill()
    if loud is None:
        pytest.skip("no /proc/stat here")
    assert loud > 0.2


def load_while(use):
    begin = use()
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass
    return background_load(begin, use())
