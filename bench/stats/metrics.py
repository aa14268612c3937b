"""The figures that a record holds, in SI: one line each.

Data frames and SQL, tables, axes, the Pareto front, `compare`, `check` and `history` all read `METRICS`. A name ends in
its unit. Only what people see is scaled, by `Metric.unit`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal

from ..record.record import Record
from ..record.sensing import Energy, EnergyBlock
from .accuracy import known_accuracy
from .summary import throughput

ACCURACY_15FPS_RATE = 15.0  # frames/s: the rate at which the paper's Table 3 has networks of both kinds

Better = Literal["lower", "higher"]
Value = Callable[[Record], float | None]  # None where the record has no such figure; 0 is a value


@dataclass(frozen=True)
class Unit:
    """What a figure is shown in: `ms` are 1e-3 of a second."""

    text: str
    size: float = 1.0  # in SI

    def of(self, value: float) -> float:
        """A figure in SI, in this unit. Multiplied by 1000 rather than divided by a thousandth: that is exact."""
        return value / self.size if self.size >= 1 else value * round(1 / self.size)


S, MS = Unit("s"), Unit("ms", 1e-3)
MB, K, M, G = Unit("MB", 1e6), Unit("K", 1e3), Unit("M", 1e6), Unit("G", 1e9)
MJ, PER_S, PERCENT = Unit("mJ", 1e-3), Unit("predictions/s"), Unit("%")


@dataclass(frozen=True)
class Metric:
    """One figure: where it is, and which direction is better."""

    name: str  # its column, with its unit: latency_s, peak_allocated_bytes
    word: str  # what people type: --metric latency, --accept macs
    label: str  # for axes and heads
    unit: Unit  # what it is shown in
    better: Better
    value: Value  # in SI
    explains: str
    noisy: bool = False  # True where two runs on one machine differ


def _counter(name: str) -> Value:
    return lambda record: getattr(record.counters, name) if record.counters else None


def _timing(name: str) -> Value:
    return lambda record: getattr(record.timing, name) if record.timing else None


def _cuda(name: str) -> Value:
    return lambda record: getattr(record.cuda, name) if record.cuda else None


def _cuda_memory(name: str) -> Value:
    return lambda record: getattr(record.cuda.memory, name) if record.cuda and record.cuda.memory else None


def _accuracy(record: Record) -> float | None:
    known = known_accuracy(record, record.model).main
    return known.top1 if known else None


def _accuracy_15fps(record: Record) -> float | None:
    known = known_accuracy(record, record.model).on_camera(ACCURACY_15FPS_RATE)
    return known.top1 if known else None


def _throughput(record: Record) -> float | None:
    return throughput(record.timing.samples, record.case.batch) if record.timing else None


def _per_stream(record: Record) -> float | None:
    # Every row of a batch gets one answer a call, so a stream's rate is that of calls.
    return throughput(record.timing.samples, batch=1) if record.timing else None


def _latency(record: Record) -> float | None:
    return median(record.timing.samples.latency_s) if record.timing else None


def _device_time(record: Record) -> float | None:
    cuda = record.cuda if record.timing else None
    return median(cuda.device_s) if cuda and cuda.device_s else None


def _reaction(name: str) -> Value:
    return lambda record: getattr(record.camera.reaction, name) if record.camera and record.camera.reaction else None


def _of_a_prediction(record: Record, energy_j: Callable[[EnergyBlock], float]) -> float | None:
    busy = record.energy.busy if record.energy else ()
    calls = sum(block.calls for block in busy)
    return math.fsum(map(energy_j, busy)) / (calls * record.case.batch) if calls else None


def _energy(record: Record) -> float | None:
    return _of_a_prediction(record, lambda block: block.energy_j)


def idle_power_w(energy: Energy | None) -> float | None:
    """Of the idle blocks between those of predictions; None where there are none."""
    idle = energy.idle if energy else ()
    seconds = sum(block.seconds for block in idle)
    return sum(block.energy_j for block in idle) / seconds if seconds else None


def _energy_above_idle(record: Record) -> float | None:
    idle_w = idle_power_w(record.energy)
    return None if idle_w is None else _of_a_prediction(record, lambda each: each.energy_j - idle_w * each.seconds)


# fmt: off
# The whole table: a new metric is one line here.
METRICS: tuple[Metric, ...] = (
    Metric("accuracy_top1_percent", "accuracy", "top-1 accuracy", PERCENT, "higher", _accuracy,
           "of a case as `evaluate` measured it, else of float32 as published: by `accuracy_source`, for "
           "`accuracy_frames_per_s` and `accuracy_view`"),
    Metric("throughput_per_s", "throughput", "throughput", PER_S, "higher", _throughput,
           "predictions / total time of the timed calls", noisy=True),
    Metric("per_stream_per_s", "per_stream", "throughput per stream", PER_S, "higher", _per_stream,
           "of each stream, or row of clips, of a batch: calls / total time", noisy=True),
    Metric("latency_s", "latency", "median latency", MS, "lower", _latency,
           "median of the timed calls", noisy=True),
    Metric("device_s", "device_time", "median time on the device", MS, "lower", _device_time,
           "median time of a timed call on the GPU alone, by events on its stream; launches are not in it", noisy=True),
    Metric("macs", "macs", "MACs per prediction", G, "lower", _counter("macs"),
           "multiply-accumulates of one prediction at batch 1, counted as the paper counts"),
    Metric("parameters", "parameters", "parameters", M, "lower", _counter("parameters"),
           "learned numbers of the network"),
    Metric("peak_allocated_bytes", "peak_allocated", "peak allocated memory", MB, "lower",
           _counter("peak_allocated_bytes"), "weights, state, input and the highest transient of one prediction"),
    Metric("state_bytes", "state", "state", MB, "lower", _counter("state_bytes"),
           "what a frame network carries from frame to frame"),
    Metric("peak_rss_bytes", "peak_rss", "peak resident memory", MB, "lower", lambda record: record.peak_rss_bytes,
           "highest resident memory of the whole process, libraries included", noisy=True),
    Metric("first_prediction_s", "first_prediction", "first prediction", MS, "lower", _timing("first_prediction_s"),
           "the very first prediction of a fresh process", noisy=True),
    Metric("energy_j", "energy", "energy per prediction", MJ, "lower", _energy,
           "of one prediction, idle part included; what the sensor measures differs by device", noisy=True),
    Metric("energy_above_idle_j", "energy_above_idle", "energy per prediction above idle", MJ, "lower",
           _energy_above_idle, "of one prediction, beyond what the device takes in the same time when idle",
           noisy=True),
    Metric("load_s", "load", "load", MS, "lower", _timing("load_s"),
           "building the network and its weights", noisy=True),
    Metric("prepare_s", "prepare", "preparation", S, "lower", _timing("prepare_s"),
           "what the engine does once before it can be called: folding, exporting, compiling", noisy=True),
    Metric("to_device_s", "to_device", "copy to the GPU", MS, "lower", _cuda("to_device_s"),
           "copy of an input to the GPU, median; not in the latency", noisy=True),
    Metric("to_host_s", "to_host", "copy from the GPU", MS, "lower", _cuda("to_host_s"),
           "copy of an answer back, median; not in the latency", noisy=True),
    Metric("cuda_allocated_bytes", "cuda_allocated", "allocated memory of the GPU", MB, "lower",
           _cuda_memory("peak_allocated_bytes"), "peak of live tensors on the GPU", noisy=True),
    Metric("cuda_reserved_bytes", "cuda_reserved", "reserved memory of the GPU", MB, "lower",
           _cuda_memory("peak_reserved_bytes"), "what torch took of the GPU's memory for them", noisy=True),
    Metric("available_drop_bytes", "available_drop", "fall of free memory", MB, "lower",
           _cuda_memory("available_drop_bytes"),
           "by how much free memory fell where CPU and GPU share it: context and libraries are in it", noisy=True),
    Metric("reaction_half_s", "reaction", "reaction to a new scene, half of the way", S, "lower", _reaction("half_s"),
           "after a change of scene, until half of the way to the new answer; median of the scenes"),
    Metric("reaction_nine_tenths_s", "reaction_nine_tenths", "reaction to a new scene, nine tenths of the way", S,
           "lower", _reaction("nine_tenths_s"), "after a change of scene, until nine tenths of the way"),
    Metric("accuracy_15fps_percent", "accuracy_15fps", "top-1 accuracy at 15 frames/s", PERCENT, "higher",
           _accuracy_15fps, "of 15 frames/s and one clip, or the steady state of a frame network: as measured, else of "
           "float32 as published"),
)
# fmt: on
_BY_NAME = {known: metric for metric in METRICS for known in (metric.name, metric.word)}


def get_metric(name: str) -> Metric:
    """The metric of that name or word; KeyError names the words there are."""
    if name not in _BY_NAME:
        raise KeyError(f"no metric {name!r}; there are {', '.join(metric.word for metric in METRICS)}")
    return _BY_NAME[name]
