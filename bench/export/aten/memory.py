"""Which calls may write into what they read, and when a value is read for the last time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from .capture import Call, Graph, Name, names_in

# Their result may lie in the memory of their first argument; whether it does depends on how that one lies there.
VIEWS = frozenset(
    ("reshape", "permute", "transpose", "select", "narrow", "unsqueeze", "unbind", "chunk", "split", "unfold", "expand")
)
# Of these several places of the result may be one place in memory.
OVERLAPPING = frozenset(("expand", "unfold"))
IN_PLACE = frozenset(("add", "mul", "addcmul", "relu", "silu", "sigmoid", "hardtanh"))


def in_place(graph: Graph) -> Graph:
    """The same answers with fewer new tensors: a call overwrites its first argument if nobody else reads that memory.

    That holds for a value made anew and read once, also through views that are read once: whether such a view is a
    copy does not matter then.
    """
    reads = Counter(name.text for call in graph.calls for name in names_in(call.args))
    reads.update(graph.outputs)
    alone: dict[str, Call] = {}  # values that nobody else reads, and what made them
    calls = []
    for call in graph.calls:
        first = call.args[0]
        source = alone.get(first.text) if isinstance(first, Name) else None
        if call.op in IN_PLACE and source and (source.shape, source.dtype) == (call.shape, call.dtype):
            call = replace(call, op=f"{call.op}_")
        is_new = call.op not in VIEWS or (source is not None and call.op not in OVERLAPPING)
        if call.shape is not None and is_new and reads[call.outputs[0]] == 1:
            alone[call.outputs[0]] = call
        calls.append(call)
    return replace(graph, calls=tuple(calls))


def last_reads(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """For every call the values that nobody needs after it; inputs and constants are not ours to let go."""
    needed = {*graph.inputs, *graph.constants, *graph.outputs}
    frees = []
    for call in reversed(graph.calls):
        gone = sorted({*call.outputs, *(name.text for name in names_in(call.args))} - needed)
        needed.update(gone)
        frees.append(tuple(gone))
    return tuple(reversed(frees))
