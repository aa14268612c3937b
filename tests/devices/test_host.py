import pytest

from co3d_bench.devices import host
from co3d_bench.devices.root import Local

from .boards import write

INTEL = "".join(
    f"processor\t: {i}\nmodel name\t: Some CPU @ 2GHz\ncpu MHz\t\t: 2000.5\nflags\t\t: fpu hypervisor\n\n"
    for i in range(4)
)


@pytest.fixture
def laptop(tmp_path):
    """Two physical cores with two threads each, three of them allowed."""
    files = {
        "proc/cpuinfo": INTEL,
        "proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-1,3\n",
        "proc/meminfo": "MemTotal:       16000 kB\nMemFree: 1 kB\n",
        "proc/loadavg": "1.25 1.0 0.5 1/200 3\n",
        "proc/sys/kernel/osrelease": "6.1.0\n",
        "proc/sys/kernel/arch": "x86_64\n",
        "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian 12"\n',
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1800000\n",
    }
    for cpu in range(4):
        files[f"sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list"] = f"{cpu % 2},{cpu % 2 + 2}\n"
    write(tmp_path, files)
    return tmp_path


def test_every_fact_is_read_below_the_root(laptop):
    facts = host.read_host(Local(laptop))
    assert facts == host.HostFacts(
        cpu_model="Some CPU @ 2GHz",
        architecture="x86_64",
        physical_cores=2,
        logical_cores=4,
        affinity=(0, 1, 3),
        governor="powersave",
        frequency_hz=1.8e9,
        memory_bytes=16000 * 1024,
        memory_limit_bytes=None,
        cpu_limit=None,
        load_average_1min=1.25,
        os="Debian 12",
        kernel="6.1.0",
        container=None,
        hypervisor="yes, unnamed",
        allowed_cores=2,
    )
    assert facts.usable_cores == 2


@pytest.mark.parametrize(("allowed", "cores"), [("0,2", 1), ("0", 1), ("0-1", 2), ("1-3", 2), ("0-3", 2)])
def test_two_threads_of_a_core_are_one_core(laptop, allowed, cores):
    write(laptop, {"proc/self/status": f"Cpus_allowed_list:\t{allowed}\n"})
    assert host.read_host(Local(laptop)).usable_cores == cores


def test_what_is_not_there_is_none(tmp_path):
    facts = host.read_host(Local(tmp_path))
    assert (facts.governor, facts.frequency_hz, facts.physical_cores, facts.container) == (None, None, None, None)
    assert facts.cpu_model == "unknown"
    assert facts.usable_cores == 1


def test_an_arm_board_is_named_by_its_device_write(tmp_path):
    write(
        tmp_path,
        {
            "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 62.50\n\nprocessor\t: 1\n",
            "proc/device-tree/model": "NVIDIA Jetson Something\0",
            "proc/device-tree/compatible": "nvidia,p1\0nvidia,tegra\0",
        },
    )
    facts = host.read_host(Local(tmp_path))
    assert facts.cpu_model == "NVIDIA Jetson Something"
    assert facts.device_tree == ("nvidia,p1", "nvidia,tegra")
    assert facts.frequency_hz is None


@pytest.mark.parametrize(
    ("files", "container", "hypervisor"),
    [
        ({".dockerenv": ""}, "docker", None),
        ({"run/.containerenv": ""}, "podman", None),
        ({"run/systemd/container": "lxc\n"}, "lxc", None),
        ({"proc/1/cgroup": "0::/kubepods/pod1\n"}, "kubernetes", None),
        ({"sys/class/dmi/id/sys_vendor": "QEMU\n"}, None, "kvm"),
        ({"sys/hypervisor/type": "xen\n"}, None, "xen"),
    ],
)
def test_containers_and_hypervisors(tmp_path, files, container, hypervisor):
    facts = host.read_host(write(tmp_path, files))
    assert (facts.container, facts.hypervisor) == (container, hypervisor)


def test_a_share_of_cpu_time_limits_the_threads(laptop):
    write(
        laptop,
        {
            "proc/self/cgroup": "0::/box\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
            "sys/fs/cgroup/box/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/box/memory.max": "1000000\n",
        },
    )
    facts = host.read_host(Local(laptop))
    assert (facts.cpu_limit, facts.memory_limit_bytes, facts.usable_cores) == (1.5, 1_000_000, 1)


@pytest.mark.parametrize(("text", "cpus"), [("0", (0,)), ("0-2", (0, 1, 2)), ("0,2-3,8\n", (0, 2, 3, 8)), ("", ())])
def test_cpu_lists(text, cpus):
    assert host.parse_cpu_list(text) == cpus


def test_this_machine_has_a_name_and_memory():
    facts = host.read_host()
    assert facts.cpu_model
    assert facts.memory_bytes > 0
    assert facts.usable_cores >= 1


def test_free_memory_is_the_lesser_of_the_machine_and_the_group(monkeypatch):
    monkeypatch.setattr(host, "memory_free_bytes", lambda: 4000)
    assert host.free_memory_bytes() == 4000
    monkeypatch.setattr(host, "memory_free_bytes", lambda: 1 << 60)
    assert 0 < host.free_memory_bytes() <= host.read_host().memory_bytes


def test_a_processor_without_a_name_is_known_to_lscpu(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host._lscpu_model() is None
    program = tmp_path / "lscpu"
    program.write_text("#!/bin/sh\necho 'Vendor ID:   ARM'\necho 'Model name:  Neoverse-N1'\n")
    program.chmod(0o755)
    assert host._lscpu_model() == "Neoverse-N1"
