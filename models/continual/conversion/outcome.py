"""What a conversion tells of itself: how it was proven, and what is meant to differ from the regular network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ..attention import SqueezeExcitation
from ..delay import Subsample
from ..network import FrameNetwork
from .flow import Findings, Squeeze
from .places import shown

TURNED_OFF = "not proven: turned off (prove=False)"
BY_TESTS = "proven by the tests of co3d_bench"


@dataclass(frozen=True)
class Conversion:
    """How a frame network was proven, and its meant differences from the regular one: `print(net.conversion)`."""

    proof: str
    differences: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((self.proof, *self.differences))


def differences(
    net: FrameNetwork, module: nn.Module, findings: Findings, pool_frames: int | None, squeeze: Squeeze
) -> tuple[str, ...]:
    """What the frame form of `module` does otherwise, and why; none if its steps give the regular answers."""
    found = []
    if net.padding:
        frames = f"{net.padding} frame{'s' * (net.padding > 1)}"
        found.append(
            f"padding: the regular network pads time with zeros, {frames} at each end in all layers together; a frame "
            "network does not (section 3.5)"
        )
    named = {name for name, layer in module.named_modules() if isinstance(layer, SqueezeExcitation)}
    if attention := sorted({*findings.attention.values(), *named}):
        over = "the current frame" if squeeze == "frame" else "as many of the last frames"
        found.append(f"attention: {shown(attention)}: over {over} instead of the whole clip (section 3.4)")
    if findings.norms:
        found.append(f"norms: {shown(findings.norms)}: by the statistics of each frame instead of the whole clip's")
    if findings.inner:
        found.append(
            f"averages inside the network: {shown(findings.inner.values())}: over the last frames of each moment"
        )
    if pool_frames is not None:
        found.append(f"pool: the last average is over {pool_frames} frames in a row (section 4.2)")
    if any(isinstance(layer, Subsample) and layer.to_the_end for layer in module.modules()):
        found.append("frames: the slow pathway takes every n-th frame; the regular one spreads them to the clip's end")
    return tuple(found)
