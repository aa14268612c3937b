"""The lines of JSON between the parent and the measuring process: a job in, events out."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from ...devices.profile import DeviceProfile
from ..errors import UserError
from ..plan.custom_models import CustomModel
from ..record.camera import CameraRun
from ..record.case import Case, Frozen, WeightsFile
from ..record.cuda_facts import CudaFacts
from ..record.evaluation import Evaluation
from ..record.fleet import FleetFacts
from ..record.migrate import migrate
from ..record.record import (
    BatchSearch,
    BatchTrial,
    Counters,
    Engine,
    Environment,
    Failure,
    ModelFacts,
    Settings,
    Timing,
    Verification,
)
from ..record.sensing import Energy, Sensors
from ..record.transient import Transient


class BoardHost(Frozen):
    """A board that a case runs on, and how it is reached."""

    host: str = Field(description="as ssh takes it")
    python: str = "python3"
    torch_device: str
    work: str = Field(description="folder of this machine in which a run keeps what it copies to the board")
    takes_over: bool = Field(
        default=False, description="whether another case of this run that runs there is ended: its host was killed"
    )
    socket: str | None = Field(default=None, description="of the connection that all commands for it share")
    trtexec: str | None = Field(default=None, description="what TensorRT's tool there prints for --help; None: no tool")


class CameraJob(Frozen):
    """A camera in front of the network, besides what the case names."""

    source: str = Field(description="random, a film's path, or the address of a stream")
    duration_s: float = Field(gt=0)
    deadline_s: float = Field(gt=0)
    blobs: str = Field(description="folder for the times of the frames")


class EvaluationJob(Frozen):
    """The films of an evaluation, besides what the case names."""

    data: str = Field(description="path of the folder or file with the labels")
    films: str | None = Field(default=None, description="folder of the films, where they are not with the data")
    classes: str | None = Field(default=None, description="path of the checkpoint's list of classes")
    limit: int | None = None
    cameras: str | None = Field(default=None, description="store of the camera's record whose drops the case names")
    store: str = Field(description="folder for the predictions and for what is scored so far")


class TransientJob(Frozen):
    """The frames since a start, besides what the case names."""

    store: str = Field(description="folder for the answers")


class TurnPipes(Frozen):
    """The pipes of one of two interleaved processes: file descriptors that it was started with (`interleaved.py`)."""

    take: int = Field(ge=0, description="to read the turn from")
    give: int = Field(ge=0, description="to hand the turn over")


class Verified(Frozen):
    """The verification by an earlier process of the case. It holds for one whose first prediction is the same to the
    bit."""

    output_sha256: str
    verification: Verification


class Answers(Frozen):
    """What the reference answered to the inputs that verifying draws, from the first one on (`verify.py`)."""

    shape: tuple[int, ...] = Field(description="predictions, then that of an answer")
    float32: str = Field(description="the numbers in base64, in the machine's byte order")


class Job(Frozen):
    """One case to be measured, as the parent hands it to a fresh process on its standard input.

    The gate hands jobs to the processes of older commits too, by the names of fields that those know: `own` and
    `in_turn`, among others, keep theirs.
    """

    run_id: str
    case: Case
    process: int = 1
    settings: Settings
    timing_only: bool = Field(default=False, description="neither verified nor counted: one of many alike")
    counters: Counters | None = Field(default=None, description="what an earlier process counted; None: to be counted")
    operations: Counters | None = Field(
        default=None,
        description="what was counted of the network on another engine: its operations are the same, its memory is not",
    )
    verified: Verified | None = Field(default=None, description="what an earlier process proved; None: to be verified")
    answers: Answers | None = Field(
        default=None, description="of the reference, from its own process; None: this process calls it itself"
    )
    in_turn: TurnPipes | None = Field(default=None, description="interleave with another process; None: by itself")
    search: bool = Field(default=False, description="search for the batches of the case, and measure nothing")
    batch_search: BatchSearch | None = Field(default=None, description="how the batch of the case was found")
    own: CustomModel | None = Field(default=None, description="the network, where it is not of the zoo")
    weights: WeightsFile | None = Field(default=None, description="None: seeded")
    classes: int | None = Field(
        default=None, description="to build the network for; None: those of weights, or its own"
    )
    torch_device: Literal["cpu", "cuda"] = Field(default="cpu", description="to compute on, as the profile has it")
    device: DeviceProfile | None = Field(default=None, description="whose sensors are watched; None: none are")
    energy: bool = Field(default=False, description="measure energy too, where a sensor can")
    energy_later: bool = Field(
        default=False, description="a later process measures energy; this one only reports where no sensor can"
    )
    video: str | None = Field(default=None, description="path of the video, where the case's input is one")
    camera: CameraJob | None = Field(default=None, description="None: no camera")
    evaluation: EvaluationJob | None = Field(default=None, description="None: accuracy is not measured")
    transient: TransientJob | None = Field(default=None, description="None: answers after a start are not")
    host: BoardHost | None = Field(default=None, description="the board to run it on; None: this machine")
    fleet: FleetFacts | None = Field(default=None, description="which board of a fleet that is; None: no fleet")
    git_commit: str | None = None
    git_dirty: bool | None = None
    prove: tuple[str, ...] | None = Field(default=None, description="report which loaded modules lie in these folders")


class Measurement(Frozen):
    """The results of a measuring process, part by part; None: not, or not yet. Each part is as a `Record` has it, and
    the parent builds one from them (`bench/run/outcome.py`)."""

    started_at: str | None = None
    duration_s: float | None = None
    model: ModelFacts | None = None
    environment: Environment | None = None
    timing: Timing | None = None
    peak_rss_bytes: int | None = None
    output_sha256: str | None = None
    verification: Verification | None = None
    engine: Engine | None = None
    sensors: Sensors | None = None
    cuda: CudaFacts | None = None
    energy: Energy | None = None
    camera: CameraRun | None = None
    evaluation: Evaluation | None = None
    transient: Transient | None = None
    counters: Counters | None = None
    notes: tuple[str, ...] | None = None

    def joined(self, later: Measurement) -> Measurement:
        """All parts of both; the later ones win."""
        return self.model_copy(update={name: part for name, part in later if part is not None})


class Event(Frozen):
    """One line from the measuring process.

    `sampled`: the timed loop is over. `answered`: the reference is right, and answers so. `measured` and `done` carry
    parts of the measurement; should the process end in between, the earlier parts are kept. `tried`: a batch that a
    search tried; of numbers of cameras `phase` says what one came to. `loaded` names the files of the modules in the
    folders of `Job.prove`. `watched`: how hot the board of the case is. `lost`: that board cannot be reached any more;
    `phase` says why.
    """

    event: Literal["phase", "sampled", "answered", "measured", "loaded", "tried", "watched", "done", "failed", "lost"]
    phase: str | None = None
    done: int | None = None
    total: int | None = None
    measurement: Measurement | None = None
    trial: BatchTrial | None = None
    search: BatchSearch | None = None
    failure: Failure | None = None
    modules: tuple[str, ...] | None = None
    temperature_c: float | None = None
    answers: Answers | None = None

    def line(self) -> bytes:
        """The event as it is sent."""
        return self.model_dump_json().encode() + b"\n"


def parse_event(line: bytes) -> Event:
    """The event of one line. Raises ValueError for anything else.

    An older version sends a whole record, maybe in an older format: its parts are taken.
    """
    raw = json.loads(line)
    record = raw.pop("record", None) if isinstance(raw, dict) else None
    if isinstance(record, dict):
        try:
            lifted = migrate(record)
        except UserError as error:
            raise ValueError(error.message) from error
        parts = {name: lifted.get(name) for name in Measurement.model_fields}
        line = json.dumps({**raw, "measurement": parts}).encode()
    return Event.model_validate_json(line)


def job_line(job: Job) -> bytes:
    """The job as it is sent."""
    return job.model_dump_json().encode() + b"\n"


# The phase in which an engine makes the network its own. Before it, nothing that fails is the engine's.
PREPARING = "preparing"


def phase_event(phase: str, done: int | None = None, total: int | None = None) -> Event:
    """The process is now at `phase`; of sampling, `done` of `total` samples are taken."""
    fields: dict[str, Any] = {"event": "phase", "phase": phase, "done": done, "total": total}
    return Event(**fields)
