"""What is measured: one network on one machine in one way."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr
from typing_extensions import Self

# The numbers that a record can hold. Beyond these is no measurement but a damaged or invented line, which would
# overflow in a sum, a table or a page, so readers skip it; NaN and infinity are not among them either.
_MOST_WHOLE, _MOST, _MOST_S, _LEAST_S = 2**63 - 1, 1e18, 1e9, 1e-9
Whole = Annotated[int, Field(ge=-_MOST_WHOLE, le=_MOST_WHOLE)]
Count = Annotated[int, Field(ge=0, le=_MOST_WHOLE)]
Ordinal = Annotated[int, Field(ge=1, le=_MOST_WHOLE)]  # also of things of which there is at least one
Number = Annotated[float, Field(ge=-_MOST, le=_MOST)]
Rate = Annotated[float, Field(ge=1 / _MOST_S, le=_MOST)]  # once in so many seconds, at least
Duration = Annotated[float, Field(ge=0, le=_MOST_S)]
Latency = Annotated[float, Field(ge=_LEAST_S, le=_MOST_S)]  # nothing that was timed took less than a tick of the clock

_MOMENT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?([+-]\d\d:\d\d)")


def _moment(text: str) -> str:
    # Nothing is known of its zone where it has none, so it could not be put in order with others. In UTC, as they are
    # written and shown, the order of the texts is that of the times.
    text = f"{text[:-1]}+00:00" if text.endswith("Z") else text
    if not _MOMENT.fullmatch(text):
        raise ValueError("not a date and time of this century with its offset from UTC, as 2026-01-31T23:59:59+00:00")
    moment = datetime.fromisoformat(text)
    return text if text.endswith("+00:00") else moment.astimezone(timezone.utc).isoformat()


Moment = Annotated[str, AfterValidator(_moment)]


class Frozen(BaseModel):
    """Base of everything that is written down: immutable, and strict about unknown fields."""

    # JSON has no infinity: it is written as "Infinity", and read as a number.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


_NOT_A_WORD = re.compile(r"[^A-Za-z0-9._-]+")  # a key is one word with slashes
Policy = Literal["newest", "oldest", "block"]
Gap = Literal["step", "repeat"]
Start = Literal["zeros", "replicate", "cut"]
AUTO_STREAMS = "auto"  # as many cameras as the network keeps up with


class CameraSetup(Frozen):
    """A camera in front of the network: how its frames come, and which are due an answer."""

    fps: Rate = Field(description="frames a second of the camera")
    live: str | None = Field(default=None, description="a device or the address of a stream; None: the case's input")
    every: Ordinal = Field(default=1, description="every n-th of them is due an answer")
    queue: Ordinal = Field(default=1, description="frames that may wait")
    policy: Policy = Field(default="newest", description="which frame is kept when the queue is full; block: all are")
    gap: Gap = Field(default="step", description="what a dropped frame is for a state: nothing, or the frame before it")
    states: Ordinal = Field(default=1, description="interleaved states of a frame network: each sees every n-th")
    streams: Ordinal | Literal["auto"] = Field(
        default=1, description="cameras, each with a state of its own; auto: as many as the network keeps up with"
    )

    @property
    def key(self) -> str:
        """As a part of a case's key: camera-30fps-every5-newest1-step."""
        live = f"-{_NOT_A_WORD.sub('_', self.live)}" if self.live else ""
        more = f"-states{self.states}" if self.states > 1 else ""
        more += f"-streams{self.streams}" if self.streams != 1 else ""
        return f"camera{live}-{self.fps:g}fps-every{self.every}-{self.policy}{self.queue}-{self.gap}{more}"

    @property
    def period_s(self) -> float:
        """Seconds from one frame that is due an answer to the next."""
        return self.every / self.fps


class Drop(Frozen):
    """Frames of films that never reach the network."""

    share: float = Field(
        ge=0, le=1, description="the chance of each frame; of a camera's record the share that had no answer there"
    )
    seed: Count = Field(default=0, description="of the draws, with the film's name")
    times: str | None = Field(
        default=None, description="sha256 of the blob with the times of a camera's frames, which are laid over films"
    )

    @property
    def key(self) -> str:
        """As a part of a case's key: drop0.1, drop0.25-seed3, drop0.034-camera-0123456789ab."""
        seed = f"-seed{self.seed}" if self.seed else ""
        camera = f"-camera-{self.times[:12]}" if self.times else ""
        return f"drop{self.share:g}{seed}{camera}"


