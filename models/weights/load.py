"""Put a file's weights into a network: every one of them, or a report of what does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..spec import ModelSpec
from .cache import checked_sha256
from .errors import WeightsError
from .head import resize_layers
from .names import UNUSED, Reading, read_names

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .formats import FileContents

# Modules that some checkpoints of a family have not, and a network may be without. PyTorchVideo's X3D has no batch norm
# on the first shortcut, since that one keeps its channels; PySlowFast's has one, and so has ours when it is built.
OPTIONAL_MODULES = {"x3d": ("blocks.1.res_blocks.0.branch1_norm",)}
_SHOWN = 3


@dataclass(frozen=True)
class LoadReport:
    """What was loaded from where."""

    file: str
    sha256: str
    format: str  # torch, Caffe2 pickle, ...
    naming: str  # PyTorchVideo, PySlowFast X3D, ...
    tensors: int
    classes: int | None  # of the network now: those of the file
    left_out: tuple[str, ...] = ()  # modules taken out of the network, since the file has nothing for them
    notes: tuple[str, ...] = ()  # what a reader of the figures should know

    @property
    def text(self) -> str:
        """The weights in a few words, for records: x3d_m.pyth sha256:0123456789ab."""
        return f"{self.file} sha256:{self.sha256[:12]}"


def load_weights(net: nn.Module, spec: ModelSpec, path: Path) -> LoadReport:
    """Load a file of any known form and naming into `net`, a network built by `spec`, in place.

    All or nothing: every parameter and buffer must be in the file in its shape, and nothing else may be among them.
    Let pass are: batch norm's count of batches; a module of OPTIONAL_MODULES, of which the file has nothing, is taken
    out of the network (set to None) and named in the report; a classifier for another number of classes, which is
    rebuilt. A frame network takes the weights of its clip counterpart as they are.
    Raises WeightsError.
    """
    import torch

    from .formats import read_file

    sha256 = checked_sha256(path)
    contents = read_file(path)
    wanted = named_tensors(net, spec)
    reading = read_names(contents.dicts, wanted)
    fitting = {ours: name for name, ours in reading.names.items() if _fits(contents.stored[name], wanted[ours])}
    wrong = {ours: contents.stored[name] for name, ours in reading.names.items() if ours not in fitting}
    left_out = _absent(OPTIONAL_MODULES.get(spec.family, ()), wanted, {*fitting, *wrong})
    missing = [
        name
        for name in wanted
        if name not in fitting
        and name not in wrong
        and not name.endswith(UNUSED)
        and not name.startswith(tuple(f"{one}." for one in left_out))
    ]
    classes = _classes(spec, wanted, wrong, fitting)
    if missing or reading.extra or (wrong and classes is None):
        raise WeightsError(_misfit(contents, spec, reading, wanted, fitting, missing, wrong))
    fitting |= {ours: name for name, ours in reading.names.items() if ours in wrong}
    tensors = {ours: contents.tensor(name) for ours, name in fitting.items()}
    if classes is not None:
        resize_layers(net, spec, {name.rpartition(".")[0]: None for name in wrong}, classes)
        wanted = named_tensors(net, spec)
    for module in left_out:
        parent, _, child = module.rpartition(".")
        setattr(net.get_submodule(parent), child, None)
    built_in_it = any(tensor.is_inference() for tensor in wanted.values())
    with torch.inference_mode(built_in_it):  # else its weights cannot be written to
        net.load_state_dict(
            {ours: tensor.reshape(wanted[ours].shape) for ours, tensor in tensors.items()}, strict=False
        )
    return LoadReport(
        path.name,
        sha256,
        contents.format,
        reading.naming.name,
        len(fitting),
        spec.classes if classes is None else classes,
        left_out,
        tuple(_notes(path, spec, contents, reading, left_out, classes)),
    )


def named_tensors(net: nn.Module, spec: ModelSpec) -> dict[str, Tensor]:
    """The network's parameters and buffers by name. Raises WeightsError where it keeps weights as something else."""
    from torch import Tensor

    state: dict[str, Any] = {name: held for name, held in net.state_dict().items() if not name.endswith("_extra_state")}
    if packed := [name for name, held in state.items() if not isinstance(held, Tensor)]:
        raise WeightsError(
            f"{spec.name}: it keeps quantised weights ({_some(packed)}), which are no tensors; load the file in its "
            "factory, before it is quantised"
        )
    return state


def _fits(stored: Any, wanted: Tensor) -> bool:
    """Whether a tensor of a file can be that of the network. Caffe2 writes what is one by one by one also without
    those ones, and networks of pictures have kernels (O, I, H, W) where ours have an axis of time."""
    shape = tuple(stored.shape)
    of_pictures = len(shape) == 4 and wanted.dim() == 5 and (*shape[:2], 1, *shape[2:]) == tuple(wanted.shape)
    return _is_number_for(stored, wanted) and (of_pictures or _core(shape) == _core(wanted.shape))


