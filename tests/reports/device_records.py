"""Records with sensors, energy and a GPU, as four kinds of machines give them. Invented figures, real names."""

from __future__ import annotations

from typing import Any

from co3d_bench.bench.record.cuda_facts import CudaFacts, CudaFlags, CudaMemory
from co3d_bench.bench.record.record import Record
from co3d_bench.bench.record.sensing import Energy, EnergyBlock, InMinute, SensorFigure, Sensors, Spread

from ..factories import make_case, make_environment, make_machine, make_record

RAPL = "energy_j/cpu packages"
RAPL_QUANTITY = "of all packages; memory and the board are not in it"
FORBIDDEN = "not permitted; sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj    # until the next boot"
NO_HEAT = "no thermal zone; a virtual machine mostly hides them"


def gauge(name: str, before: float, low: float, middle: float, high: float, note: str | None = None) -> SensorFigure:
    return SensorFigure(
        name=name,
        note=note,
        before=before,
        during=Spread(min=low, median=middle, max=high, count=20),
        after=middle,
    )


def counter(name: str, added: float) -> SensorFigure:
    return SensorFigure(name=name, kind="counter", before=10.0, added=added, after=10.0 + added)


def lacking(name: str, reason: str, **changes: Any) -> SensorFigure:
    return SensorFigure(name=name, reason=reason, **changes)


def seen(*figures: SensorFigure) -> Sensors:
    return Sensors(figures=figures, interval_s=0.5, readings=40, sampler_cpu_s=0.08, watched_s=20.0)


def energy_of(
    source: str, quantity: str, busy_w: float, idle_w: float, call_s: float, seconds: float, fresh: tuple[int, ...]
) -> Energy:
    """Three blocks of calls, each of `call_s`, at so many watts, and four idle ones."""
    calls = round(seconds / call_s)
    busy = tuple(
        EnergyBlock(seconds=seconds, calls=calls, energy_j=busy_w * seconds, fresh_readings=count) for count in fresh
    )
    idle = (EnergyBlock(seconds=seconds, calls=0, energy_j=idle_w * seconds, fresh_readings=9),) * 4
    return Energy(source=source, quantity=quantity, busy=busy, idle=idle)


def by_minute(*, heat: bool = True, counted: bool = True) -> Sensors:
    """Two minutes of a PC that gets hot and is throttled in the second; zones and counters may be missing."""

    def minutes(*values: float) -> tuple[InMinute, ...]:
        return tuple(InMinute(during=Spread(min=value, median=value, max=value, count=120)) for value in values)

    throttled = counter("cpu_throttle_events", 7.0).model_copy(
        update={"minutes": (InMinute(added=0.0), InMinute(added=7.0))}
    )
    return seen(
        gauge("cpu_hz", 3e9, 2e9, 2.5e9, 3e9).model_copy(update={"minutes": minutes(3e9, 2e9)}),
        throttled if counted else lacking("cpu_throttle_events", "this kernel or processor counts none"),
        *(
            gauge(f"temperature_c/{name}", 40, 50, highest, highest).model_copy(update={"minutes": minutes(*each)})
            for name, highest, each in (("Core 0", 85, (60, 85)), ("Core 1", 70, (55, 70)))
            if heat
        ),
        *([] if heat else [lacking("temperature_c", NO_HEAT)]),
    )


def on_pc(model: str = "x3d-m", /, **changes: Any) -> Record:
    """A PC whose RAPL may be read: 20 W at 25 ms a call, 5 W when idle; its hottest core reached 71 degrees."""
    basis = {
        "sensors": seen(
            gauge("cpu_hz", 3.4e9, 2.9e9, 3.1e9, 3.4e9, "the mean over the processors this process may use"),
            counter("cpu_throttle_events", 0.0),
            gauge("temperature_c/coretemp Package id 0", 41.0, 52.0, 63.0, 68.5),
            gauge("temperature_c/coretemp Core 0", 40.0, 55.0, 66.0, 71.0),
            counter(RAPL, 321.0),
        ),
        "energy": energy_of(RAPL, RAPL_QUANTITY, 20.0, 5.0, 0.025, 2.0, (38, 40, 39)),
    }
    return make_record(model, **{**basis, **changes})


def on_locked_pc(model: str = "x3d-m", /, **changes: Any) -> Record:
    """The same with RAPL for root alone."""
    record = on_pc(model)
    figures = [f for f in record.sensors.figures if f.name != RAPL] if record.sensors else []
    basis = {
        "sensors": seen(*figures, lacking(RAPL, FORBIDDEN, kind="counter")),
        "energy": Energy(reason=f"{RAPL}: {FORBIDDEN}"),
    }
    return record.model_copy(update={**basis, **changes})


