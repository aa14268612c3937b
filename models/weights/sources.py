"""The public checkpoints, as data. A row more here is listed, fetched, and found by `--weights auto`.

Addresses are those of the projects' own lists: facebookresearch/SlowFast MODEL_ZOO.md, facebookresearch/pytorchvideo
docs/source/model_zoo.md, pytorch/vision models/video/resnet.py and models/mobilenetv3.py, Atze00/MoViNet-pytorch
movinets/config.py. Only torchvision publishes hashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..spec import ModelSpec


class Named(Protocol):
    """A network by name: a spec, or what a record says of one."""

    @property
    def name(self) -> str: ...

    @property
    def counterpart(self) -> str | None: ...


@dataclass(frozen=True)
class Project:
    """Who published weights: the page to read, and the licence of the code they came with."""

    name: str
    page: str
    licence: str


PYSLOWFAST = Project("pyslowfast", "https://github.com/facebookresearch/SlowFast", "Apache-2.0")
PYTORCHVIDEO = Project("pytorchvideo", "https://github.com/facebookresearch/pytorchvideo", "Apache-2.0")
TORCHVISION = Project("torchvision", "https://github.com/pytorch/vision", "BSD-3-Clause")
MOVINET_PYTORCH = Project("movinet-pytorch", "https://github.com/Atze00/MoViNet-pytorch", "MIT")


@dataclass(frozen=True)
class PublicCheckpoint:
    """One file of weights: MoViNet's are of Kinetics-600, MobileNetV3's of ImageNet, all others of Kinetics-400.

    `networks` are clip networks by name; a frame network takes what its counterpart takes. `sha256` is what the
    project states, whole or its beginning; without it, the hash of the first fetch is kept and held against later use.
    """

    project: Project
    networks: tuple[str, ...]
    url: str
    sha256: str | None = None

    @property
    def file(self) -> str:
        """Name of the file, in the address and in the cache."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def name(self) -> str:
        """How people call it: pyslowfast/x3d_m."""
        return f"{self.project.name}/{self.file.rsplit('.', 1)[0]}"


_X3D = "https://dl.fbaipublicfiles.com/pyslowfast/x3d_models"
_CAFFE2 = "https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/kinetics400"
_MOVINET = "https://raw.githubusercontent.com/Atze00/MoViNet-pytorch/main/weights"
_KINETICS = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics"

# PyTorchVideo's C2D is not here: it was trained with a pool over pairs of frames, which ours does not have.
# Where two serve a network, the first is its `auto`: the file the paper's authors measured with, as far as their
# download scripts list (LukasHedegaard/co3d, models/*/weights).
CHECKPOINTS = (
    PublicCheckpoint(PYSLOWFAST, ("x3d-xs",), f"{_X3D}/x3d_xs.pyth"),
    PublicCheckpoint(PYSLOWFAST, ("x3d-s",), f"{_X3D}/x3d_s.pyth"),
    PublicCheckpoint(PYSLOWFAST, ("x3d-m",), f"{_X3D}/x3d_m.pyth"),
    PublicCheckpoint(PYSLOWFAST, ("x3d-l",), f"{_X3D}/x3d_l.pyth"),
    PublicCheckpoint(PYTORCHVIDEO, ("x3d-xs",), f"{_KINETICS}/X3D_XS.pyth"),
    PublicCheckpoint(PYTORCHVIDEO, ("x3d-s",), f"{_KINETICS}/X3D_S.pyth"),
    PublicCheckpoint(PYTORCHVIDEO, ("x3d-m",), f"{_KINETICS}/X3D_M.pyth"),
    PublicCheckpoint(PYSLOWFAST, ("i3d-r50",), f"{_CAFFE2}/I3D_8x8_R50.pkl"),
    PublicCheckpoint(PYTORCHVIDEO, ("i3d-r50",), f"{_KINETICS}/I3D_8x8_R50.pyth"),
    PublicCheckpoint(PYSLOWFAST, ("c2d-r50",), f"{_CAFFE2}/C2D_NOPOOL_8x8_R50.pkl"),
    PublicCheckpoint(PYTORCHVIDEO, ("slow-8x8-r50",), f"{_KINETICS}/SLOW_8x8_R50.pyth"),
    PublicCheckpoint(PYSLOWFAST, ("slow-8x8-r50",), f"{_CAFFE2}/SLOWONLY_8x8_R50.pkl"),
    PublicCheckpoint(PYSLOWFAST, ("slowfast-8x8-r50",), f"{_CAFFE2}/SLOWFAST_8x8_R50.pkl"),
    PublicCheckpoint(PYTORCHVIDEO, ("slowfast-8x8-r50",), f"{_KINETICS}/SLOWFAST_8x8_R50.pyth"),
    PublicCheckpoint(PYSLOWFAST, ("slowfast-4x16-r50",), f"{_CAFFE2}/SLOWFAST_4x16_R50.pkl"),
    PublicCheckpoint(PYTORCHVIDEO, ("slowfast-4x16-r50",), f"{_KINETICS}/SLOWFAST_4x16_R50.pyth"),
    PublicCheckpoint(
        TORCHVISION,
        ("r2plus1d-18-8", "r2plus1d-18-16"),
        "https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth",
        sha256="91a641e6",  # the file's name ends in the beginning of its hash, as torch.hub checks it
    ),
    # torchvision's second training, top-1 75.3 % where the first has 74.0 %
    PublicCheckpoint(
        TORCHVISION,
        ("mobilenetv3-large",),
        "https://download.pytorch.org/models/mobilenet_v3_large-5c1a4163.pth",
        sha256="5c1a4163",
    ),
    *(
        PublicCheckpoint(MOVINET_PYTORCH, (f"movinet-a{size}{form}",), f"{_MOVINET}/modelA{size}{theirs}_statedict_v3")
        for form, theirs in (("", ""), ("-stream", "_stream"))
        for size in range(3)
    ),
)

# Clip networks of ours whose weights come with co3d-bench, and the file of each: `shipped/README.md`.
SHIPPED = {"demo-x3d": Path(__file__).parent / "shipped" / "demo_x3d.safetensors"}


def shipped_for(spec: ModelSpec) -> Path | None:
    """The file that comes with co3d-bench for a network, or for its clip network; None for all others."""
    return SHIPPED.get(spec.counterpart or spec.name)


def checkpoints_for(spec: Named) -> tuple[PublicCheckpoint, ...]:
    """The public checkpoints a network can load, the one of `auto` first; may be none."""
    names = {spec.name, spec.counterpart}
    return tuple(row for row in CHECKPOINTS if names & set(row.networks))


def public_files(spec: Named) -> tuple[str, ...]:
    """Names of the files of those checkpoints. They stand for their weights, since most projects print no hash."""
    return tuple(row.file for row in checkpoints_for(spec))


def find_checkpoint(name: str) -> PublicCheckpoint | None:
    """The public checkpoint of that name (`pyslowfast/x3d_m`), or None."""
    return next((row for row in CHECKPOINTS if row.name == name), None)
