"""Realistic records without measuring anything: the six default networks on an imaginary two-core machine.

Everything is deterministic. The published figures are typed in from the paper's Table 1, so that tests of tables
and charts do not depend on the zoo. Latencies are log-normal around a typical value, as an idle machine gives them.
"""

from __future__ import annotations

import math
import random
from typing import Any, Literal
from zlib import crc32

from co3d_bench.bench.record.case import Case, Drop, EvaluationSetup
from co3d_bench.bench.record.evaluation import Evaluation, Share
from co3d_bench.bench.record.record import (
    BatchSearch,
    BatchTrial,
    Counters,
    Engine,
    Environment,
    Failure,
    Machine,
    ModelFacts,
    ProcessFacts,
    Published,
    PublishedAccuracy,
    Record,
    ReferenceWorkload,
    Samples,
    Settings,
    Timing,
    Verification,
)

DEFAULT_MODELS = ("x3d-xs", "x3d-s", "x3d-m", "cox3d-s-13", "cox3d-m-16", "cox3d-m-64")

_SOURCE = "Hedegaard and Iosifidis, ECCV 2022, Table 1"


# (top-1 at the trained rate, that rate in frames/s, what it saw then, top-1 at 15 frames/s): Tables 1 and 3
_ACCURACIES: dict[str, tuple[float, float, str, float | None]] = {
    "x3d-xs": (59.37, 2.5, "one clip", None),
    "x3d-s": (64.71, 5.0, "one clip", 51.0),
    "x3d-m": (67.24, 6.0, "one clip", 62.1),
    "cox3d-s-13": (60.18, 5.0, "whole film", 49.2),
    "cox3d-m-16": (62.80, 6.0, "whole film", 56.3),
    "cox3d-m-64": (71.03, 6.0, "whole film", 64.9),
}


def _accuracies(model: str) -> tuple[PublishedAccuracy, ...]:
    top1, frames_per_s, view, at_15_per_s = _ACCURACIES[model]
    first = PublishedAccuracy(top1=top1, frames_per_s=frames_per_s, view=view, source=_SOURCE)
    if at_15_per_s is None:
        return (first,)
    view = "one clip" if view == "one clip" else "steady state"
    return first, PublishedAccuracy(top1=at_15_per_s, frames_per_s=15.0, view=view, source=_SOURCE.replace("1", "3"))


def _published(model: str, memory_mb: float, macs_g: float, *rates: tuple[float, float]) -> Published:
    devices = ("cpu", "tx2", "xavier", "rtx2080ti")
    accuracies = _accuracies(model)
    return Published(
        source=_SOURCE,
        accuracy_top1=accuracies[0].top1,
        accuracies=accuracies,
        parameters_m=3.79,
        max_allocated_mb=memory_mb,
        macs_g=macs_g,
        throughput=dict(zip(devices, rates, strict=True)),
    )


PUBLISHED = {
    "x3d-xs": _published("x3d-xs", 28.79, 0.64, (8.26, 0.11), (8.20, 0.09), (135.39, 0.78), (819.87, 4.13)),
    "x3d-s": _published("x3d-s", 61.29, 2.06, (2.23, 0.11), (2.68, 0.01), (42.02, 0.13), (276.45, 1.28)),
    "x3d-m": _published("x3d-m", 126.29, 4.97, (0.83, 0.04), (1.47, 0.00), (17.47, 0.00), (116.07, 0.50)),
    "cox3d-s-13": _published("cox3d-s-13", 41.91, 0.17, (13.16, 0.35), (11.06, 0.03), (219.64, 3.18), (939.72, 51.00)),
    "cox3d-m-16": _published("cox3d-m-16", 68.88, 0.33, (7.57, 0.14), (7.26, 0.13), (88.79, 4.62), (844.73, 51.97)),
    "cox3d-m-64": _published("cox3d-m-64", 68.96, 0.33, (7.51, 0.17), (7.04, 0.03), (86.42, 4.87), (796.32, 65.47)),
}

_FACTS: dict[str, dict[str, Any]] = {
    "x3d-xs": {"title": "X3D-XS", "form": "clip", "input_shape": (3, 4, 160, 160), "receptive_field": 4},
    "x3d-s": {"title": "X3D-S", "form": "clip", "input_shape": (3, 13, 160, 160), "receptive_field": 13},
    "x3d-m": {"title": "X3D-M", "form": "clip", "input_shape": (3, 16, 224, 224), "receptive_field": 16},
    "cox3d-s-13": {
        "title": "CoX3D-S (13)",
        "form": "frame",
        "input_shape": (3, 160, 160),
        "receptive_field": 69,
        "padding": 28,
        "delay": 40,
        "counterpart": "x3d-s",
    },
    "cox3d-m-16": {
        "title": "CoX3D-M (16)",
        "form": "frame",
        "input_shape": (3, 224, 224),
        "receptive_field": 72,
        "padding": 28,
        "delay": 43,
        "counterpart": "x3d-m",
    },
    "cox3d-m-64": {
        "title": "CoX3D-M (64)",
        "form": "frame",
        "input_shape": (3, 224, 224),
        "receptive_field": 120,
        "padding": 28,
        "delay": 91,
        "counterpart": "x3d-m",
        "extends": "cox3d-m-16",
    },
}

