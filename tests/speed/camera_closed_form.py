"""How far a real network in front of a camera is from the closed form of the theory.

    python tests/speed/camera_closed_form.py [--seconds 10]

A network that takes a constant time S, before a camera with a frame every P, queue 1, policy `newest`, nothing decoded
(`--source random`): `co3d-bench camera` watches it as any custom network, and its records are read. With S < P no frame
is dropped, the mean age of the newest answer is S + P/2 and its peak S + P. With S > P a share P/S is answered; the
phase between camera and network wanders, so the mean age is 3/2 S + P/2 and the peak, at the worst phase, 2 S + P.
`sleep` leaves the cores idle, `work` multiplies matrices until its time is over, as networks do.

Printed, as Markdown: each figure measured, by the closed form, their difference and ratio. The difference holds what
the closed form leaves out: a thread that wakes up late, the hand-over from the queue, S itself a little too long.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from co3d_bench import load

EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
# (S in ms, frames a second): half, nine tenths and 1.5 times what a camera of 30 and one of 200 frames/s leave
SETTINGS = ((16.667, 30), (30, 30), (50, 30), (2.5, 200), (4.5, 200), (7.5, 200))
WORKS = ("sleep", "work")
NETWORK = """
import time
import torch
from torch import nn


class Constant(nn.Module):
    receptive_field, padding, delay = 1, 0, 0
    input_shape = (3, 8, 8)

    def __init__(self, seconds, work):
        super().__init__()
        self.seconds, self.work = seconds, work
        self.register_buffer("matrix", torch.eye(64))

    def initial_state(self, batch_size=1, fill="zeros", frame=None):
        return (torch.zeros(batch_size, 1),)

    def step(self, frame, state):
        until = time.perf_counter() + self.seconds
        if not self.work:
            time.sleep(max(0.0, self.seconds - 5e-4))
        while time.perf_counter() < until:
            torch.mm(self.matrix, self.matrix)
        return frame.mean(dim=(2, 3)), state

    def forward(self, clip):
        return clip[:, :, -1].mean(dim=(2, 3))
"""


@dataclass(frozen=True)
class Setting:
    """A constant service time before a camera."""

    service_s: float
    fps: float
    work: str

    @property
    def factory(self) -> str:
        return f"{self.work}_{round(1e6 * self.service_s)}_us"

    @property
    def code(self) -> str:
        return f"\n\ndef {self.factory}():\n    return Constant({self.service_s!r}, {self.work == 'work'})\n"

    def closed_form(self) -> dict[str, float]:
        """Mean and peak age in ms, answered frames in per cent."""
        s_ms, p_ms = 1e3 * self.service_s, 1e3 / self.fps
        if s_ms < p_ms:
            return {"mean age, ms": s_ms + p_ms / 2, "peak age, ms": s_ms + p_ms, "answered, %": 100.0}
        return {
            "mean age, ms": 1.5 * s_ms + p_ms / 2,
            "peak age, ms": 2 * s_ms + p_ms,
            "answered, %": 100 * p_ms / s_ms,
        }


def settings() -> Iterator[Setting]:
    for work in WORKS:
        for service_ms, fps in SETTINGS:
            yield Setting(service_ms / 1e3, fps, work)


def watch(setting: Setting, folder: Path, seconds: float) -> Any:
    """The row of `co3d_bench.load` of this setting."""
    (folder / "constant.py").write_text(NETWORK + "".join(each.code for each in settings()))
    options = ["--source", "random", "--fps", str(setting.fps), "--duration", f"{seconds}s", "--deadline", "1s"]
    options += ["--backend", "eager", "--threads", "1", "--every", "1"]
    command = [str(EXECUTABLE), "camera", "--model", f"constant.py:{setting.factory}", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600 + 2 * seconds)
    if done.returncode:
        sys.exit(done.stderr or done.stdout)
    return load(folder / "results").iloc[-1]


def main() -> None:
    """Print a row for each figure of each setting, as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each setting is watched")
    seconds = parser.parse_args().seconds
    print("| network | S, ms | P, ms | figure | measured | closed form | difference | ratio |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for setting in settings():
            row = watch(setting, Path(folder), seconds)
            measured = {
                "mean age, ms": 1e3 * row["mean_age_s"],
                "peak age, ms": 1e3 * row["peak_age_s"],
                "answered, %": 100 * (1 - row["dropped"] / row["due"]),
            }
            for name, expected in setting.closed_form().items():
                found = measured[name]
                which = f"{setting.work} | {1e3 * setting.service_s:.4g} | {1e3 / setting.fps:.4g}"
                figures = f"{found:.3f} | {expected:.3f} | {found - expected:+.3f} | {found / expected:.3f}"
                print(f"| {which} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