class EvaluationSetup(Frozen):
    """Films whose classes are known, and how they are shown to the network."""

    data: str = Field(description="name of the folder or file with the labels")
    films: Ordinal = Field(description="how many of them")
    sha256: str = Field(
        description="the first 12 digits, over names, sizes and labels of the films and the list of classes"
    )
    fps: Rate | None = Field(
        default=None, description="frames a second that the network sees; None: as its weights want"
    )
    drop: Drop | None = Field(default=None, description="None: every frame reaches it")

    @property
    def key(self) -> str:
        """As a part of a case's key: accuracy-val-400films-0123456789ab-15fps-drop0.1."""
        rate = "" if self.fps is None else f"-{self.fps:g}fps"
        drop = f"-{self.drop.key}" if self.drop else ""
        return f"accuracy-{_NOT_A_WORD.sub('_', self.data)}-{self.films}films-{self.sha256}{rate}{drop}"


class TransientSetup(Frozen):
    """A start whose frames are answered one by one. With the films of an evaluation the curve is their accuracy, else
    the error against the steady answer, in scenes of the case's input."""

    start: Start = Field(
        description="what the state holds before the first frame. zeros; replicate: as if the first frame had been "
        "shown for ever; cut: as another film or scene left it"
    )
    frames: Ordinal | None = Field(default=None, description="that are answered; None: by the receptive field")

    @property
    def key(self) -> str:
        """As a part of a case's key: transient-zeros-96frames."""
        return f"transient-{self.start}" + ("" if self.frames is None else f"-{self.frames}frames")


class Case(Frozen):
    """One cell of the plan. Its `key` names it for ever: records are matched by it.

    How long is measured (runs, time limits) is not part of a case: more samples of the same thing
    are still the same thing.
    """

    model: str
    device: str = "cpu"
    backend: str = "eager"
    precision: str = "fp32"
    batch: Ordinal = 1
    threads: Ordinal = Field(default=1, description="intra-op threads of the engine")
    input: str = Field(default="random-0", description="random-SEED, or video:NAME:first 12 of its sha256")
    camera: CameraSetup | None = Field(default=None, description="None: called again and again, as fast as it answers")
    evaluation: EvaluationSetup | None = Field(default=None, description="None: its accuracy is not measured")
    transient: TransientSetup | None = Field(default=None, description="None: its answers after a start are not")
    # The store or bundle it was read from, where several are shown together (`sources.py`). It is no part of the
    # format: no record holds it, and none can bring it along.
    _source: str = PrivateAttr("")

    @property
    def source(self) -> str:
        """The store or bundle that it was read from; empty where there is only one."""
        return self._source

    def of_source(self, source: str) -> Self:
        """The same case, of that store or bundle. It is another case than that of any other one."""
        copy = self.model_copy()
        copy._source = source
        return copy

    @property
    def machine(self) -> str:
        """Its device for people, and whose it is where stores of several machines are shown together: `cpu (a.zip)`."""
        return f"{self.device} ({self._source})" if self._source else self.device

    @property
    def key(self) -> str:
        """What tells it from every other case: its own key, after its source where there are several."""
        return f"{self._source}:{self.own_key}" if self._source else self.own_key

    @property
    def own_key(self) -> str:
        """The case as one line of text without spaces, e.g. `cox3d-m-16/cpu/eager/fp32/b1/t2/random-0`."""
        way = f"{self.model}/{self.device}/{self.backend}/{self.precision}/b{self.batch}/t{self.threads}/{self.input}"
        return "/".join((way, *(each.key for each in (self.camera, self.evaluation, self.transient) if each)))


class WeightsFile(Frozen):
    """A file of weights as it was when the run began."""

    path: str
    sha256: str

    @property
    def text(self) -> str:
        """As records call it: x3d_m.pyth sha256:0123456789ab."""
        return f"{Path(self.path).name} sha256:{self.sha256[:12]}"
