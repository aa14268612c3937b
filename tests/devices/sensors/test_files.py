"""The sensors that are files, on invented machines with the values of real ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.devices.profile import list_profiles
from co3d_bench.devices.root import Local, Reason, Snapshot
from co3d_bench.devices.sensors import cpu, jetson, rapl, thermal
from co3d_bench.devices.sensors.find import find_sensors

from ..boards import board, files, rails, snapshot

PROFILES = {profile.name: profile for profile in list_profiles()}


def read(sensors):
    found = {}
    for sensor in sensors:
        readings = sensor.read()
        assert set(readings) == {figure.name for figure in sensor.figures}
        assert not set(readings) & set(found)
        found |= readings
    for reading in found.values():
        assert (reading.reason is None) != (reading.value is None and not reading.words)
    return found


@pytest.mark.parametrize(
    ("name", "watts"),
    # The lines of tegrastats: VDD_IN 3056 mW; GPU 0 + CPU 311 + SOC 932 + CV 0 + VDDRQ 621 + SYS5V 1482; VDD_IN 4067;
    # 2340 + 390 + 4025 + 301.
    [("tx2", 3.056), ("xavier", 3.346), ("xavier-nx", 4.065), ("orin", 7.055)],
)
def test_the_power_of_a_board_counts_nothing_twice(name, watts):
    found = read(jetson.find(snapshot(name), PROFILES[name].power))
    assert found["power_w/board"].value == pytest.approx(watts, abs=0.006)  # hwmon: whole milliamperes at 5 V
    for rail, milliwatts in rails(name).items():
        if rail != "NC":
            assert found[f"power_w/{rail}"].value == pytest.approx(milliwatts / 1e3, abs=0.003)
    assert not [name for name in found if "NC" in name or "sum" in name]


def test_the_sum_of_all_rails_of_a_tx2_would_be_too_much():
    found = read(jetson.find(snapshot("tx2"), PROFILES["tx2"].power))
    assert found["power_w/board"].value < sum(found[f"power_w/{rail}"].value for rail in rails("tx2"))


def test_a_rail_that_only_root_may_read_says_how_to_fix_it():
    found, unread = files("tx2")
    file = "/sys/bus/i2c/drivers/ina3221x/0-0041/iio:device1/in_power0_input"
    del found[file]
    readings = read(jetson.find(Snapshot(found, {**unread, file: Reason.FORBIDDEN}), PROFILES["tx2"].power))
    assert readings["power_w/board"].value is None
    assert "VDD_IN: not permitted; sudo chmod" in readings["power_w/board"].reason
    assert readings["power_w/VDD_SYS_CPU"].value == 0.152


def test_the_alias_of_older_releases_is_not_counted_twice():
    found, unread = files("tx2")
    alias = {path.replace("iio:device1", "iio_device"): text for path, text in found.items() if "iio:device1" in path}
    names = [figure.name for figure in jetson.find(Snapshot(found | alias, unread), PROFILES["tx2"].power)[0].figures]
    assert len(names) == len(set(names)) == 7


def test_a_board_without_its_chip_says_so():
    found = read(jetson.find(Snapshot({}), PROFILES["tx2"].power))
    assert "no INA3221" in found["power_w/board"].reason
    assert "no devfreq" in found["gpu_hz"].reason


def test_clocks_of_the_gpu():
    found = read(jetson.find(snapshot("tx2"), PROFILES["tx2"].power))
    assert (found["gpu_hz"].value, found["gpu_max_hz"].value) == (114.75e6, 1134.75e6)
    older = {"/sys/devices/17000000.gp10b/devfreq/17000000.gp10b/cur_freq": "1300500000"}
    assert read(jetson.find(Snapshot(older), None))["gpu_hz"].value == 1.3005e9


def test_over_current_events_of_an_orin_are_counted():
    assert read(jetson.find(snapshot("orin"), PROFILES["orin"].power))["throttle_events/oc1"].value == 1


def test_gated_zones_have_a_reason_and_the_constant_one_is_left_out():
    found = read(thermal.find(snapshot("orin")))
    assert found["temperature_c/CPU-therm"].value == 44.562
    for zone in ("CV0", "CV1", "CV2", "GPU"):
        assert "switched off" in found[f"temperature_c/{zone}-therm"].reason
    assert not [name for name in read(thermal.find(snapshot("tx2"))) if "PMIC" in name]


@pytest.mark.parametrize(("text", "value"), [("-256000", None), ("", None), ("what", None), ("-5000", -5.0)])
def test_a_zone_that_is_off_is_never_a_temperature(text, value):
    zone = "/sys/class/thermal/thermal_zone0"
    (reading,) = read(thermal.find(Snapshot({f"{zone}/type": "gpu", f"{zone}/temp": text}))).values()
    assert reading.value == value


def test_chips_of_a_pc_and_zones_of_one_name():
    found = read(
        thermal.find(
            Snapshot(
                {
                    "/sys/class/thermal/thermal_zone0/type": "acpitz",
                    "/sys/class/thermal/thermal_zone0/temp": "27800",
                    "/sys/class/thermal/thermal_zone1/type": "acpitz",
                    "/sys/class/thermal/thermal_zone1/temp": "29800",
                    "/sys/class/hwmon/hwmon2/name": "coretemp",
                    "/sys/class/hwmon/hwmon2/temp1_input": "51000",
                    "/sys/class/hwmon/hwmon2/temp1_label": "Package id 0",
                    "/sys/class/hwmon/hwmon3/name": "nvme",
                    "/sys/class/hwmon/hwmon3/temp1_input": "40000",
                    "/sys/class/thermal/cooling_device0/type": "gpu-balanced-throttle",
                    "/sys/class/thermal/cooling_device0/cur_state": "2",
                    "/sys/class/thermal/cooling_device1/type": "pwm-fan",
                    "/sys/class/thermal/cooling_device1/cur_state": "3",
                }
            )
        )
    )
    assert {name: reading.value for name, reading in found.items()} == {
        "temperature_c/acpitz": 27.8,
        "temperature_c/acpitz 2": 29.8,
        "temperature_c/coretemp Package id 0": 51.0,
        "cooling_state/gpu-balanced-throttle": 2,
    }


def test_the_clock_is_that_of_the_processors_we_may_use():
    policy = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"
    tree = {"/proc/self/status": "Cpus_allowed_list:\t0,2\n"}
    tree |= {policy.format(n): str(khz) for n, khz in enumerate((1_000_000, 9_000_000, 2_000_000))}
    assert read(cpu.find(Snapshot(tree)))["cpu_hz"].value == 1.5e9
    texts = {"/proc/cpuinfo": "processor: 0\ncpu MHz\t\t: 2000.5\n"}
    assert read(cpu.find(Snapshot(texts)))["cpu_hz"].value == 2.0005e9
    assert "virtual machine" in read(cpu.find(Snapshot({})))["cpu_hz"].reason


def test_throttled_cores_are_counted():
    folder = "/sys/devices/system/cpu/cpu{}/thermal_throttle"
    tree = {f"{folder.format(n)}/core_throttle_count": str(n + 1) for n in range(3)}
    assert read(cpu.find(Snapshot(tree)))["cpu_throttle_events"].value == 6


RAPL = "/sys/class/powercap"


def test_energy_is_that_of_all_packages_and_of_nothing_inside_or_around_them():
    tree = {}
    for place, name, energy in (
        ("intel-rapl:0", "package-0", 5_000_000),
        ("intel-rapl:0:0", "core", 3_000_000),
        ("intel-rapl:1", "package-1-die-0", 2_000_000),
        ("intel-rapl:2", "psys", 9_000_000),
    ):
        tree |= {f"{RAPL}/{place}/name": name, f"{RAPL}/{place}/energy_uj": str(energy)}
    assert read(rapl.find(Snapshot(tree)))["energy_j/cpu packages"].value == 7.0


def test_energy_that_only_root_may_read_says_how_to_fix_it():
    root = Snapshot({f"{RAPL}/intel-rapl:0/name": "package-0"}, {f"{RAPL}/intel-rapl:0/energy_uj": Reason.FORBIDDEN})
    assert "sudo chmod a+r" in read(rapl.find(root))["energy_j/cpu packages"].reason
    assert "virtual machines" in read(rapl.find(Snapshot({})))["energy_j/cpu packages"].reason


@given(
    st.integers(min_value=1000, max_value=262143328850),
    st.lists(st.integers(min_value=0, max_value=999), min_size=1, max_size=30),
    st.integers(min_value=0, max_value=262143328850),
)
def test_a_counter_that_starts_again_goes_on(limit, steps, start):
    counter = rapl.Unwrapped(limit)
    position = start % (limit + 1)
    first = counter.add(position)
    for step in steps:
        position = (position + step) % (limit + 1)
        last = counter.add(position)
    assert last - first == sum(steps)


def test_a_counter_on_disk_that_starts_again(tmp_path):
    folder = tmp_path / "sys/class/powercap/intel-rapl:0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("package-0")
    (folder / "max_energy_range_uj").write_text("262143328850")
    (folder / "energy_uj").write_text("262143000000")
    (sensor,) = rapl.find(Local(tmp_path))
    before = sensor.read()["energy_j/cpu packages"].value
    (folder / "energy_uj").write_text("671149")
    assert sensor.read()["energy_j/cpu packages"].value - before == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["tx2", "xavier", "xavier-nx", "orin"])
def test_every_sensor_of_a_board(tmp_path, name):
    found = read(find_sensors(PROFILES[name], board(tmp_path, name)))
    assert found["power_w/board"].value
    assert found["cpu_hz"].value
    assert any(figure.startswith("temperature_c/") for figure in found)


def test_this_machine_has_values_or_reasons():
    assert read(find_sensors(PROFILES["cpu"]))
