"""What is measured: one network on one machine in one way."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Base of everything that is written down: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_NOT_A_WORD = re.compile(r"[^A-Za-z0-9._-]+")  # a key is one word with slashes
Policy = Literal["newest", "oldest", "block"]
Gap = Literal["step", "repeat"]


class CameraSetup(Frozen):
    """A camera in front of the network: how its frames come, and which are due an answer."""

    fps: float = Field(gt=0, description="frames a second of the camera")
    live: str | None = Field(default=None, description="a device or the address of a stream; None: the case's input")
    every: int = Field(default=1, ge=1, description="every so-manieth of them is due an answer")
    queue: int = Field(default=1, ge=1, description="frames that may wait")
    policy: Policy = Field(default="newest", description="which frame is kept when the queue is full; block: all are")
    gap: Gap = Field(default="step", description="what a dropped frame is for a state: nothing, or the frame before it")

    @property
    def key(self) -> str:
        """As a part of a case's key: camera-30fps-every5-newest1-step."""
        live = f"-{_NOT_A_WORD.sub('_', self.live)}" if self.live else ""
        return f"camera{live}-{self.fps:g}fps-every{self.every}-{self.policy}{self.queue}-{self.gap}"

    @property
    def period_s(self) -> float:
        """Seconds from one frame that is due an answer to the next."""
        return self.every / self.fps


class Case(Frozen):
    """One cell of the plan. Its `key` names it for ever: records are matched by it.

    How long is measured (runs, time limits) is not part of a case: more samples of the same thing
    are still the same thing.
    """

    model: str
    device: str = "cpu"
    backend: str = "eager"
    precision: str = "fp32"
    batch: int = Field(default=1, ge=1)
    threads: int = Field(default=1, ge=1, description="intra-op threads of the engine")
    input: str = Field(default="random-0", description="random-SEED, or video:NAME:first 12 of its sha256")
    camera: CameraSetup | None = Field(default=None, description="None: called again and again, as fast as it answers")

    @property
    def key(self) -> str:
        """The case as one line of text without spaces, e.g. `cox3d-m-16/cpu/eager/fp32/b1/t2/random-0`."""
        way = f"{self.model}/{self.device}/{self.backend}/{self.precision}/b{self.batch}/t{self.threads}/{self.input}"
        return f"{way}/{self.camera.key}" if self.camera else way


class WeightsFile(Frozen):
    """A file of weights as it was when the run began."""

    path: str
    sha256: str

    @property
    def text(self) -> str:
        """As records call it: x3d_m.pyth sha256:0123456789ab."""
        return f"{Path(self.path).name} sha256:{self.sha256[:12]}"
