"""A stand-in for trtexec: takes its words, writes its files, and computes with ONNX Runtime. For the tests alone."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

HELP = (
    "  --onnx=<file>  --workspace=N  --loadInputs  --exportOutput  --exportTimes  --noDataTransfers  --fp16  --noTF32\n"
)


def main():
    import numpy as np
    import onnxruntime

    print("&&&& RUNNING TensorRT.trtexec [TensorRT v8201] #", *sys.argv)
    words = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
    known = {"onnx", "saveEngine", "loadEngine", "workspace", "loadInputs", "exportOutput", "exportTimes"}
    known |= {"noDataTransfers", "fp16", "noTF32", "iterations", "duration", "warmUp"}
    if unknown := words.keys() - known:
        print(f"[E] Unknown option: {', '.join(unknown)}")
        return 1
    session = onnxruntime.InferenceSession(words.get("onnx") or words["loadEngine"])
    given = dict(pair.split(":", 1) for pair in words.get("loadInputs", "").split(",") if pair)
    feeds = {}
    for each in session.get_inputs():
        shape = tuple(each.shape)
        file = given.get(each.name)
        feeds[each.name] = np.fromfile(file, np.float32).reshape(shape) if file else np.ones(shape, np.float32)
    outputs = session.run(None, feeds)
    if "saveEngine" in words:
        shutil.copy(words["onnx"], words["saveEngine"])
    if "exportOutput" in words:
        names = [each.name for each in session.get_outputs()]
        rows = [
            {"name": name, "dimensions": "x".join(map(str, y.shape)), "values": [float(v) for v in y.ravel()]}
            for name, y in zip(names, outputs, strict=True)
        ]
        Path(words["exportOutput"]).write_text(json.dumps(list(reversed(rows)), indent=1))
    if "exportTimes" in words:
        trace, begin = [], time.perf_counter()
        for _ in range(int(words["iterations"]) + 3):
            start = time.perf_counter()
            session.run(None, feeds)
            end = time.perf_counter()
            row = {"startComputeMs": start - begin, "endComputeMs": end - begin, "computeMs": end - start}
            trace.append({name: 1e3 * value for name, value in row.items()})
        Path(words["exportTimes"]).write_text(json.dumps(trace))
    print("[08/11/2022-06:55:33] [I] === Performance summary ===\n[08/11/2022-06:55:33] [I] Throughput: 1 qps")
    return 0


if __name__ == "__main__":
    if "--help" in sys.argv:
        print(HELP)
    else:
        sys.exit(main())
