import pytest

from co3d_bench.devices.sensors import nvml

from ..nvml import FakeNvml, card

GIB = 1 << 30
LOADED = card(
    clocks={1: 1545, 2: 7000},
    power_mw=152_000,
    energy_mj=5_000_500,
    temperature=65,
    reasons=0x1 | 0x4,
    used=3 * GIB,
    processes=(1, 42),
    violations={0: 2_000_000_000, 1: 0},
)


def read(fake, mine=frozenset({42})):
    (sensor,) = nvml.find(fake, mine)
    readings = sensor.read()
    assert set(readings) == {figure.name for figure in sensor.figures}
    return readings


def test_every_figure_of_a_card():
    found = read(FakeNvml(LOADED))
    assert {name: reading.value for name, reading in found.items() if reading.value is not None} == {
        "gpu_hz": 1545e6,
        "gpu_memory_hz": 7e9,
        "power_w/gpu": 152.0,
        "energy_j/gpu": pytest.approx(5000.5),
        "temperature_c/gpu": 65,
        "gpu_memory_used_bytes": 3 * GIB,
        "gpu_other_processes": 1,
        "gpu_power_capped_s": 2.0,
        "gpu_thermal_capped_s": 0.0,
    }
    assert found["gpu_throttle"].words == ("power cap (software)",)


def test_what_a_card_does_not_support_is_a_reason_and_never_0():
    found = read(FakeNvml(LOADED, fails={"nvmlDeviceGetTotalEnergyConsumption": "NotSupported"}))
    assert found["energy_j/gpu"].value is None
    assert "not supported" in found["energy_j/gpu"].reason
    assert found["power_w/gpu"].value == 152.0


def test_an_old_driver_knows_the_reasons_by_their_old_name():
    fake = FakeNvml(LOADED, fails={"nvmlDeviceGetCurrentClocksEventReasons": "FunctionNotFound"})
    assert read(fake)["gpu_throttle"].words == ("power cap (software)",)
    assert "nvmlDeviceGetCurrentClocksThrottleReasons" in fake.asked


@pytest.mark.parametrize(
    ("bits", "words", "invalid"),
    [
        (0x0, [], False),
        (0x1 | 0x2, [], False),
        (0x4, ["power cap (software)"], False),
        (0x8 | 0x40, ["slowdown (hardware)", "thermal slowdown (hardware)"], True),
        (0x20, ["thermal slowdown (software)"], True),
        (0x80, ["power brake (hardware)"], True),
        (0x1000, ["bit 0x1000"], False),
    ],
)
def test_reasons(bits, words, invalid):
    assert nvml.flags(bits) == words
    assert bool(nvml.INVALID & set(words)) == invalid


def test_the_bits_are_those_of_the_library():
    import pynvml

    for bit, name in (
        (0x1, "GpuIdle"),
        (0x4, "SwPowerCap"),
        (0x8, "HwSlowdown"),
        (0x20, "SwThermalSlowdown"),
        (0x40, "HwThermalSlowdown"),
        (0x80, "HwPowerBrakeSlowdown"),
    ):
        assert getattr(pynvml, f"nvmlClocksEventReason{name}") == bit
    assert (pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM, pynvml.NVML_TEMPERATURE_GPU) == (1, 2, 0)
    assert (pynvml.NVML_PERF_POLICY_POWER, pynvml.NVML_PERF_POLICY_THERMAL) == (0, 1)


def test_the_card_is_the_one_that_cuda_sees(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert read(FakeNvml(LOADED, {**LOADED, "temperature": 30}))["temperature_c/gpu"].value == 30


def test_without_a_driver_every_figure_has_the_reason():
    found = read(FakeNvml(fails={"nvmlDeviceGetCount": "LibraryNotFound"}))
    assert {reading.value for reading in found.values()} == {None}
    assert "not installed" in found["power_w/gpu"].reason
