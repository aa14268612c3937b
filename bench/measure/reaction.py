"""How soon a network's answer follows a change of scene.

A still picture is shown until the answer no longer changes, then another. The reaction is the number of frames until
the answer has come half of the way, and nine tenths of it, and stays there: |y - new| <= 0.5 |old - new| in the L2 norm
of the scores. It belongs to the network and its weights, not to an engine: the network itself is asked, in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ...models.outputs import tensors_in
from ...models.spec import ModelSpec, is_frame_network
from ..errors import UserError
from ..record.camera import Reaction, SceneSource
from ..record.facts import has_receptive_field
from ..stats.transient import HALF, NINE_TENTHS, frames_until
from .video import read_apart, trained_frames_per_s

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.continual.network import FrameNetwork

SCENES = 4
SEED = 20_260_101
AT_ONCE = 8  # frames of one call: more are no faster, and need more memory
UNBOUNDED = 3  # receptive fields that a network is shown which forgets ever more, but never all

Pair = tuple["Tensor", "Tensor"]  # the old picture and the new one, each (1, C, H, W)
# Of a pair: the answers (scores,) while the new picture is shown, before them the last one of the old picture.
Answers = Callable[["Tensor", "Tensor"], Iterator["Tensor"]]


@dataclass(frozen=True)
class Frames:
    """After how many frames of the network, change of scene by change of scene."""

    half: tuple[int, ...]
    nine_tenths: tuple[int, ...]
    source: SceneSource

    def record(self, frame_s: float) -> Reaction:
        """In seconds; `frame_s` is the time from one frame of the network to the next."""
        half, nine_tenths = ([frame_s * count for count in counts] for counts in (self.half, self.nine_tenths))
        return Reaction(
            half_s=median(half),
            half_range_s=(min(half), max(half)),
            nine_tenths_s=median(nine_tenths),
            nine_tenths_range_s=(min(nine_tenths), max(nine_tenths)),
            scenes=len(half),
            frame_s=frame_s,
            source=self.source,
        )


def reaction(spec: ModelSpec, net: Any, film: Path | None = None) -> Reaction | None:
    """The reaction in seconds; None where that of frames is, or no frame rate is known."""
    rate = trained_frames_per_s(spec)
    found = reaction_frames(spec, net, film) if rate else None
    return found.record(1 / rate) if found and rate else None


def reaction_frames(spec: ModelSpec, net: Any, film: Path | None = None) -> Frames | None:
    """The reaction in frames, on cuts between pictures of a film, else on noise.

    None for a network that takes neither frames nor clips of pictures, that never forgets (it has no receptive field),
    or whose answer does not change with the scene.
    """
    asked = _answers(spec, net)
    if asked is None:
        return None
    channels, (height, width) = spec.input_shape[0], spec.input_shape[-2:]
    if film and (pairs := film_scenes(film, spec)):
        return frames_of(asked, pairs, "film")
    return frames_of(asked, noise_scenes((channels, height, width)), "noise")


def _answers(spec: ModelSpec, net: Any) -> Answers | None:
    from ...models.continual.network import FrameNetwork

    dimensions = {"clip": 4, "frame": 3}.get(spec.form)
    if spec.inputs is not None or dimensions != len(spec.input_shape):
        return None
    if not is_frame_network(net):
        return of_clips(net, spec.input_shape[1])
    if not has_receptive_field(net):
        return None
    return of_continual(net) if isinstance(net, FrameNetwork) else of_frames(net, net.receptive_field)


def of_frames(net: Any, receptive_field: int) -> Answers:
    """Of a frame network by single steps."""

    def answers(old: Tensor, new: Tensor) -> Iterator[Tensor]:
        state, y = net.initial_state(1), None
        for _ in range(receptive_field):
            y, state = net.step(old, state)
        yield scores_of(y)
        for _ in range(receptive_field):
            y, state = net.step(new, state)
            yield scores_of(y)

    return answers


def of_continual(net: FrameNetwork) -> Answers:
    """Of a frame network of our layers, which gives the same answers sooner: its state is filled as if the old picture
    had been shown for ever, and then it is shown many frames at once."""
    count = net.blocks.temporal.receptive_field * (UNBOUNDED if net.unbounded else 1)

    def answers(old: Tensor, new: Tensor) -> Iterator[Tensor]:
        y, state = net.step(old, net.initial_state(1, fill="replicate", frame=old))
        yield scores_of(y)
        for done in range(0, count, AT_ONCE):
            clip = new[:, :, None].expand(-1, -1, min(AT_ONCE, count - done), -1, -1)
            y, state = net.steps(clip, state)
            yield from (scores_of(each) for each in y.unbind(-1))

    return answers


def of_clips(net: Callable[[Tensor], Any], frames: int) -> Answers:
    """Of a clip network that answers for a window of so many frames."""
    import torch

    def answers(old: Tensor, new: Tensor) -> Iterator[Tensor]:
        for count in range(frames + 1):
            yield scores_of(net(torch.stack([old] * (frames - count) + [new] * count, 2)))

    return answers


def scores_of(answer: Any) -> Tensor:
    """All numbers of an answer in a row, as a copy: a network may write its next answer to the same place."""
    import torch

    return torch.cat([tensor[0].float().flatten() for tensor in tensors_in(answer)])


def noise_scenes(shape: Sequence[int], count: int = SCENES) -> list[Pair]:
    """Pairs of still pictures (1, C, H, W) of seeded noise, scaled as normalised frames are."""
    import torch

    generator = torch.Generator().manual_seed(SEED)
    return [
        (torch.randn((1, *shape), generator=generator), torch.randn((1, *shape), generator=generator))
        for _ in range(count)
    ]


def film_scenes(file: Path, spec: ModelSpec, count: int = SCENES) -> list[Pair]:
    """Cuts between pictures that lie far apart in a film, as the network takes them. Empty where the network takes no
    films, and where the film has no two pictures or cannot be read."""
    import torch

    if spec.preprocessing is None or spec.not_watchable():
        return []
    try:
        pictures = read_apart(file, count + 1, spec.preprocessing, (spec.input_shape[-2], spec.input_shape[-1]))
    except UserError:
        return []
    pairs = ((old[None], new[None]) for old, new in pairwise(pictures))
    return [(old, new) for old, new in pairs if not torch.equal(old, new)]


def frames_of(answers: Answers, pairs: Sequence[Pair], source: SceneSource) -> Frames | None:
    """Over these changes of scene, but for those at which the answer stays the same; None where it always does."""
    half, nine_tenths = [], []
    for old, new in pairs:
        shown = list(answers(old, new))
        whole = float((shown[0] - shown[-1]).norm())
        if not whole > 0:
            continue
        left = [float((scores - shown[-1]).norm()) / whole for scores in shown]
        half.append(frames_until(left, HALF))
        nine_tenths.append(frames_until(left, NINE_TENTHS))
    return Frames(tuple(half), tuple(nine_tenths), source) if half else None
