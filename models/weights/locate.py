"""From what people give as weights (a file, an address, a name, `auto`) to a file that is there."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..spec import ModelSpec
from .cache import cached_path, url_path
from .errors import UnknownWeightsError, WeightsError
from .fetch import OnProgress, check_url, fetch
from .sources import CHECKPOINTS, PublicCheckpoint, checkpoints_for, find_checkpoint, shipped_for

AUTO = "auto"


def is_path(weights: str) -> bool:
    """Whether that is a file's path, rather than an address, the name of a checkpoint, or `auto`."""
    return weights != AUTO and "://" not in weights and find_checkpoint(weights) is None


def locate(weights: str, spec: ModelSpec, on_progress: OnProgress | None = None) -> Path:
    """The file of `weights` for that network.

    A path is taken as it is. An address is fetched into the cache, once. `auto` is the file that comes with co3d-bench,
    else the network's own public checkpoint, and `pyslowfast/x3d_m` one by its name: these must be in the cache
    already, nothing is fetched that was not asked for. Raises WeightsError if there is no file.
    """
    if weights == AUTO:
        return shipped_for(spec) or _in_cache(_only(spec), spec.name)
    if "://" in weights:
        return _of_address(weights, on_progress)
    path = Path(weights)
    try:
        if path.is_file():
            return path
        if (checkpoint := find_checkpoint(weights)) is not None:
            return _in_cache(checkpoint, checkpoint.name)
        what = "a folder, not a file of weights" if path.is_dir() else "no such file"
    except (OSError, ValueError) as error:  # longer than a name can be, or with characters that none has
        what = f"no such file ({getattr(error, 'strerror', None) or error})"
    raise WeightsError(f"{weights}: {what}; give a file, an https address, or auto")


def wanted_checkpoints(names: list[str], find_model: Callable[[str], ModelSpec]) -> tuple[PublicCheckpoint, ...]:
    """The public checkpoints of those names: of networks (`x3d-m`: its `auto` one) or of checkpoints.

    `find_model` raises LookupError for a name that is no network's. Raises UnknownWeightsError.
    """
    found: dict[str, PublicCheckpoint] = {}
    for name in names:
        checkpoint = find_checkpoint(name) or _only(_network(name, find_model))
        found[checkpoint.name] = checkpoint
    return tuple(found.values())


def _network(name: str, find_model: Callable[[str], ModelSpec]) -> ModelSpec:
    try:
        return find_model(name)
    except LookupError as error:
        if "/" not in name:
            raise UnknownWeightsError(str(error)) from None
        near = difflib.get_close_matches(name, [row.name for row in CHECKPOINTS], n=1)
        hint = f"did you mean {near[0]}?" if near else "`co3d-bench weights list` shows them"
        raise UnknownWeightsError(f"{name}: no such checkpoint; {hint}") from None


def _only(spec: ModelSpec) -> PublicCheckpoint:
    if rows := checkpoints_for(spec):
        return rows[0]
    if (shipped := shipped_for(spec)) is not None:
        raise UnknownWeightsError(
            f"{spec.name}: nothing to fetch, its weights come with co3d-bench ({shipped.name}): --weights auto"
        )
    raise UnknownWeightsError(f"{spec.name}: no public weights are known; --weights takes a file or an https address")


def _in_cache(checkpoint: PublicCheckpoint, name: str) -> Path:
    path = cached_path(checkpoint)
    if path.is_file():
        return path
    raise WeightsError(
        f"{checkpoint.name}: not in the cache; `co3d-bench weights fetch {name}` downloads it, "
        f"or put {checkpoint.file} into {path.parent} yourself"
    )


def _of_address(url: str, on_progress: OnProgress | None) -> Path:
    if url.startswith("file:"):
        path = Path(unquote(urlsplit(url).path))
        if not path.is_file():
            raise WeightsError(f"{url}: no such file")
        return path
    check_url(url)
    known = next((row for row in CHECKPOINTS if row.url == url), None)
    path = cached_path(known) if known else url_path(url)
    if not path.is_file():
        fetch(url, path, known.sha256 if known else None, on_progress)
    return path
