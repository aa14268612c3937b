"""The demo's network trained from scratch, on films that are made for it; `co3d-bench demo --train`.

As any regular 3D CNN is: by clips, with padding in time. The frame form takes the same weights and is not trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ...models.spec import FILM_FRAMES_PER_S, ModelSpec
from ...models.zoo import find_model
from ..errors import ENVIRONMENT, UserError
from ..evaluate.films import Sampling, Shown, sampling_of, show
from ..record.evaluation import Share
from ..stats.scores import wilson
from .films import CLASSES, LARGE, make_films

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

CLIP, FRAMES = "demo-x3d", "demo-cox3d-16"
TRAINED, HELD_OUT = 0, 1  # seeds of films
LENGTHS = (32, 48)  # frames: at least the receptive field, and short enough that the shape stays in the picture


@dataclass(frozen=True)
class Recipe:
    """How it is trained."""

    films: int = 120  # of each class
    steps: int = 1000
    batch: int = 16  # clips
    rate: float = 0.01  # the highest learning rate, of one cycle
    weight_decay: float = 0.02
    seed: int = 0  # of weights, order and clips


def demo_films(folder: Path, each: int, seed: int = HELD_OUT) -> Path:
    """Films of the kind that the network knows; those of `HELD_OUT` it was not trained on."""
    return make_films(folder, each, seed, FILM_FRAMES_PER_S, LENGTHS, size=LARGE, varied=True)


def train(folder: Path, recipe: Recipe, report: Callable[[int, float], None]) -> nn.Module:
    """The trained clip network, in eval mode; films go into `folder`. `report` gets the steps that are done and the
    loss of the last one. torch's own generators are left as they are."""
    import torch
    from torch.nn.functional import cross_entropy

    spec = find_model(CLIP)
    films = list(_whole_films(demo_films(folder, recipe.films, TRAINED), spec))
    draw = torch.Generator().manual_seed(recipe.seed)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)  # of the first weights, and of dropout
        net = spec.build().train()
        optimiser = torch.optim.AdamW(net.parameters(), recipe.rate, weight_decay=recipe.weight_decay)
        rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.steps, pct_start=0.15)
        for step in range(recipe.steps):
            clips, classes = _batch(films, recipe.batch, spec.input_shape[1], draw)
            loss = cross_entropy(net(clips), classes)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rates.step()
            report(step + 1, loss.item())
    return net.eval()


def score(net: nn.Module, name: str, folder: Path) -> Share:
    """The share of the films in class folders that a network of the zoo names right with the weights of `net`; one
    answer for each film, by the protocol of `evaluate`."""
    import torch

    spec = find_model(name)
    own = spec.build()
    own.load_state_dict(net.state_dict())
    sampling = sampling_of(spec, getattr(own.eval(), "receptive_field", None), None)
    right = films = 0
    with torch.inference_mode():
        for clip, label in _films(folder, sampling):
            right += int(own(clip[None]).argmax()) == label
            films += 1
    return wilson(right, films)


def _whole_films(folder: Path, spec: ModelSpec) -> Iterator[tuple[Tensor, int]]:
    """Films with all their frames, in half precision: there are hundreds of them."""
    how = spec.preprocessing
    assert how is not None  # noqa: S101 - of the zoo's own network
    every = Sampling(
        "frame",
        None,
        Fraction(how.frame_interval, FILM_FRAMES_PER_S),
        how,
        (spec.input_shape[-2], spec.input_shape[-1]),
    )
    return ((clip.half(), label) for clip, label in _films(folder, every))


def _films(folder: Path, sampling: Sampling) -> Iterator[tuple[Tensor, int]]:
    """What is shown of each film, (C, T, H, W), and its class. Raises UserError for one that cannot be decoded."""
    import torch

    for label, kind in enumerate(CLASSES):
        for file in sorted((folder / kind).iterdir()):
            shown = show(file, sampling)
            if not isinstance(shown, Shown):
                raise UserError(f"{file}: {shown.why}", ENVIRONMENT)
            yield torch.from_numpy(shown.frames).transpose(0, 1), label


def _batch(films: list[tuple[Tensor, int]], size: int, frames: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Clips of films, (B, C, T, H, W), each beginning anywhere, and their classes, (B,)."""
    import torch

    clips, classes = [], []
    for number in torch.randint(len(films), (size,), generator=draw).tolist():
        film, label = films[number]
        begin = int(torch.randint(film.shape[1] - frames + 1, (1,), generator=draw))
        clips.append(film[:, begin : begin + frames])
        classes.append(label)
    return torch.stack(clips).float(), torch.tensor(classes)
