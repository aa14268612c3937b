"""A store of records as one table: networks down, engines and precisions across.

    co3d-bench run --model NAME ... --backend eager --backend fused --backend compile --backend export \\
        --backend onnxruntime --backend openvino --precision fp32 --precision bf16 --precision int8 --out FOLDER
    python tests/speed/engine_table.py FOLDER

With 10 timed predictions the 17 cases that a CPU has of CoX3D-S (13) took about 14 minutes on two cores, most of it for
verifying each over a stream of frames; float16, which a CPU computes slowly, is nearly half of that.

A cell is the median latency in milliseconds and, of the same network, threads, batch and input, how many times as fast
as eager float32 that is. `*` is a series with doubts (`co3d-bench report FOLDER` says which), `wrong` an answer that
is not the network's, `failed` any other failure; empty is what was not measured or what the engine does not compute.
Measured is the latest record of each case. It draws no conclusion: `co3d-bench report` has the rest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from co3d_bench.bench.record.store import read_records
from co3d_bench.reports.engines import EngineRow, groups


def cell(row: EngineRow | None) -> str:
    if row is None:
        return ""
    if row.error:
        return "wrong" if row.wrong else "failed"
    if row.latency_ms is None:
        return ""
    speed = f" ({row.speed:.2f} x)" if row.speed and not row.is_reference else ""
    return f"{row.latency_ms:.3g}{speed}{'*' if row.doubts else ''}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("store", type=Path, help="folder with records.jsonl")
    asked = parser.parse_args()
    found = groups(read_records(asked.store))
    if not found:
        parser.error(f"{asked.store}: holds records of one engine in one precision; measure another one")
    columns = {(not row.is_reference, row.title) for group in found for row in group.rows}
    titles = [title for _, title in sorted(columns)]
    print(f"| network | {' | '.join(titles)} |\n|---{'|---' * len(titles)}|")
    for group in found:
        rows = {row.title: row for row in group.rows}
        name = f"{group.title}, {group.setting}" if group.setting else group.title
        print(f"| {name} | {' | '.join(cell(rows.get(title)) for title in titles)} |")


if __name__ == "__main__":
    main()
