"""What is measured: one network on one machine in one way."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Base of everything that is written down: immutable, and strict about unknown fields."""

    # JSON has no infinity: it is written as "Infinity", and read as a number.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


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

    @property
    def key(self) -> str:
        """The case as one line of text without spaces, e.g. `cox3d-m-16/cpu/eager/fp32/b1/t2/random-0`."""
        return f"{self.model}/{self.device}/{self.backend}/{self.precision}/b{self.batch}/t{self.threads}/{self.input}"


class WeightsFile(Frozen):
    """A file of weights as it was when the run began."""

    path: str
    sha256: str

    @property
    def text(self) -> str:
        """As records call it: x3d_m.pyth sha256:0123456789ab."""
        return f"{Path(self.path).name} sha256:{self.sha256[:12]}"
