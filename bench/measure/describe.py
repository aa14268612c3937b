"""The facts of a network that need no timing: parameters, memory, multiply-accumulates. For `co3d-bench show`."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import Any

import torch

from ...models.continual.ledger import clip_memory, state_by_kind
from ...models.inputs import tensors_of
from ...models.spec import ModelSpec, is_frame_network, keeps_state
from ...models.zoo import UnknownModelError, find_model
from ..errors import UserError
from ..plan.weights import find_file
from ..record.facts import assumptions, conversion_of, model_facts
from ..stats.equal_work import EqualWork, equal_work
from .counting import count
from .memory import tensor_bytes, weights
from .passes import load
from .reaction import reaction_frames
from .video import trained_frames_per_s

NO_REACTION = "it has no reaction: its answer does not change with the scene, or it has no receptive_field"


def describe(
    spec: ModelSpec, weights_word: str | None = None, classes: int | None = None, *, react: bool = False
) -> dict[str, Any]:
    """Build a network, count it, and return its facts with units in the keys; with `react` also its reaction, which
    takes as long as a few hundred predictions. Raises UserError for wrong weights, and where it cannot be built for so
    many classes."""
    file = find_file(weights_word, spec) if weights_word else None
    loaded = load(spec, file, classes)
    spec, net = loaded.spec, loaded.net
    with torch.no_grad():
        counted = count(net, spec, loaded.example)
        state = net.state_tensors() if keeps_state(net) else net.initial_state(1) if is_frame_network(net) else ()
        reaction = _reaction(spec, net) if react else None
    missing = (NO_REACTION,) if react and reaction is None else ()
    kinds, clip = state_by_kind(net, state), clip_memory(net)
    states = spec.preprocessing.frame_interval if spec.preprocessing and state else None
    facts = model_facts(spec, net, file).model_dump()
    published = facts.pop("published")
    return {
        **facts,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "weights_bytes": tensor_bytes(weights(net)),
        "state_bytes": tensor_bytes(state),
        "state_bytes_by_kind": {kind: share.bytes for kind, share in kinds.items()} if kinds else None,
        "interleaved_states": states,
        "interleaved_state_bytes": states and states * tensor_bytes(state),
        "reaction": reaction,
        "unbounded": bool(getattr(net, "unbounded", False)),
        "clip_memory_floats": {**asdict(clip), "worst_case": clip.worst_case} if clip else None,
        "input_bytes": tensor_bytes(tensors_of(loaded.example.itself())),
        "macs": counted.macs,
        "macs_once": counted.macs_once,
        "macs_functional": counted.macs_functional,
        "macs_aten": counted.macs_aten,
        "flops_torch": counted.flops_torch,
        "counter": counted.counter,
        "equal_work_macs": _equal_work(spec, counted.macs, classes),
        "meant_differences": conversion.differences if (conversion := conversion_of(net)) else (),
        "notes": (*loaded.notes, *assumptions(spec, net), *counted.notes, *missing),
        "published": published,
    }


def _reaction(spec: ModelSpec, net: Any) -> dict[str, Any] | None:
    """Medians and ranges in frames, and in seconds where the frame rate is known."""
    found = reaction_frames(spec, net)
    if found is None:
        return None
    rate = trained_frames_per_s(spec)
    facts: dict[str, Any] = {"scenes": len(found.half), "source": found.source, "frames_per_s": rate}
    for name, counts in (("half", found.half), ("nine_tenths", found.nine_tenths)):
        figures = {"": median(counts), "range_": (min(counts), max(counts))}
        facts |= {f"{name}_{which}frames": value for which, value in figures.items()}
    if rate:
        record = found.record(1 / rate)
        facts |= record.model_dump(include={"half_s", "half_range_s", "nine_tenths_s", "nine_tenths_range_s"})
    return facts


def _equal_work(spec: ModelSpec, macs: int | None, classes: int | None) -> dict[str, Any] | None:
    """MACs of a second of video by this frame network, and by its clip network at each stride; None without one."""
    if spec.form != "frame" or not spec.counterpart or macs is None:
        return None
    try:
        loaded = load(find_model(spec.counterpart), None, classes)
    except (UnknownModelError, UserError):
        return None
    with torch.no_grad():
        counted = count(loaded.net, loaded.spec, loaded.example)
    work = equal_work(counted.macs, macs, model_facts(loaded.spec), model_facts(spec))
    return work and _work_facts(work, loaded.spec)


def _work_facts(work: EqualWork, clip: ModelSpec) -> dict[str, Any]:
    return {
        **asdict(work),
        "clip_network": clip.name,
        "clip_title": clip.title,
        "equal_at_stride": work.stride,
        "cheaper_from_stride": work.cheaper_from,
        "per_second": work.per_second(),
        "per_second_at_stride": {stride: work.per_second(stride) for stride in work.strides},
        "per_frame_at_stride": {stride: work.per_frame(stride) for stride in work.strides},
    }
