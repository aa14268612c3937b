"""A lowered network as C++: `table.h`, and the numbers that it refers to, `weights.bin`."""

from __future__ import annotations

import ctypes
import hashlib
import math
import struct
import textwrap
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..calls import PLAIN, Activation, Call, FeatureMap, Kind, Reduction, table_of
from ..compiled import Node, node_of
from ..lower import Lowered
from ..memory import Layout

if TYPE_CHECKING:
    from torch import Tensor

MAGIC = b"CO3DBNCH"
VERSION = 1  # of weights.bin; as in network.cpp
_ALIGN = 16  # floats
_ENUMS = {"kind": Kind, "activation": Activation, "reduction": Reduction}
_TENSORS = ("weight", "bias")


@dataclass
class Numbers:
    """Tensors one after the other, each at the start of a line of the cache."""

    parts: list[Tensor] = field(default_factory=list)
    floats: int = 0

    def add(self, tensor: Tensor) -> int:
        """Where the tensor begins, in floats."""
        import torch

        start, flat = self.floats, tensor.detach().float().contiguous().flatten()
        padding = -len(flat) % _ALIGN
        self.parts += [flat, torch.zeros(padding)]
        self.floats += len(flat) + padding
        return start

    def data(self) -> bytes:
        """All of them, little-endian."""
        import torch

        return torch.cat(self.parts).numpy().astype("<f4").tobytes() if self.parts else b""


@dataclass(frozen=True)
class Table:
    """The text of table.h, and weights.bin."""

    text: str
    weights: bytes
    id: int  # of the text: weights of the same one fit each other's code


def network_table(lowered: Lowered, layout: Layout) -> Table:
    """The network as C++ and numbers."""
    weights, kept = Numbers(), Numbers()
    calls = [_call(index, call, layout, weights, kept) for index, call in enumerate(lowered.calls)]
    fills = [
        _fill(value, tensor, offset, kept)
        for value, tensor, offset in zip(lowered.state, lowered.entry.state, layout.offset[1:], strict=False)
    ]
    answers = [_answer(value, layout) for value in lowered.answers]
    body = "\n".join(
        (
            f"constexpr int PLACES = {len(layout.offset)}, STATES = {layout.states};",
            f"constexpr int64_t MEMORY_FLOATS = {layout.floats}, WEIGHT_FLOATS = {weights.floats + kept.floats};",
            f"constexpr int64_t KEPT = {weights.floats};  // where in the weights begins what is read after `create`",
            "// Where each place of the table of addresses lies in the memory, in floats; the first is the input.",
            _array("int64_t", "OFFSET", layout.offset),
            "// For each: the place whose address it takes after a step.",
            _array("int32_t", "ORDER", layout.order),
            "",
            *(_plain_table(index, call) for index, call in enumerate(lowered.calls) if call.kind in PLAIN),
            _function(
                "std::vector<Node> calls_of(const float *weights, const float *kept)",
                [
                    f"std::vector<Node> calls({len(calls)});",
                    "Node *n = calls.data();",
                    *(line for lines in calls for line in lines),
                    "(void)n;",
                    "(void)weights;",
                    "(void)kept;",
                    "return calls;",
                ],
            ),
            "// What a stream begins with.",
            _function("void fill_state(float *memory, const float *kept)", [*fills, "(void)memory;", "(void)kept;"]),
            "// The answers, in the order of their dimensions.",
            _function(
                "void read_answers(const float *memory, float *scores)",
                [*(f"scores = {answer};" for answer in answers), "(void)scores;"],
            ),
        )
    )
    id = int.from_bytes(hashlib.sha256(body.encode()).digest()[:8], "big")
    text = (
        "// This network, written by co3d-bench: calls in order, then where its state and its answers lie.\n\n"
        f"constexpr uint64_t NETWORK = 0x{id:016x}u;\n{body}"
    )
    numbers = weights.data() + kept.data()
    return Table(text, _header(id, numbers) + numbers, id)


def _header(id: int, numbers: bytes) -> bytes:
    return struct.pack("<8sIIQQ32x", MAGIC, VERSION, zlib.crc32(numbers), id, len(numbers) // 4)


def _call(index: int, call: Call, layout: Layout, weights: Numbers, kept: Numbers) -> list[str]:
    """Statements that fill the node, those of its fields that are not zero.

    An engine packs the weights into a memory of its own, but reads the table and the constants of a plain call where
    they are: its table is code, which no file can change, and its constants are kept.
    """
    node = node_of(call, layout)
    fields = []
    for name, *_ in Node._fields_:
        value = getattr(node, name)
        if name in _TENSORS:
            if (tensor := getattr(call, name)) is None:
                continue
            if call.kind not in PLAIN:
                fields.append(f"n->{name} = weights + {weights.add(tensor)};")
            elif name == "weight":
                fields.append(f"n->weight = (const float *)TABLE_{index};")
            else:
                fields.append(f"n->{name} = kept + {kept.add(tensor)};")
        elif isinstance(value, ctypes.Array):
            fields += [f"n->{name}[{at}] = {each};" for at, each in enumerate(value) if each]
        elif value:
            fields.append(f"n->{name} = {_ENUMS[name](value).name if name in _ENUMS else value};")
    given = ", ".join(_shape(tap.map) for tap in call.taps)
    return ["", f"// {index}: {call.name}: {given} -> {_shape(call.output)}", *_wrapped(fields), "++n;"]


def _plain_table(index: int, call: Call) -> str:
    numbers = [f"{number}," for number in table_of(call)]
    lines = (" ".join(numbers[at : at + 16]) for at in range(0, len(numbers), 16))
    return "\n".join((f"static const int32_t TABLE_{index}[] = {{", *lines, "};", ""))


def _shape(value: FeatureMap) -> str:
    return "x".join(map(str, (value.batch, value.channels, value.frames, value.height, value.width)))


def _fill(value: FeatureMap, tensor: Tensor, offset: int, kept: Numbers) -> str:
    """The statement that writes a part of the state as it is at the start: one pixel, where all are alike, else all."""
    import torch

    slots = max(value.slots - 1, 1)  # the last one of a ring is written before it is read
    whole = torch.zeros(slots, value.batch, value.frames, value.height, value.width, value.pitch)
    view = whole[..., : value.channels].permute(1, 0, 5, 2, 3, 4)  # (B, slots, C, T, H, W)
    view.copy_(tensor.reshape(view.shape))
    pixels = whole.reshape(-1, value.pitch)
    if bool((pixels == pixels[0]).all()):
        whole = pixels[0]
    times = slots * math.prod((value.batch, value.frames, value.height, value.width, value.pitch)) // whole.numel()
    return f"repeat(memory + {offset}, {times}, kept + {kept.add(whole)}, {whole.numel()});"


def _answer(value: FeatureMap, layout: Layout) -> str:
    pixels = value.frames * value.height * value.width
    lies = f"{{{value.batch}, {pixels}, {value.channels}, {value.pitch}}}"
    return f"unpacked(memory + {layout.offset[layout.slot[value]]}, {lies}, scores)"


def _array(kind: str, name: str, values: Any) -> str:
    return "\n".join((f"const {kind} {name}[PLACES] = {{", *_wrapped([f"{value}," for value in values]), "};"))


def _function(head: str, lines: list[str]) -> str:
    return "\n".join((f"static {head} {{", *(f"    {line}".rstrip() for line in lines), "}", ""))


def _wrapped(words: Iterable[str]) -> list[str]:
    """The words in lines; none of them is broken."""
    text = " ".join(word.replace(" ", "\0") for word in words)
    lines = textwrap.wrap(text, 112, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]