def _is_number_for(stored: Any, wanted: Tensor) -> bool:
    """Integers in place of real numbers are not weights, but quantised ones, whose scales are elsewhere."""
    return not stored.dtype.is_complex and (stored.dtype.is_floating_point or not wanted.dtype.is_floating_point)


def _classes(spec: ModelSpec, wanted: dict[str, Tensor], wrong: dict[str, Any], fitting: Iterable[str]) -> int | None:
    """The classes of the file, where only those differ, in every tensor of a classifier; else None."""
    if {name.rpartition(".")[0] for name in wrong} & {name.rpartition(".")[0] for name in fitting}:
        return None
    found = {stored.shape[0] if _of_classifier(spec, stored, wanted[name]) else None for name, stored in wrong.items()}
    return found.pop() if len(found) == 1 else None


def _of_classifier(spec: ModelSpec, stored: Any, wanted: Tensor) -> bool:
    """Whether a tensor has another number of classes, and is the same beside."""
    found, own = tuple(stored.shape), tuple(wanted.shape)
    differs = (
        found and own and own[0] == spec.classes and found[0] not in (0, own[0]) and _core(found[1:]) == _core(own[1:])
    )
    return bool(differs) and _is_number_for(stored, wanted)


def _notes(
    path: Path,
    spec: ModelSpec,
    contents: FileContents,
    reading: Reading,
    left_out: tuple[str, ...],
    classes: int | None,
) -> Iterator[str]:
    for module in left_out:
        yield f"without {module}: {path.name} has nothing for it"
    if classes is not None:
        yield f"built for the {classes} classes of {path.name}, instead of {spec.classes}"
    if reading.aside:
        below = f" below {reading.prefix.rstrip('.')}" if reading.prefix else ""
        taken = f"only {len(reading.names)} tensors{below} are the network's"
        yield f"{path.name}: {taken}; left: {_some(list(reading.aside))}"
    if reading.also:
        others = _some([prefix.rstrip(".") or "the file itself" for prefix in reading.also])
        yield f"{path.name}: read from {reading.prefix.rstrip('.') or 'the file itself'}; {others} would fit as well"
    types = {contents.stored[name].dtype for name in reading.names}
    if short := sorted(
        str(kind).removeprefix("torch.") for kind in types if kind.is_floating_point and kind.itemsize < 4
    ):
        yield f"{path.name}: its numbers are {' and '.join(short)}, and so are rounded"


def _absent(modules: Iterable[str], wanted: Iterable[str], held: Iterable[str]) -> tuple[str, ...]:
    """Those modules of the network of which the file has nothing at all."""
    wanted, held = tuple(wanted), tuple(held)
    return tuple(
        module
        for module in modules
        if any(name.startswith(f"{module}.") for name in wanted)
        and not any(name.startswith(f"{module}.") for name in held)
    )


def _core(shape: Iterable[int]) -> tuple[int, ...]:
    """A shape without ones at its end."""
    shape = tuple(shape)
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _misfit(
    contents: FileContents,
    spec: ModelSpec,
    reading: Reading,
    wanted: dict[str, Tensor],
    fitting: dict[str, str],
    missing: list[str],
    wrong: dict[str, Any],
) -> str:
    """All that does not fit, in one line."""
    head = f"{contents.path} does not fit {spec.name}: "
    if not reading.names:
        names = [name.removeprefix(keys) for name, keys in contents.dicts.items()]
        return f"{head}none of its {len(names)} names is in the network ({_some(names)})"
    parts = []
    if wrong:
        shapes = [
            f"{name} is {_dims(stored, wanted[name])}, not {_dims(wanted[name])}" for name, stored in wrong.items()
        ]
        parts.append(f"{len(wrong)} of another shape ({_some(shapes, '; ')})")
    if missing:
        parts.append(f"{len(missing)} missing ({_some(missing)})")
    if extra := [name.removeprefix(reading.prefix) for name in reading.extra]:
        parts.append(f"{len(extra)} that the network does not have ({_some(extra)})")
    below = f" below {reading.prefix.rstrip('.')}" if reading.prefix else ""
    return f"{head}{', '.join(parts)}; {len(fitting)} fit{below}, read as {reading.naming.name} weights"


def _some(names: list[str], between: str = ", ") -> str:
    more = len(names) - _SHOWN
    return between.join(names[:_SHOWN]) + (f"{between}and {more} more" if more > 0 else "")


def _dims(tensor: Any, other: Any = None) -> str:
    """The shape for people; with the type where that is what differs from `other`."""
    shape = " x ".join(str(length) for length in tensor.shape) or "a single number"
    differs = other is not None and _core(tensor.shape) == _core(other.shape)
    return f"{shape} of {str(tensor.dtype).removeprefix('torch.')}" if differs else shape