# model: MACs, state bytes, peak allocated bytes, typical latency in seconds on the imaginary machine
_FIGURES = {
    "x3d-xs": (635_560_544, 0, 31_200_000, 0.0391),
    "x3d-s": (2_061_365_744, 0, 63_900_000, 0.1180),
    "x3d-m": (4_970_008_352, 0, 131_500_000, 0.2870),
    "cox3d-s-13": (166_565_305, 2_390_000, 22_100_000, 0.0140),
    "cox3d-m-16": (325_456_057, 4_020_000, 26_400_000, 0.0254),
    "cox3d-m-64": (325_476_793, 4_103_000, 26_500_000, 0.0259),
}


def make_case(model: str = "x3d-m", **changes: Any) -> Case:
    """A case on the CPU with two threads."""
    return Case(**({"model": model, "threads": 2} | changes))


def make_model(model: str = "x3d-m", **changes: Any) -> ModelFacts:
    """The facts of one of the default networks; of an unknown name, those of X3D-M under that name."""
    facts = _FACTS.get(model, _FACTS["x3d-m"] | {"title": model})
    basis = {
        "name": model,
        "trained_frames_per_s": _ACCURACIES[model][1] if model in _ACCURACIES else None,
        "family": model.split("-")[0],
        "classes": 400,
        "published": PUBLISHED.get(model),
        **facts,
    }
    return ModelFacts(**(basis | changes))


def make_samples(
    typical_s: float = 0.25,
    count: int = 100,
    seed: int | str = 0,
    spread: float = 0.012,
    disturbed_share: float = 0.04,
) -> Samples:
    """Latencies around `typical_s`; a share of them is interrupted and 8 to 60 % slower."""
    draw = random.Random(f"samples-{seed}")
    latency_s, switches, steal_s = [], [], []
    for _ in range(count):
        latency = typical_s * math.exp(draw.gauss(0.0, spread))
        hit = draw.random() < disturbed_share
        latency_s.append(round(latency * (draw.uniform(1.08, 1.6) if hit else 1.0), 9))
        switches.append(draw.randint(6, 18) if hit else draw.randint(0, 1))
        steal_s.append(0.01 if hit and draw.random() < 0.3 else 0.0)
    return Samples(latency_s=latency_s, involuntary_switches=switches, steal_s=steal_s)


def make_machine(**changes: Any) -> Machine:
    """An imaginary small x86 board."""
    basis = {
        "cpu_model": "Imaginary Core i3-1005 @ 1.20GHz",
        "architecture": "x86_64",
        "physical_cores": 2,
        "logical_cores": 2,
        "memory_bytes": 8_000_000_000,
        "os": "Debian GNU/Linux 13",
        "kernel": "6.12.0",
        "container": None,
    }
    return Machine(**(basis | changes))


def make_environment(**changes: Any) -> Environment:
    """The machine, the process and the versions of every default record; `machine` may be replaced."""
    process = ProcessFacts(
        affinity=(0, 1),
        governor="performance",
        frequency_hz=3.4e9,
        intra_op_threads=2,
        inter_op_threads=1,
        load_average_1min=0.12,
        memory_limit_bytes=None,
    )
    basis = {
        "machine": make_machine(),
        "process": process,
        "versions": {"python": "3.13.5", "torch": "2.13.0", "co3d_bench": "0.1.0", "ptflops": "0.7.3"},
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "git_dirty": False,
    }
    return Environment(**(basis | changes))


