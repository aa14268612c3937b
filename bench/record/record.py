"""The record: the format that a measuring process writes and that reports read.

Raw samples are kept; statistics are derived when read (`bench/stats`). Values are in seconds and bytes.

History of the format (`schema_version`):
    1  2026-11  first public form.
    2  2026-11  no figure is corrected: the readings of the reference workload stand beside the samples.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from .camera import CameraRun
from .case import Case, Count, Duration, Frozen, Latency, Moment, Number, Ordinal, Rate, Whole
from .cuda_facts import CudaFacts
from .evaluation import Evaluation, Part
from .fleet import FleetFacts
from .sensing import Energy, Sensors
from .transient import Transient

SCHEMA_VERSION = 2

# What a record is of: calls as fast as the network answers, frames of a camera, films whose classes are known, or the
# frames since a start.
Kind = Literal["speed", "camera", "accuracy", "transient"]
KINDS: tuple[Kind, ...] = ("speed", "camera", "accuracy", "transient")

# Backend and precision of the reference, for answers and for speed.
REFERENCE = ("eager", "fp32")

# Two records may be compared only if these facts of their environments agree (dotted names inside `Environment`).
COMPARABLE_FACTS = (
    "machine.cpu_model",
    "machine.logical_cores",
    "machine.architecture",
    "machine.gpu",
    "process.affinity",
    "process.intra_op_threads",
    "process.governor",
    "process.allocator",
    "process.openmp",
    "versions.torch",
    "versions.cuda",
    "versions.cudnn",
    "versions.python",
)


class PublishedAccuracy(Frozen):
    """An accuracy and the conditions under which it was measured; None: not known."""

    top1: Number = Field(description="percent")
    frames_per_s: Number | None = Field(default=None, description="at which the network was shown the film")
    view: str | None = Field(
        default=None,
        description="what it saw before its answer: one clip; whole film, its answer at the last frame; steady state, "
        "a whole receptive field of frames",
    )
    source: str


class Published(Frozen):
    """The paper's figures of this network, or its author's; shown beside measured figures, never mixed with them."""

    source: str
    accuracy_top1: Number | None = Field(
        default=None,
        description="percent, one clip or frame; Kinetics-400, or the data of its author: the first of `accuracies`",
    )
    accuracies: tuple[PublishedAccuracy, ...] = Field(
        default=(), description="that of the trained frame rate first; empty: conditions were not recorded"
    )
    parameters_m: Number | None = None
    max_allocated_mb: Number | None = None
    macs_g: Number | None = Field(default=None, description='the paper\'s "FLOPs": multiply-accumulates')
    throughput: dict[str, tuple[Rate, Number]] = Field(
        default_factory=dict, description="device: (mean, standard deviation), predictions per second"
    )
    note: str | None = Field(default=None, description="what is known to be wrong with the printed figures")


class ModelSource(Frozen):
    """Where a custom network comes from."""

    file: str | None = Field(default=None, description="its path, seen from where the run was started")
    sha256: str | None = Field(
        default=None,
        description="of that file; where it had loaded other modules of its repository by the end of its first "
        "prediction, of the list of all of them as sha256sum prints it, sorted by path",
    )
    package: str | None = Field(default=None, description="the installed package that offers it, with its version")
    git_commit: str | None = Field(default=None, description="of the repository that its file is in")
    git_dirty: bool | None = Field(
        default=None, description="whether tracked files of it were changed, or one of the network's is not tracked"
    )


class ModelFacts(Frozen):
    """The network, as facts that hold on every machine."""

    name: str
    family: str
    form: Literal["clip", "frame", "input"] = Field(description="what one prediction is made from")
    title: str = Field(description="the name as people write it, e.g. CoX3D-M (64)")
    input_shape: tuple[Count, ...] = Field(description="clip: (C, T, H, W); frame: (C, H, W); without batch")
    inputs: str | None = Field(default=None, description="what it is called with, where not one float32 tensor")
    input_values: str | None = Field(
        default=None, description="what its inputs hold, where not standard normal noise: the range of its example"
    )
    classes: Count | None = Field(description="None where the output is not (B, classes)")
    output: str | None = Field(default=None, description="what one prediction gives, where it is not (B, classes)")
    receptive_field: Whole | None = Field(default=None, description="frames")
    padding: Whole | None = Field(default=None, description="frames, aggregated over the layers")
    delay: Whole | None = Field(default=None, description="frames before the first full prediction, r - p - 1")
    counterpart: str | None = Field(default=None, description="frame network: the clip network it came from")
    frame_rate_hz: Number | None = Field(default=None, description="of the video that it is for; None: 30")
    trained_frames_per_s: Rate | None = Field(
        default=None, description="the frame rate of the films its weights were trained on; None: not known"
    )
    conversion: str | None = Field(
        default=None, description="made by `convert`: how that was proven, or that it was not"
    )
    extends: str | None = Field(default=None, description="the same frame network at its native pool length")
    weights: str = Field(default="seeded", description="seeded, or the file and the beginning of its sha256")
    published: Published | None = None
    source: ModelSource | None = Field(default=None, description="None: the zoo of co3d-bench")


class Counters(Frozen):
    """Exact figures: the same in every process, so readers take those of the first."""

    macs: Count | None = Field(
        description="multiply-accumulates of one prediction at batch 1, counted as the paper counts; "
        "None where they cannot be counted"
    )
    macs_once: Count | None = Field(
        default=None, description="the same hooks, every layer once and in full; the figure to plan with"
    )
    macs_functional: Count | None = Field(default=None, description="the newest ptflops counting, as a cross-check")
    macs_aten: Count | None = Field(default=None, description="ptflops' aten counting, as a cross-check")
    flops_torch: Count | None = Field(default=None, description="torch.utils.flop_counter: 2 per multiply-add")
    counter: str = Field(description="which counter, which version, e.g. ptflops 0.7.5 (module hooks)")
    parameters: Count
    weights_bytes: Count = Field(description="parameters and buffers")
    state_bytes: Count = Field(default=0, description="what a frame network carries from frame to frame")
    state_bytes_by_kind: dict[str, Count] | None = Field(
        default=None, description="whose they are: convolution, residual, pool, other; None where layers are not ours"
    )
    input_bytes: Count = 0
    peak_allocated_bytes: Count | None = Field(
        default=None, description="weights + state + input + the highest transient of one prediction"
    )


class Samples(Frozen):
    """The raw series, one entry a timed prediction; every list has the same length."""

    latency_s: list[Latency] = Field(min_length=1)
    involuntary_switches: list[Count] = Field(default_factory=list)
    steal_s: list[Number] = Field(default_factory=list)
    waited_s: list[Number] = Field(
        default_factory=list, description="time threads that could have run waited for a core, summed over threads"
    )

    @model_validator(mode="after")
    def _even(self) -> Self:
        for name, series in vars(self).items():
            if series and len(series) != len(self.latency_s):
                raise ValueError(f"{name} has {len(series)} entries for {len(self.latency_s)} latencies")
        return self

    def __len__(self) -> int:
        return len(self.latency_s)


class ReferenceWorkload(Frozen):
    """Machine speed, as seconds of a fixed piece of work (`reference_workload.py`). Evidence only."""

    name: str = Field(description="name of the work; only readings of the same work are comparable")
    readings_s: tuple[Latency, ...] = Field(
        min_length=1,
        description="in order: before the samples, then after them (in schema version 1 between them)",
    )


class Timing(Frozen):
    """Cold start, first prediction and steady state are separate numbers."""

    load_s: Duration = Field(description="building the network and its weights; importing torch is not in it")
    prepare_s: Duration = Field(default=0.0, description="what the backend does before it can be called")
    first_prediction_s: Duration = Field(description="the very first call of the network in its process")
    warmup_predictions: Count = Field(description="predictions between the first and the first timed one")
    warmup_s: Duration
    warmup_stable: bool | None = Field(
        default=None, description="False where the warm-up ended by its limits and not by a stable latency"
    )
    samples: Samples
    reference: ReferenceWorkload | None = Field(default=None, description="None: not timed, as on boards")
    sampling_wall_s: Duration
    warmup_latency_s: list[Duration] = Field(default_factory=list, description="the newest, oldest first")
    background_load_before: Number | None = Field(
        default=None,
        description="usable cores that other processes kept busy before the warm-up",
    )
    background_load: Number | None = Field(default=None, description="likewise while the samples were taken")
    loop_overhead_s: Number | None = Field(
        default=None, description="time of the loop for each sample without the call, measured with an empty network"
    )
    harness_cpu_share: Number = Field(
        description="CPU time of the harness (parent and sampling code) / wall time of the sampling"
    )


class Verification(Frozen):
    """The comparison of the output with the reference; a case with a wrong answer gets no speed."""

    reference: str = Field(description="what the output was compared with")
    relative_error: float = Field(
        description="max|a - b| / max|b| of what is finite, the largest of all predictions compared; infinite where "
        "no number says it",
        allow_inf_nan=True,
    )
    tolerance: Number
    passed: bool
    cause: str | None = Field(default=None, description="why the answer is wrong, where that was found out")
    relative_l2: float | None = Field(default=None, ge=0, description="|a - b| / |b| over all predictions compared")
    top1_agreement: Part | None = Field(default=None, description="share of predictions with the same best class")
    compared: Count | None = Field(default=None, description="predictions compared; frames are one stream")


class Engine(Frozen):
    """The engine that ran the network, as it reports itself."""

    name: str = Field(description="e.g. PyTorch, ONNX Runtime")
    version: str
    provider: str | None = Field(default=None, description="the part of the engine that was used, as reported")
    threads: Count | None = Field(default=None, description="threads the engine was given for one operator")
    artefact_bytes: Count | None = Field(default=None, description="size of the built artefact on disk")
    compile_s: Number | None = Field(
        default=None, description="part of `prepare_s` spent compiling native kernels; None: none are used"
    )
    compile_cached: bool | None = Field(default=None, description="whether they were compiled before and cached")
    notes: tuple[str, ...] = ()


class BatchTrial(Frozen):
    """A batch that `--batch auto` tried: a few timed calls, no more."""

    batch: Ordinal
    latency_s: list[Latency] = Field(min_length=1, description="of each timed call")
    peak_rss_bytes: Count = Field(description="highest resident memory during the trial, eager reference included")
    peak_device_bytes: Count | None = Field(default=None, description="highest use of the GPU's memory")

    @property
    def peak_bytes(self) -> int:
        """The peak of the memory that limits the batch."""
        return self.peak_rss_bytes if self.peak_device_bytes is None else self.peak_device_bytes


class BatchSearch(Frozen):
    """The trials of `--batch auto`; the batches that it chose are measured as ordinary cases."""

    trials: tuple[BatchTrial, ...] = Field(description="by doubling, from 1")
    memory_bytes: Count | None = Field(default=None, description="memory limit of the search, resident or of a GPU")
    stopped: str = Field(description="why no larger batch was tried, for people")


class Machine(Frozen):
    """The host. Facts that cannot be read are None, never a guess."""

    cpu_model: str
    architecture: str
    physical_cores: Count | None
    logical_cores: Count
    memory_bytes: Count
    os: str
    kernel: str
    container: str | None
    hypervisor: str | None = None
    gpu: str | None = Field(default=None, description="the GPU that was used, if any")


class ProcessFacts(Frozen):
    """What this process was allowed to use, and its settings."""

    affinity: tuple[Count, ...]
    governor: str | None
    frequency_hz: Number | None
    intra_op_threads: Count
    inter_op_threads: Count
    load_average_1min: Number | None = None
    memory_limit_bytes: Count | None = None
    allocator: str | None = Field(default=None, description="how the allocator treats freed memory, where known")
    openmp: tuple[str, ...] | None = Field(
        default=None, description="NAME=value of OMP_*, GOMP_* and KMP_*, except OMP_NUM_THREADS; None: not recorded"
    )


class Environment(Frozen):
    """Everything that may explain a number; `COMPARABLE_FACTS` names what must agree before comparing."""

    machine: Machine
    process: ProcessFacts
    versions: dict[str, str] = Field(description="python, torch, co3d_bench, ptflops, numpy, ...")
    git_commit: str | None = Field(default=None, description="of co3d-bench; a custom network's is in its source")
    git_dirty: bool | None = None


class Failure(Frozen):
    """Why there is no number. `kind` is one of a few words so that readers can group by it."""

    kind: Literal["exception", "crash", "killed", "out-of-memory", "timeout", "wrong-answer", "interrupted"]
    message: str = Field(description="one line for people")
    detail: str | None = Field(default=None, description="the end of the traceback or of stderr")


class Settings(Frozen):
    """How long to measure; not part of a case's identity."""

    runs: Ordinal = Field(default=100, description="timed predictions of each process, at least")
    timeout_s: Number = Field(default=600.0, gt=0)
    target_precision: Number | None = Field(default=None, gt=0, lt=1, description="half-width that rounds go on to")
    min_s: Duration = Field(default=0.0, description="each process samples at least so long")
    processes: Ordinal = Field(default=1, description="fresh processes of each case, as planned")


