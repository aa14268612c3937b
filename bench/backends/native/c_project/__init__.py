"""A network as a C project: a folder with the kernels, the network's calls of them, its weights, and a C interface.

`co3d-bench export MODEL --format c -o FOLDER` writes it. It is what the engine `native` runs, without Python.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..... import __version__
from ....errors import UserError
from ....export import Format, Options
from ....export.precision import torch_missing

if TYPE_CHECKING:
    from torch import Tensor

    from ..lower import Lowered
    from ..memory import Layout
    from .table import Table

TEMPLATES = Path(__file__).with_name("templates")
# Of each template, below the folder; `@name@` is the network's.
PLACES = {
    "network.h": "@name@.h",
    "network.cpp": "src/network.cpp",
    "example.c": "example.c",
    "example.py": "example.py",
    "Makefile": "Makefile",
    "CMakeLists.txt": "CMakeLists.txt",
    "README.md": "README.md",
}
NOT_MEASURED = "Not measured when this was written: nothing was compiled there."
FRAMES = 4  # of the test of a frame network


@dataclass(frozen=True)
class Project:
    """What the files are written from."""

    name: str  # a C identifier, which every name of the interface begins with
    title: str
    trained: str  # what its weights are
    lowered: Lowered
    layout: Layout
    table: Table
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scaling: str  # how ffmpeg makes its frames


def write(net: Any, example: Tensor, path: Path, options: Options) -> tuple[Path, ...]:
    """The folder `path`. Raises UserError for a network that has an operator without a kernel."""
    import torch

    if example.dtype != torch.float32:
        raise UserError("--precision: the format c computes in fp32 alone")
    project = _project(net, example, path, options)
    for folder in (path, path / "src", path / "test"):
        folder.mkdir()
    values = _values(project)
    for template, place in PLACES.items():
        text = (TEMPLATES / f"{template}.in").read_text(encoding="utf-8")
        _write(path / _filled(place, values), _filled(text, values))
    _write(path / "src/table.h", project.table.text)
    _write(path / "src/kernels.cpp", (TEMPLATES.parents[1] / "kernels.cpp").read_text(encoding="utf-8"))
    _write(path / "network.json", json.dumps(_facts(project), indent=1) + "\n")
    (path / "weights.bin").write_bytes(project.table.weights)
    _write_test(net, project, path / "test")
    return (path,)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _filled(text: str, values: dict[str, object]) -> str:
    return re.sub(r"@(\w+)@", lambda match: str(values[match[1]]), text)


def identifier(name: str) -> str:
    """The name of a folder as the start of C names."""
    word = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return word if word[:1].isalpha() else f"net_{word}".rstrip("_")


def _project(net: Any, example: Tensor, path: Path, options: Options) -> Project:
    from ..lower import lower
    from ..memory import lay_out
    from .table import network_table

    lowered = lower(net, example)
    layout = lay_out(lowered)
    name, frame, how = identifier(path.name), lowered.frame, options.preprocessing
    mean, std = (0.0,) * frame.channels, (1.0,) * frame.channels
    scaling = f"scale={frame.width}:{frame.height}"
    if how is not None and frame.channels == len(how.mean):
        mean, std = how.mean, how.std
        scaling = (
            f"fps={how.frames_per_s:g},scale={how.short_side}:{how.short_side}:force_original_aspect_ratio=increase,"
            f"crop={frame.width}:{frame.height}"
        )
    return Project(
        name,
        options.model or name,
        options.weights,
        lowered,
        layout,
        network_table(lowered, layout),
        tuple(mean),
        tuple(std),
        scaling,
    )


def _facts(project: Project) -> dict[str, Any]:
    frame = project.lowered.frame
    return {
        "name": project.name,
        "input": [frame.batch, frame.channels, frame.frames, frame.height, frame.width],
        "answers": [list(shape) for shape in project.lowered.answer_shapes],
        "clip": project.lowered.entry.inputs[0].dim() == 5,
        "keeps_state": bool(project.lowered.state),
        "mean": project.mean,
        "std": project.std,
    }


def _values(project: Project) -> dict[str, object]:
    """What stands between @ and @ in the templates."""
    from .....devices.host import read_host
    from .table import VERSION

    frame, shapes = project.lowered.frame, project.lowered.answer_shapes
    stream = bool(project.lowered.state)
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (project.mean, project.std))
    what = f"({frame.batch}, {frame.channels}, {frame.height}, {frame.width}), (batch, channels, height, width)"
    if not stream and frame.frames > 1:
        what = (
            f"({frame.batch}, {frame.channels}, {frame.frames}, {frame.height}, {frame.width}), "
            "(batch, channels, frames, height, width)"
        )
    memory = f"{_size(4 * project.layout.floats)} for each state, {_size(len(project.table.weights))} for the weights"
    facts = {
        "input": f"float32 {what}; value = (byte / 255 - mean) / std",
        "mean, std": f"({mean}), ({std})",
        "answer": ", ".join(f"float32 {shape}" for shape in shapes),
        "state": "kept from frame to frame, apart for each stream" if stream else "none; each clip stands alone",
        "memory": memory,
    }
    if project.trained:
        facts["weights"] = project.trained.replace("|", "\\|")
    return {
        "name": project.name,
        "NAME": project.name.upper(),
        "title": project.title,
        "version": __version__,
        "id": f"{project.table.id:016x}",
        "blob_version": VERSION,
        "input_shape": what,
        "normalisation": f"\n *     mean = ({mean}), std = ({std})",
        "answer_shapes": "\n".join(f" *     {shape}" for shape in shapes),
        "memory": f"Memory: {memory}.",
        "batch": frame.batch,
        "channels": frame.channels,
        "frames": frame.frames,
        "height": frame.height,
        "width": frame.width,
        "keeps_state": int(stream),
        "input_floats": frame.floats,
        "scores": sum(map(math.prod, shapes)),
        "classes": math.prod(shapes[0]) // frame.batch,
        "state_is": (
            "What a stream keeps from frame to frame."
            if stream
            else "Working memory; a clip network keeps nothing from clip to clip. One for each thread that calls."
        ),
        "new_state": ", at the start of a stream" if stream else "",
        "reset_means": " of a stream" if stream else "; a clip network has nothing to forget",
        "mean": ", ".join(f"{value!r}f" for value in project.mean),
        "std": ", ".join(f"{value!r}f" for value in project.std),
        "ffmpeg": project.scaling,
        "facts": "\n".join(f"| {key} | {value} |" for key, value in facts.items()),
        "cores": read_host().usable_cores,
        "speed": NOT_MEASURED,
    }


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _write_test(net: Any, project: Project, folder: Path) -> None:
    """Frames of noise as bytes, and what the network in PyTorch answers to them."""
    import torch

    from .....models.outputs import tensors_in
    from .....models.spec import is_frame_network

    frame, generator = project.lowered.frame, torch.Generator().manual_seed(0)
    frames = is_frame_network(net)
    size = (FRAMES if frames else 1, frame.batch, frame.frames, frame.height, frame.width, frame.channels)
    raw = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
    inputs = ((raw.float() / 255 - torch.tensor(project.mean)) / torch.tensor(project.std)).permute(0, 1, 5, 2, 3, 4)
    state = net.initial_state(frame.batch) if frames else ()
    answers = []
    with torch.no_grad():
        for x in inputs:
            if frames:
                answer, state = net.step(x[:, :, 0], state)
            else:
                answer = net(x if project.lowered.entry.inputs[0].dim() == 5 else x[:, :, 0])
            answers += [tensor.float().flatten() for tensor in tensors_in(answer)]
    (folder / "frames.bin").write_bytes(raw.numpy().tobytes())
    (folder / "scores.bin").write_bytes(torch.cat(answers).numpy().astype("<f4").tobytes())


def _cannot_load() -> str | None:
    from .build import missing

    return missing()


def load(files: tuple[Path, ...]) -> Callable[[Any], Sequence[Tensor]]:
    """Its answers, by the library that its Makefile builds; meanwhile its README gets the speed here."""
    from .build import built, checked, measured
    from .c_program import Program

    folder = files[0]
    build = built(folder)
    checked(folder, build.path)
    readme = folder / "README.md"
    _write(readme, readme.read_text(encoding="utf-8").replace(NOT_MEASURED, measured(folder, build.path)))
    return Program(folder, build.path).step  # the library stays, its file need not


FORMAT = Format(
    name="c",
    title="C++17 source with a C interface and the weights, for programs without Python",
    suffix="",
    write=write,
    load=load,
    missing=torch_missing,
    cannot_load=_cannot_load,
    folder=True,
)
