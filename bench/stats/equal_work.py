"""What a second of video costs by a clip network at each stride, beside its frame network. Pure.

A clip network is called once every `stride` frames, a frame network at each one; frames are those of the rate that both
were trained at. Costs are of one prediction in any unit: MACs, seconds, joules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..record.record import ModelFacts


@dataclass(frozen=True)
class EqualWork:
    """A clip network and the frame network that was made from it."""

    clip: float  # cost of a clip, above 0
    frame: float  # cost of a frame, above 0
    clip_frames: int  # at this stride clips do not overlap, and at larger ones there are frames that none has
    frames_per_s: float | None  # of the video, as the network takes it; None: not known

    @property
    def stride(self) -> float:
        """At which both cost the same: in frames, not whole."""
        return self.clip / self.frame

    @property
    def cheaper_from(self) -> int:
        """The smallest whole stride at which the clip network costs less."""
        return math.floor(self.stride) + 1

    def per_frame(self, stride: int) -> float:
        """What the clip network costs for each frame of the video."""
        return self.clip / stride

    def per_second(self, stride: int | None = None) -> float | None:
        """What a second of video costs: by the clip network at this stride, else by the frame network. None where the
        frame rate is not known."""
        cost = self.frame if stride is None else self.per_frame(stride)
        return None if self.frames_per_s is None else cost * self.frames_per_s

    @property
    def strides(self) -> tuple[int, ...]:
        """Those worth a row: powers of two below the length of the clip, that length, and the first cheaper one."""
        powers = (2**power for power in range((self.clip_frames - 1).bit_length()))
        return tuple(sorted({*powers, self.clip_frames, self.cheaper_from}))


def equal_work(
    clip: float | None, frame: float | None, of_clip: ModelFacts | None, of_frame: ModelFacts | None
) -> EqualWork | None:
    """Of the two costs and the networks' facts; None where a cost is not above 0, or clips have no length."""
    if not clip or not frame or min(clip, frame) < 0:
        return None
    if of_clip is None or of_clip.form != "clip" or len(of_clip.input_shape) != 4:
        return None
    if not (length := of_clip.input_shape[1]):
        return None
    rates = (rate for of in (of_clip, of_frame) if of for rate in (of.trained_frames_per_s, of.frame_rate_hz))
    return EqualWork(clip, frame, length, next(filter(None, rates), None))
