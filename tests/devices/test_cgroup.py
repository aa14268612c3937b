from co3d_bench.devices import cgroup
from co3d_bench.devices.root import Local

from .boards import write


def test_version_2_takes_the_tightest_limit_on_the_way_up(tmp_path):
    root = write(tmp_path, {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/cgroup.controllers": "memory",
        "sys/fs/cgroup/a/memory.max": "500\n",
        "sys/fs/cgroup/a/b/memory.max": "max\n",
        "sys/fs/cgroup/a/cpu.max": "max 100000\n",
        "sys/fs/cgroup/a/b/memory.events": "low 0\noom_kill 2\n",
    })  # fmt: skip
    assert cgroup.memory_limit_bytes(root) == 500
    assert cgroup.cpu_limit(root) is None
    assert cgroup.oom_kills(root) == 2


def test_what_a_group_leaves_counts_the_page_cache_as_free(tmp_path):
    root = write(tmp_path, {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/cgroup.controllers": "memory",
        "sys/fs/cgroup/a/memory.max": "1000\n",
        "sys/fs/cgroup/a/memory.current": "700\n",
        "sys/fs/cgroup/a/memory.stat": "anon 500\ninactive_file 150\n",
        "sys/fs/cgroup/a/b/memory.max": "max\n",
        "sys/fs/cgroup/a/b/memory.current": "100\n",
    })  # fmt: skip
    assert cgroup.memory_free_bytes(root) == 450


def test_what_a_group_of_version_1_leaves(tmp_path):
    root = write(tmp_path, {
        "proc/self/cgroup": "4:memory:/m\n",
        "sys/fs/cgroup/memory/m/memory.limit_in_bytes": "4096\n",
        "sys/fs/cgroup/memory/m/memory.usage_in_bytes": "5000\n",
    })  # fmt: skip
    assert cgroup.memory_free_bytes(root) == 0
    assert cgroup.memory_free_bytes(Local(tmp_path / "elsewhere")) is None


def test_version_1_has_a_tree_for_each_controller(tmp_path):
    root = write(tmp_path, {
        "proc/self/cgroup": "4:memory:/m\n2:cpu,cpuacct:/c\n",
        "sys/fs/cgroup/memory/m/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "4096\n",
        "sys/fs/cgroup/memory/m/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu/c/cpu.cfs_period_us": "100000\n",
        "proc/vmstat": "nr_free 1\noom_kill 3\n",
    })  # fmt: skip
    assert cgroup.memory_limit_bytes(root) == 4096
    assert cgroup.cpu_limit(root) == 0.5
    assert cgroup.oom_kills(root) == 1 + 3


def test_a_host_path_inside_a_container_falls_back_to_the_tree_itself(tmp_path):
    root = write(tmp_path, {
        "proc/self/cgroup": "0::/docker/0123\n",
        "sys/fs/cgroup/cgroup.controllers": "memory",
        "sys/fs/cgroup/memory.max": "700\n",
    })  # fmt: skip
    assert cgroup.memory_limit_bytes(root) == 700


def test_a_machine_without_groups_has_no_limits(tmp_path):
    assert cgroup.memory_limit_bytes(Local(tmp_path)) is None
    assert cgroup.cpu_limit(Local(tmp_path)) is None
    assert cgroup.oom_kills(Local(tmp_path)) == 0
