"""What a record of kind `camera` holds: what became of the frames."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .case import Count, Duration, Frozen, Latency, Ordinal, Whole

# How one network serves several cameras: a step for each frame, the oldest first; or one for the newest frame of each.
Way = Literal["one after the other", "one call for all"]
Verdict = Literal["yes", "no", "not known"]


class Stage(Frozen):
    """A part of the pipeline, over the whole run."""

    name: Literal["capture", "preprocess", "copy", "network", "hand-over"]
    wall_s: Duration
    cpu_s: Duration | None = Field(default=None, description="CPU time of its thread; None: not told apart")
    calls: Count


# What the pictures are: seeded noise, or those of the film that is shown.
SceneSource = Literal["noise", "film"]


class Reaction(Frozen):
    """How soon the answer follows a change of scene, at the frame rate that the weights were trained at."""

    half_s: Duration = Field(description="until the scores are half of the way to the new ones; median of the scenes")
    half_range_s: tuple[Duration, Duration] = Field(description="the quickest scene and the slowest")
    nine_tenths_s: Duration = Field(description="until nine tenths of the way")
    nine_tenths_range_s: tuple[Duration, Duration]
    scenes: Count
    frame_s: Latency = Field(description="from one frame of the network to the next")
    source: SceneSource = Field(default="noise", description="what the pictures are: noise, or far apart in the film")


class StreamsTrial(Frozen):
    """So many cameras, watched in one way."""

    streams: Ordinal
    way: Way
    seconds: Duration
    due: Count = Field(description="frames of all cameras that were due an answer")
    missed: Count
    worst_due: Count = Field(description="of the camera that missed most")
    worst_missed: Count
    verdict: Verdict = Field(description="whether each camera misses at most 1 %, at 99 % confidence")
    why: str | None = Field(default=None, description="why it could not be tried, or is not claimed")

    @property
    def missed_share(self) -> float | None:
        return self.missed / self.due if self.due else None

    @property
    def worst_missed_share(self) -> float | None:
        """Of the camera that missed most."""
        return self.worst_missed / self.worst_due if self.worst_due else None


class Streams(Frozen):
    """Several cameras before one network."""

    count: Count = Field(description="cameras: as many as were asked for, or the most that a search found; 0: none")
    way: Way = Field(description="of the two that serves them better; the figures are of it")
    tried: tuple[StreamsTrial, ...] = Field(description="in the order in which they were watched, both ways")
    notes: tuple[str, ...] = Field(default=(), description="why there were no more, and why a way was not tried")

    @property
    def shown(self) -> StreamsTrial | None:
        """The trial that the figures are of; where not even one camera was kept up with, that of one."""
        found = [trial for trial in self.tried if trial.way == self.way and trial.streams == max(1, self.count)]
        return found[-1] if found else None


class CameraRun(Frozen):
    """What became of the frames. The times of each frame lie in a blob."""

    source: str = Field(description="random, or the name of the film or stream")
    duration_s: Latency = Field(description="from the first frame that is due to the end")
    deadline_s: Latency = Field(description="an answer later than this after its frame was due is late")
    due: Count = Field(description="frames that were due an answer, all cameras together")
    in_time: Count
    late: Count
    dropped: Count
    latency_s: dict[str, Duration] = Field(
        description="p50, p90, ...: from when a frame was due to its answer, over all due frames; a dropped one counts "
        "as infinite, and a percentile that is infinite is left out, as is one that so few frames do not allow"
    )
    mean_age_s: Duration | None = Field(description="age of the newest answer, over time; None: there was none")
    peak_age_s: Duration | None = Field(description="its largest")
    longest_gap_s: Duration = Field(description="longest time without an answer")
    stages: tuple[Stage, ...] = ()
    times: str = Field(
        description="sha256 of the blob: due_s, arrived_s, started_s, answered_s of each due frame; of several cameras "
        "also `stream`, which one"
    )
    reaction: Reaction | None = Field(
        default=None,
        description="None: the network never forgets, saw its frames at another rate than its weights, or was stopped",
    )
    state_bytes: Count | None = Field(default=None, description="of a frame network, interleaved states together")
    growth_bytes: Whole | None = Field(default=None, description="of resident memory, from the first frame to the last")
    streams: Streams | None = Field(default=None, description="of several cameras; None: there was one")
    stopped: bool = Field(default=False, description="a signal ended it early; a resumed run watches it again")

    @property
    def watched_s(self) -> float:
        """All trials together."""
        return sum(trial.seconds for trial in self.streams.tried) if self.streams else self.duration_s

    @property
    def missed(self) -> int:
        """Late and dropped."""
        return self.late + self.dropped

    @property
    def missed_share(self) -> float | None:
        return self.missed / self.due if self.due else None