def make_record(model: str = "x3d-m", /, *, samples: Samples | None = None, **changes: Any) -> Record:
    """A measured record of one network; any field of `Record` may be replaced."""
    macs, state, peak, typical_s = _FIGURES.get(model, _FIGURES["x3d-m"])
    samples = samples or make_samples(typical_s, seed=model)
    facts = changes.pop("model", None) or make_model(model)
    basis: dict[str, Any] = {
        "run_id": "run-1",
        "started_at": "2026-11-22T12:00:00Z",
        "duration_s": 40.0,
        "case": make_case(model),
        "settings": Settings(runs=len(samples)),
        "model": facts,
        "environment": make_environment(),
        "counters": Counters(
            macs=macs,
            counter="ptflops 0.7.3 (module hooks)",
            parameters=3_794_322,
            weights_bytes=15_300_000,
            state_bytes=state,
            input_bytes=4 * math.prod(facts.input_shape),
            peak_allocated_bytes=peak,
        ),
        "timing": Timing(
            load_s=0.21,
            first_prediction_s=round(3.1 * typical_s, 6),
            warmup_predictions=10 if facts.form == "clip" else facts.receptive_field or 10,
            warmup_s=round(11 * typical_s, 6),
            samples=samples,
            sampling_wall_s=round(1.01 * math.fsum(samples.latency_s), 6),
            harness_cpu_share=0.002,
        ),
        "peak_rss_bytes": 412_000_000,
        "verification": Verification(reference="the clip network", relative_error=2.1e-7, tolerance=1e-5, passed=True)
        if facts.form == "frame"
        else None,
    }
    return Record(**(basis | changes))


WEIGHTS = "x3d_m.pyth sha256:0123456789ab"


def make_accuracy_record(
    model: str = "x3d-m",
    /,
    top1: float = 0.6,
    films: int = 500,
    *,
    data: str = "val",
    fps: float | None = None,
    drop: Drop | None = None,
    weights: str = WEIGHTS,
    **setting: Any,
) -> Record:
    """The accuracy of one network over so many films, with an interval of five points to each side."""
    setup = EvaluationSetup(
        data=data, films=films, sha256=f"{crc32(f'{data} {films}'.encode()):012x}", fps=fps, drop=drop
    )
    run = Evaluation(
        data=data,
        asked=films,
        scored=films,
        classes=400,
        top1=Share(value=top1, low=top1 - 0.05, high=top1 + 0.05),
        predictions="0" * 64,
        duration_s=1.0,
        network_s=0.5,
        waited_s=0.5,
        decoders=2,
    )
    case = make_case(model, evaluation=setup, **setting)
    record = make_record(model, case=case, model=make_model(model, weights=weights))
    return record.model_copy(update={"timing": None, "evaluation": run})


def make_noisy_record(model: str = "x3d-m", /, **changes: Any) -> Record:
    """A record beside which other work kept a core busy, so that it carries a warning."""
    typical_s = _FIGURES.get(model, _FIGURES["x3d-m"])[3]
    samples = make_samples(typical_s, seed=f"{model}-noisy", spread=0.09, disturbed_share=0.7)
    record = make_record(model, samples=samples, **changes)
    return with_timing(record, background_load=0.94)


def with_timing(record: Record, **changes: Any) -> Record:
    """The same record with some of its timing changed."""
    assert record.timing
    return record.model_copy(update={"timing": record.timing.model_copy(update=changes)})


# backend: name and version as the engine tells them, provider, speed against eager, build in s, artefact in bytes
_ENGINES: dict[str, tuple[str, str, str | None, float, float, int | None]] = {
    "eager": ("PyTorch", "2.13.0", None, 1.0, 0.0, None),
    "fused": ("PyTorch", "2.13.0", None, 1.9, 0.1, None),
    "compile": ("PyTorch", "2.13.0", "inductor", 3.2, 61.0, 21_000_000),
    "onnxruntime": ("ONNX Runtime", "1.23.2", "CPUExecutionProvider", 4.1, 2.4, 15_400_000),
    "openvino": ("OpenVINO", "2026.1.0", "CPU", 7.3, 3.8, 15_900_000),
}
BACKENDS = tuple(_ENGINES)
# precision: speed against float32, largest relative difference, top-1 agreement, tolerance
_PRECISIONS = {"fp32": (1.0, 4.1e-7, 1.0, 1e-4), "bf16": (1.4, 1.3e-2, 0.991, 1e-1), "int8": (1.8, 0.11, 0.87, 3e-1)}


def on_machine_of_speed(record: Record, slower: float, work: str = "the work") -> Record:
    """The same process where everything took `slower` times as long, the reference workload included."""
    assert record.timing
    samples = record.timing.samples.model_copy(
        update={"latency_s": [slower * each for each in record.timing.samples.latency_s]}
    )
    return with_timing(
        record, samples=samples, reference=ReferenceWorkload(name=work, readings_s=(0.01 * slower,) * 10)
    )


