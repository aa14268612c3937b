"""What a record of kind `camera` holds: what became of the frames."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .case import Frozen


class Stage(Frozen):
    """A part of the pipeline, over the whole run."""

    name: Literal["capture", "preprocess", "copy", "network", "hand-over"]
    wall_s: float
    cpu_s: float | None = Field(default=None, description="CPU time of its thread; None: not told apart")
    calls: int


# What the pictures are: seeded noise, or those of the film that is shown.
SceneSource = Literal["noise", "film"]


class Reaction(Frozen):
    """How soon the answer follows a change of scene, at the frame rate that the weights were trained at."""

    half_s: float = Field(description="until the scores are half of the way to the new ones; median of the scenes")
    half_range_s: tuple[float, float] = Field(description="the quickest scene and the slowest")
    nine_tenths_s: float = Field(description="until nine tenths of the way")
    nine_tenths_range_s: tuple[float, float]
    scenes: int
    frame_s: float = Field(description="from one frame of the network to the next")
    source: SceneSource = Field(default="noise", description="what the pictures are: noise, or far apart in the film")


class CameraRun(Frozen):
    """What became of the frames. The times of each frame lie in a blob."""

    source: str = Field(description="random, or the name of the film or stream")
    duration_s: float = Field(gt=0, description="from the first frame that is due to the end")
    deadline_s: float = Field(gt=0, description="an answer later than this after its frame was due is late")
    due: int = Field(ge=0, description="frames that were due an answer, all cameras together")
    in_time: int = Field(ge=0)
    late: int = Field(ge=0)
    dropped: int = Field(ge=0)
    latency_s: dict[str, float] = Field(
        description="p50, p90, ...: from when a frame was due to its answer, over all due frames; a dropped one counts "
        "as infinite, and a percentile that is infinite is left out, as is one that so few frames do not allow"
    )
    mean_age_s: float | None = Field(description="age of the newest answer, over time; None: there was none")
    peak_age_s: float | None = Field(description="its largest")
    longest_gap_s: float = Field(description="longest time without an answer")
    stages: tuple[Stage, ...] = ()
    times: str = Field(description="sha256 of the blob: due_s, arrived_s, started_s, answered_s of each due frame")
    reaction: Reaction | None = Field(default=None, description="None: the network has no fixed receptive field")
    state_bytes: int | None = Field(default=None, description="of a frame network, interleaved states together")
    growth_bytes: int | None = Field(default=None, description="of resident memory, from the first frame to the last")

    @property
    def missed(self) -> int:
        """Late and dropped."""
        return self.late + self.dropped

    @property
    def missed_share(self) -> float | None:
        return self.missed / self.due if self.due else None