class Record(Frozen):
    """One finished case: either measured (`timing` and `counters` set) or failed (`error` set)."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    started_at: Moment = Field(description="ISO 8601, UTC")
    duration_s: Duration
    case: Case
    process: Ordinal = Field(default=1, description="which of the run's fresh processes of this case")
    settings: Settings
    device_kind: str | None = Field(
        default=None,
        description="the built-in profile of the case's device: its own name, or the last profile that it extends; "
        "None: not recorded",
    )
    model: ModelFacts | None = None
    environment: Environment | None = None
    counters: Counters | None = None
    timing: Timing | None = None
    peak_rss_bytes: Count | None = Field(
        default=None,
        description="highest resident memory of the measuring process until its samples begin; before a camera, while "
        "it is watched",
    )
    output_sha256: str | None = Field(
        default=None, description="of the first prediction in a fresh process, as float32: changes with any bit of it"
    )
    verification: Verification | None = None
    engine: Engine | None = None
    sensors: Sensors | None = Field(default=None, description="around the timed samples; None: not read")
    cuda: CudaFacts | None = Field(default=None, description="on a CUDA device")
    energy: Energy | None = Field(default=None, description="None: not requested")
    camera: CameraRun | None = Field(default=None, description="what became of a camera's frames; None: no camera")
    evaluation: Evaluation | None = Field(default=None, description="its accuracy over films; None: not measured")
    transient: Transient | None = Field(default=None, description="its answers after a start; None: not measured")
    fleet: FleetFacts | None = Field(default=None, description="the board of a fleet that measured it; None: no fleet")
    batch_search: BatchSearch | None = Field(default=None, description="where `--batch auto` chose the batch")
    notes: tuple[str, ...] = Field(default=(), description="what a reader should know, e.g. a video that looped")
    error: Failure | None = None

    @property
    def key(self) -> str:
        return self.case.key

    def of_source(self, source: str) -> Self:
        """The same record, read from that store or bundle (`Case.of_source`)."""
        return self.model_copy(update={"case": self.case.of_source(source)})

    @property
    def kind(self) -> Kind:
        """What was measured: calls as fast as the network answers, frames of a camera, accuracy over films, or the
        frames since a start."""
        if self.case.transient:
            return "transient"
        return "camera" if self.case.camera else "accuracy" if self.case.evaluation else "speed"

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def stopped(self) -> bool:
        """Whether a signal ended it early: its figures are of a part of the time."""
        return self.camera is not None and self.camera.stopped


def commit_of(record: Record) -> tuple[str | None, bool | None]:
    """The commit that the network is of, and whether files were changed: of its own repository where it is a custom
    one, else of co3d-bench."""
    if record.model and record.model.source:
        return record.model.source.git_commit, record.model.source.git_dirty
    return (record.environment.git_commit, record.environment.git_dirty) if record.environment else (None, None)


def fact(record: Record, dotted: str) -> object:
    """One fact of a record's environment by its dotted name; None where it is unknown."""
    value: object = record.environment
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value