def make_engine_record(
    model: str = "x3d-m", /, backend: str = "onnxruntime", precision: str = "fp32", **changes: Any
) -> Record:
    """A network measured by one of the engines of a small machine, each with its usual gain."""
    name, version, provider, gain, prepare_s, artefact = _ENGINES[backend]
    factor, difference, agreement, tolerance = _PRECISIONS[precision]
    is_reference = (backend, precision) == ("eager", "fp32")
    typical_s = _FIGURES.get(model, _FIGURES["x3d-m"])[3] / gain / factor
    record = make_record(
        model,
        samples=make_samples(typical_s, seed=f"{model}-{backend}-{precision}"),
        case=make_case(model, backend=backend, precision=precision),
    )
    basis: dict[str, Any] = {
        "timing": record.timing and record.timing.model_copy(update={"prepare_s": prepare_s}),
        "engine": Engine(name=name, version=version, provider=provider, threads=2, artefact_bytes=artefact),
        "verification": Verification(
            reference="the clip form" if is_reference else "the eager network in fp32 on a stream of 1000 frames",
            relative_error=2.1e-7 if is_reference else difference,
            tolerance=tolerance,
            passed=True,
            relative_l2=None if is_reference else difference / 3,
            top1_agreement=None if is_reference else agreement,
            compared=None if is_reference else 1000,
        ),
    }
    return record.model_copy(update=basis | changes)


def make_wrong_record(model: str = "x3d-m", /, **asked: Any) -> Record:
    """An engine whose answers are off: what was compared is known, and nothing of its speed."""
    record = make_engine_record(model, **asked)
    check = record.verification and record.verification.model_copy(
        update={"relative_error": 0.42, "relative_l2": 0.21, "top1_agreement": 0.31, "passed": False}
    )
    message = (
        "the output is 0.42 off the eager network in fp32 (relative; at most 0.1 is right), so its speed is not given"
    )
    return record.model_copy(
        update={"timing": None, "verification": check, "error": Failure(kind="wrong-answer", message=message)}
    )


def make_engine_records() -> list[Record]:
    """Three networks by five engines in two precisions, one of them wrong and one that could not be run."""
    records = []
    for model in ("x3d-m", "cox3d-m-16", "cox3d-m-64"):
        for backend in BACKENDS:
            for precision in ("fp32", "bf16"):
                asked = {"backend": backend, "precision": precision}
                if (model, backend, precision) == ("cox3d-m-16", "onnxruntime", "bf16"):
                    records.append(make_wrong_record(model, **asked))
                elif (model, backend, precision) == ("x3d-m", "compile", "bf16"):
                    message = "UserError: compile cannot run X3D-M in bf16: no kernel for aten::mean.dim"
                    case = make_case(model, **asked)
                    records.append(make_failed_record(model, kind="exception", message=message, case=case))
                else:
                    records.append(make_engine_record(model, **asked))
    return records


def make_batch_records() -> list[Record]:
    """What `--batch auto` measures beside batch 1: each call takes longer, by less than the batch is larger."""
    search = BatchSearch(
        trials=tuple(
            BatchTrial(
                batch=batch, latency_s=[0.0254 * batch**0.8] * 5, peak_rss_bytes=400_000_000 + 90_000_000 * batch
            )
            for batch in (1, 2, 4, 8)
        ),
        memory_bytes=1_500_000_000,
        stopped="16 would need 1.84 GB of 1.5",
    )
    large = make_record(
        "cox3d-m-16",
        case=make_case("cox3d-m-16", batch=8),
        samples=make_samples(0.0254 * 8**0.8, seed="batch"),
        batch_search=search,
    )
    return [make_record("cox3d-m-16"), large]


Kind = Literal["exception", "crash", "killed", "out-of-memory", "timeout", "wrong-answer", "interrupted"]


def make_failed_record(
    model: str = "x3d-m",
    /,
    kind: Kind = "out-of-memory",
    message: str = "the kernel ended the measuring process for want of memory",
    detail: str | None = None,
    **changes: Any,
) -> Record:
    """A case that ended without a number."""
    basis: dict[str, Any] = {
        "error": Failure(kind=kind, message=message, detail=detail),
        "timing": None,
        "counters": None,
        "peak_rss_bytes": None,
        "verification": None,
    }
    return make_record(model, **(basis | changes))


def make_default_records() -> list[Record]:
    """What the default `bench.toml` gives on an idle machine."""
    return [make_record(model) for model in DEFAULT_MODELS]


def make_mixed_records() -> list[Record]:
    """The default networks on a bad day: one noisy, one with few samples, one failed."""
    few = make_samples(_FIGURES["cox3d-s-13"][3], count=30, seed="few")
    replaced = {
        "x3d-m": make_failed_record("x3d-m"),
        "cox3d-m-16": make_noisy_record("cox3d-m-16"),
        "cox3d-s-13": make_record("cox3d-s-13", samples=few),
    }
    return [replaced.get(model) or make_record(model) for model in DEFAULT_MODELS]