def on_virtual_machine(model: str = "x3d-m", /, **changes: Any) -> Record:
    """A machine that tells nothing but a constant clock."""
    reason = "no RAPL in /sys/class/powercap; virtual machines and containers mostly hide it"
    basis = {
        "sensors": seen(
            gauge("cpu_hz", 2.6e9, 2.6e9, 2.6e9, 2.6e9, "from /proc/cpuinfo; in a virtual machine often a constant"),
            lacking("cpu_throttle_events", "this kernel or processor counts none", kind="counter"),
            lacking("temperature_c", NO_HEAT),
            lacking(RAPL, reason, kind="counter"),
        ),
        "energy": Energy(reason=f"{RAPL}: {reason}"),
    }
    return make_record(model, **{**basis, **changes})


def on_board(model: str = "x3d-m", /, fell: bool = False, **changes: Any) -> Record:
    """A Xavier of the user's own; where it `fell`, the cap of its GPU clock did."""
    cap = 1.377e9
    machine = make_machine(cpu_model="ARMv8 Processor rev 0 (v8l)", architecture="aarch64", logical_cores=8)
    basis = {
        "case": make_case(model, device="my-xavier", backend="aten-json", threads=8),
        "device_kind": "xavier",
        "environment": make_environment(machine=machine),
        "sensors": seen(
            gauge("power_w/board", 6.1, 11.2, 14.6, 16.9, "sum of rails: GPU + CPU + SOC + CV + VDDRQ + SYS5V"),
            gauge("power_w/GPU", 0.9, 5.1, 6.0, 6.4),
            gauge("gpu_hz", cap, cap * (0.6 if fell else 1), cap * (0.7 if fell else 1), cap),
            gauge("gpu_max_hz", cap, cap * (0.7 if fell else 1), cap, cap, "the cap now"),
            gauge("temperature_c/CPU-therm", 38.0, 44.0, 47.0, 49.5),
            gauge("temperature_c/GPU-therm", 37.5, 45.0, 52.0, 55.0),
            lacking("temperature_c/AUX-therm", "switched off with the part of the chip it belongs to"),
            gauge("cpu_hz", 2.2656e9, 2.2656e9, 2.2656e9, 2.2656e9, "the mean over the processors we may use"),
        ),
        "energy": energy_of("power_w/board", "sum of rails", 15.0, 6.0, 0.05, 10.0, (23, 24, 24)),
    }
    return make_record(model, **{**basis, **changes})


def on_card(model: str = "x3d-m", /, **changes: Any) -> Record:
    """A graphics card beside a PC, its own time for each call half of the wall clock's; 250 W at 10 ms a call."""
    record = make_record(model)
    latency_s = record.timing.samples.latency_s if record.timing else []
    basis = {
        "case": make_case(model, device="rtx3090"),
        "device_kind": "rtx3090",
        "sensors": seen(
            gauge("cpu_hz", 3.4e9, 3.3e9, 3.4e9, 3.4e9),
            counter("cpu_throttle_events", 0.0),
            gauge("temperature_c/coretemp Package id 0", 41.0, 52.0, 63.0, 68.5),
            gauge("gpu_hz", 2.1e8, 1.695e9, 1.755e9, 1.86e9),
            gauge("gpu_memory_hz", 4.05e8, 9.751e9, 9.751e9, 9.751e9),
            gauge("power_w/gpu", 28.0, 180.0, 311.0, 349.0, "of the whole card"),
            gauge("temperature_c/gpu", 35.0, 48.0, 61.0, 66.0),
            SensorFigure(name="gpu_throttle", kind="flags", words=("power cap (software)",)),
            counter("gpu_power_capped_s", 3.2),
            lacking("gpu_thermal_capped_s", "not supported", kind="counter"),
        ),
        "energy": energy_of("energy_j/gpu", "of the whole card", 250.0, 30.0, 0.01, 5.0, (48, 49, 50)),
        "cuda": CudaFacts(
            name="NVIDIA GeForce RTX 3090",
            capability="8.6",
            cuda="13.0",
            cudnn="91002",
            flags=CudaFlags(cudnn_benchmark=True, cudnn_tf32=False, matmul_tf32=False),
            device_s=[latency / 2 for latency in latency_s],
            to_device_s=0.00042,
            to_host_s=0.00003,
            memory=CudaMemory(peak_allocated_bytes=131_000_000, peak_reserved_bytes=188_000_000),
        ),
    }
    return make_record(model, **{**basis, **changes})
