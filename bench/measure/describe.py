"""The facts of a network that need no timing: parameters, memory, multiply-accumulates. For `co3d-bench show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from ...models.continual.ledger import clip_memory, state_by_kind
from ...models.inputs import tensors_of
from ...models.spec import ModelSpec, is_frame_network, keeps_state
from ..plan.weights import find_file
from ..record.facts import assumptions, conversion_of, model_facts
from .counting import count
from .memory import tensor_bytes, weights
from .passes import load


def describe(spec: ModelSpec, weights_word: str | None = None, classes: int | None = None) -> dict[str, Any]:
    """Build a network, count it, and return its facts with units in the keys. Raises UserError for wrong weights, and
    where it cannot be built for so many classes."""
    file = find_file(weights_word, spec) if weights_word else None
    loaded = load(spec, file, classes)
    spec, net = loaded.spec, loaded.net
    with torch.no_grad():
        counted = count(net, spec, loaded.example)
        state = net.state_tensors() if keeps_state(net) else net.initial_state(1) if is_frame_network(net) else ()
    kinds, clip = state_by_kind(net, state), clip_memory(net)
    facts = model_facts(spec, net, file).model_dump()
    published = facts.pop("published")
    return {
        **facts,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "weights_bytes": tensor_bytes(weights(net)),
        "state_bytes": tensor_bytes(state),
        "state_bytes_by_kind": {kind: share.bytes for kind, share in kinds.items()} if kinds else None,
        "clip_memory_floats": {**asdict(clip), "worst_case": clip.worst_case} if clip else None,
        "input_bytes": tensor_bytes(tensors_of(loaded.example.itself())),
        "macs": counted.macs,
        "macs_once": counted.macs_once,
        "macs_functional": counted.macs_functional,
        "macs_aten": counted.macs_aten,
        "flops_torch": counted.flops_torch,
        "counter": counted.counter,
        "meant_differences": conversion.differences if (conversion := conversion_of(net)) else (),
        "notes": (*loaded.notes, *assumptions(spec, net), *counted.notes),
        "published": published,
    }
