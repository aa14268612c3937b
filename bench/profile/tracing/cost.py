"""The cost of tracing a node with ONNX Runtime, as far as it is in the traced time of the node."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

from ..trace import Clock
from .onnxruntime import runs_of

_NODES = 64
_RUNS = 20


def measure_event_s(opened: Callable[..., Any], clock: Clock) -> float:
    """Seconds an event: sums of one number each, their traced time against their untraced time.

    `opened(model, trace)` is a session of the model, which traces into a file if that is not None.
    """
    single_s, chain_s = (_median_run_s(opened(_chain_of_sums(count)), clock) for count in (1, _NODES))
    with TemporaryDirectory(prefix="co3d-bench-", ignore_cleanup_errors=True) as folder:
        session = opened(_chain_of_sums(_NODES), Path(folder) / "trace")
        _median_run_s(session, clock)
        events = json.loads(Path(session.end_profiling()).read_bytes())
    traced_s = median(fmean(event["dur"] for event in run) for run in runs_of(events)) / 1e6
    return max(0.0, traced_s - (chain_s - single_s) / (_NODES - 1))


def _chain_of_sums(count: int) -> bytes:
    """One number added to one number, so often."""
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x0", f"x{count}")]
    nodes = [helper.make_node("Add", [f"x{at}", "one"], [f"x{at + 1}"], name=f"add{at}") for at in range(count)]
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    graph = helper.make_graph(nodes, "sums", values[:1], values[1:], [one])
    # Both old enough for any ONNX Runtime that is about.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


def _median_run_s(session: Any, clock: Clock) -> float:
    import numpy as np

    given = {"x0": np.ones(1, np.float32)}
    times = []
    for _ in repeat(None, _RUNS):
        start = clock()
        session.run(None, given)
        times.append(clock() - start)
    return median(times)
