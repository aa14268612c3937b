"""Torch's settings of the whole process, which a network's code may change while it is loaded, built or run.

What the key of a case or every run decides (threads, precision, device) is put back; what is the network's own choice
of kernels stays. A note says which, so that nobody takes the one for the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Variables that decide how fast torch and its libraries are, most of them read once, when a library is loaded.
_FAMILIES = (
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "ONEDNN_", "DNNL_", "ATEN_", "TORCH_", "PYTORCH_"),
    *("CUDA_", "CUBLAS_", "CUDNN_", "NVIDIA_TF32_"),
)


@dataclass(frozen=True)
class Setting:
    """One setting: how it is read from torch, and how it is put back. None: it stays as the network's code has it."""

    name: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], Any] | None = None


def _set_default_device(torch: Any, device: Any) -> None:
    # Not "cpu": that would cost time at every operation, in Python.
    torch.set_default_device(None if device.type == "cpu" else device)


def _flag(name: str, put_back: bool) -> Setting:
    """A flag below `torch.backends`."""
    *path, last = name.split(".")

    def place(torch: Any) -> Any:
        found = torch.backends
        for part in path:
            found = getattr(found, part)
        return found

    write = (lambda torch, value: setattr(place(torch), last, value)) if put_back else None
    return Setting(f"torch.backends.{name}", lambda torch: getattr(place(torch), last), write)


SETTINGS = (
    Setting("threads", lambda t: t.get_num_threads(), lambda t, value: t.set_num_threads(value)),
    Setting("default dtype", lambda t: t.get_default_dtype(), lambda t, value: t.set_default_dtype(value)),
    Setting("default device", lambda t: t.get_default_device(), _set_default_device),
    Setting(
        "autocast on the CPU",
        lambda t: t.is_autocast_enabled("cpu"),
        lambda t, value: t.set_autocast_enabled("cpu", value),
    ),
    Setting(
        "float32 matmul precision",
        lambda t: t.get_float32_matmul_precision(),
        lambda t, value: t.set_float32_matmul_precision(value),
    ),
    _flag("cuda.matmul.allow_tf32", put_back=True),
    _flag("cudnn.allow_tf32", put_back=True),
    _flag("cudnn.benchmark", put_back=True),
    _flag("cudnn.enabled", put_back=False),
    _flag("cudnn.deterministic", put_back=False),
    _flag("mkldnn.enabled", put_back=False),
    Setting("deterministic algorithms", lambda t: t.are_deterministic_algorithms_enabled()),
    Setting("anomaly detection", lambda t: t.is_anomaly_enabled()),
    Setting("inter-op threads", lambda t: t.get_num_interop_threads()),  # torch takes it once a process
)


@contextmanager
def watched(notes: MutableMapping[str, str]) -> Iterator[None]:
    """Run the network's code: afterwards `notes` has a sentence for each setting that it changed, by its name."""
    import torch

    before, variables = _read(torch, *SETTINGS), _variables()
    try:
        with torch.set_grad_enabled(torch.is_grad_enabled()):  # put back without a word: every call sets it anyway
            yield
    finally:
        for setting in SETTINGS:  # one by one: some of them follow another
            was, now = before.get(setting.name), _read(torch, setting).get(setting.name)
            if was == now:
                continue
            if setting.write is None:
                notes[setting.name] = f"its code set {setting.name} to {now}, from {was}; measured so"
            else:
                setting.write(torch, was)
                notes[setting.name] = f"its code set {setting.name} to {now}; measured with {was}"
        for name, value in _variables().items() - variables.items():
            notes[name] = f"its code set {name}={value} after torch was loaded, which may have no effect"


def _read(torch: Any, *settings: Setting) -> dict[str, Any]:
    found = {}
    for setting in settings:
        try:
            found[setting.name] = setting.read(torch)
        except (AttributeError, RuntimeError, TypeError):  # noqa: PERF203 - not in this version or build of torch
            continue
    return found


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_FAMILIES)}
