"""Write weights anew, in our names and without anything but tensors."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..spec import ModelSpec
from .errors import WeightsError
from .load import LoadReport, load_weights, named_tensors


def convert(source: Path, target: Path, spec: ModelSpec) -> LoadReport:
    """Load `source` into the network of `spec`, so that everything is checked, and save its parameters and buffers.

    `target` is a torch file of a plain dict, name to tensor, that every tool reads weights-only. It must not exist
    yet. Raises WeightsError.
    """
    import torch

    part = target.with_name(f"{target.name}.part")
    try:
        if target.exists():
            raise WeightsError(f"{target}: exists already; remove it or give another name")
        if not target.parent.is_dir():
            raise WeightsError(f"{target.parent}: no such folder to write {target.name} into")
        net = spec.build()
        report = load_weights(net, spec, source)
        # Contiguous: the memory layout that suits our layers must not be in the file.
        state = {name: tensor.detach().contiguous() for name, tensor in named_tensors(net, spec).items()}
        with part.open("wb") as file:
            torch.save(state, file)
        part.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise WeightsError(f"{target}: cannot be written: {error.strerror or error}") from error
    return report
