"""Which files of a board are read: all that recognition, facts and sensors read of one. A star stays within one part of
a path; tests/devices/remote/test_files.py holds the lists against the code that reads."""

from __future__ import annotations

_CPU, _THERMAL, _HWMON = "/sys/devices/system/cpu", "/sys/class/thermal", "/sys/class/hwmon"
_RAPL = "/sys/class/powercap/intel-rapl:*"
_IIO = ("/sys/bus/i2c/drivers/ina3221x/*/iio:device*", "/sys/bus/i2c/drivers/ina3221x/*/iio_device")
_INA = "/sys/bus/i2c/devices/*/hwmon/hwmon*"
_DEVFREQ = ("/sys/class/devfreq/*", "/sys/devices/*/devfreq/*")

# All that `read_host` reads of a machine, and what says which software a board has.
HOST = (
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/loadavg", "/proc/self/status", "/proc/self/cgroup", "/proc/1/cgroup"),
    *("/proc/sys/kernel/arch", "/proc/sys/kernel/osrelease", "/etc/os-release", "/etc/nv_tegra_release"),
    *("/proc/device-tree/compatible", "/proc/device-tree/model"),
    *(f"{_CPU}/online", f"{_CPU}/present", f"{_CPU}/isolated"),
    *(f"{_CPU}/cpu*/topology/core_cpus_list", f"{_CPU}/cpu*/topology/thread_siblings_list"),
    f"{_CPU}/cpu*/cpufreq/scaling_*",
    *("/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/product_name", "/sys/class/dmi/id/bios_vendor"),
    *("/sys/hypervisor/type", "/.dockerenv", "/run/.containerenv", "/run/systemd/container"),
    *("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/*/*.slice/memory.max"),
)
# Of the sensors: what changes, and is read again and again;
MOVING = (
    *(f"{_CPU}/cpu*/cpufreq/scaling_cur_freq", f"{_CPU}/cpu*/thermal_throttle/*_throttle_count"),
    *(f"{_THERMAL}/thermal_zone*/temp", f"{_THERMAL}/cooling_device*/cur_state"),
    *(f"{_HWMON}/hwmon*/temp*_input", f"{_HWMON}/hwmon*/oc*_event_cnt", f"{_RAPL}/energy_uj"),
    *(f"{folder}/in_power*_input" for folder in _IIO),
    *(f"{_INA}/in[123]_input", f"{_INA}/curr[123]_input"),
    *(f"{folder}/{name}" for folder in _DEVFREQ for name in ("cur_freq", "max_freq")),
)
# and what says what that is, and is read once.
STANDING = (
    *(f"{_THERMAL}/thermal_zone*/type", f"{_THERMAL}/cooling_device*/type"),
    *(f"{_HWMON}/hwmon*/name", f"{_HWMON}/hwmon*/temp*_label", f"{_RAPL}/name", f"{_RAPL}/max_energy_range_uj"),
    *(f"{folder}/rail_name_*" for folder in _IIO),
    *(f"{_INA}/name", f"{_INA}/in*_label"),
)
