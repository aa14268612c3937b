from co3d_bench.bench.probe import KernelProbe, peak_rss_bytes, steal_seconds


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
