"""Put a file's weights into a network: every one of them, or a report of what does not fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..spec import ModelSpec
from .cache import checked_sha256
from .errors import WeightsError
from .keys import is_beside, naming_of, numbers_of, rename

if TYPE_CHECKING:
    from torch import Tensor, nn

# Modules that some checkpoints of a family have not, and a network may be without. PyTorchVideo's X3D has no batch norm
# on the first shortcut, since that one keeps its channels; PySlowFast's has one, and so has ours when it is built.
OPTIONAL_MODULES = {"x3d": ("blocks.1.res_blocks.0.branch1_norm",)}
# Counts batches of training; it changes no prediction, and Caffe2 has none.
_COUNTER = "num_batches_tracked"
_SHOWN = 3


@dataclass(frozen=True)
class LoadReport:
    """What was loaded from where."""

    file: str
    sha256: str
    format: str  # torch, Caffe2 pickle, ...
    naming: str  # PyTorchVideo, PySlowFast X3D, ...
    tensors: int
    left_out: tuple[str, ...] = ()  # modules taken out of the network, since the file has nothing for them

    @property
    def text(self) -> str:
        """The weights in a few words, for records: x3d_m.pyth sha256:0123456789ab."""
        return f"{self.file} sha256:{self.sha256[:12]}"


def load_weights(net: nn.Module, spec: ModelSpec, path: Path) -> LoadReport:
    """Load a file of any known form and naming into `net`, a network built by `spec`, in place.

    All or nothing: every parameter and buffer must be in the file in its shape, and nothing else may be. Two things
    are let pass: batch norm's count of batches may be missing, and a module of OPTIONAL_MODULES, of which the file has
    nothing, is taken out of the network (set to None) and named in the report. A frame network takes the weights of
    its clip counterpart as they are.
    Raises WeightsError.
    """
    from .formats import read_file

    sha256 = checked_sha256(path)
    contents = read_file(path)
    naming = naming_of(contents.tensors)
    wanted = net.state_dict()
    numbers = numbers_of(wanted)

    fitting: dict[str, Tensor] = {}
    extra, wrong = [], {}
    for name, tensor in contents.tensors.items():
        if is_beside(name, naming):
            continue
        ours = rename(name, naming, numbers)
        if ours is None or ours not in wanted or ours in fitting:
            extra.append(name)
        elif (shaped := _shaped(tensor, wanted[ours])) is None:
            wrong[ours] = tensor
        else:
            fitting[ours] = shaped
    held = {*fitting, *wrong}
    left_out = _absent(OPTIONAL_MODULES.get(spec.family, ()), wanted, held)
    missing = [
        name
        for name in wanted
        if name not in held
        and not name.endswith(_COUNTER)
        and not name.startswith(tuple(f"{one}." for one in left_out))
    ]
    if missing or extra or wrong:
        raise WeightsError(_misfit(path, spec, naming.name, wanted, fitting, missing, extra, wrong))
    for module in left_out:
        parent, _, child = module.rpartition(".")
        setattr(net.get_submodule(parent), child, None)
    net.load_state_dict(fitting, strict=False)
    return LoadReport(path.name, sha256, contents.format, naming.name, len(fitting), left_out)


def _absent(modules: Iterable[str], wanted: Iterable[str], held: Iterable[str]) -> tuple[str, ...]:
    """Those modules of the network of which the file has nothing at all."""
    wanted, held = tuple(wanted), tuple(held)
    return tuple(
        module
        for module in modules
        if any(name.startswith(f"{module}.") for name in wanted)
        and not any(name.startswith(f"{module}.") for name in held)
    )


def _shaped(tensor: Tensor, wanted: Tensor) -> Tensor | None:
    """The tensor in the wanted shape. Caffe2 writes what is one by one by one also without those ones."""
    if tensor.shape == wanted.shape:
        return tensor
    return tensor.reshape(wanted.shape) if _core(tensor) == _core(wanted) else None


def _core(tensor: Tensor) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _misfit(
    path: Path,
    spec: ModelSpec,
    naming: str,
    wanted: dict[str, Tensor],
    fitting: dict[str, Tensor],
    missing: list[str],
    extra: list[str],
    wrong: dict[str, Tensor],
) -> str:
    """All that does not fit, in one line; the classifier first, since that is the usual case."""
    head = f"{path} does not fit {spec.name}: "
    if not fitting and not wrong:
        return f"{head}none of its {len(extra)} names is in the network ({_some(extra)})"
    parts = []
    classes = {
        tensor.shape[0]
        for name, tensor in wrong.items()
        if wanted[name].shape[0] == spec.classes and tensor.shape[1:] == wanted[name].shape[1:]
    }
    if len(classes) == 1:
        parts.append(f"its classifier has {classes.pop()} classes and the network {spec.classes}")
    if wrong:
        shapes = [f"{name} is {_dims(tensor)}, not {_dims(wanted[name])}" for name, tensor in wrong.items()]
        parts.append(f"{len(wrong)} of another shape ({_some(shapes, '; ')})")
    if missing:
        parts.append(f"{len(missing)} missing ({_some(missing)})")
    if extra:
        parts.append(f"{len(extra)} that the network does not have ({_some(extra)})")
    return f"{head}{', '.join(parts)}; {len(fitting)} fit, read as {naming} weights"


def _some(names: list[str], between: str = ", ") -> str:
    more = len(names) - _SHOWN
    return between.join(names[:_SHOWN]) + (f"{between}and {more} more" if more > 0 else "")


def _dims(tensor: Tensor) -> str:
    return " x ".join(str(length) for length in tensor.shape) or "a single number"
