"""A stand-in for the program `trtexec`: its options by version, the files it writes, the lines it prints.

What it computes is right: an engine's file is the ONNX model, and ONNX Runtime runs it. Its times are invented.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

BUILD = {"--onnx", "--saveEngine", "--noTF32", "--iterations", "--duration", "--warmUp"}
RUN = {"--loadEngine", "--iterations", "--duration", "--warmUp", "--loadInputs", "--exportOutput"}
TIME = {"--loadEngine", "--iterations", "--duration", "--warmUp", "--noDataTransfers", "--useSpinWait", "--exportTimes"}
# Options that came or went: (first version, first version without it)
SINCE = {
    "--fp16": ((8, 0, 0), (11, 0, 0)),
    "--int8": ((8, 0, 0), (11, 0, 0)),
    "--workspace": ((8, 0, 0), (10, 0, 0)),
    "--stronglyTyped": ((9, 0, 0), (11, 0, 0)),
}


class Tool:
    """Called as `trtexec.Run` is: options and a folder in, exit code and text out."""

    def __init__(self, version=(8, 2, 1), unknown=(), short=0):
        self.version, self.unknown, self.short = version, unknown, short
        self.calls = []

    def __call__(self, options, folder):
        self.calls.append(tuple(options))
        major, minor, patch = self.version
        number = major * (10_000 if major >= 10 else 1_000) + minor * 100 + patch
        said = f"&&&& RUNNING TensorRT.trtexec [TensorRT v{number}] # trtexec {' '.join(options)}\n"
        given = dict(option.split("=", 1) if "=" in option else (option, "") for option in options)
        if "--help" in given:
            return 0, f"{said}=== Model Options ===\n"
        for option in given:
            first, gone = SINCE.get(option, ((0, 0, 0), (99, 0, 0)))
            if not first <= self.version < gone or (option not in SINCE and option not in BUILD | RUN | TIME):
                return 1, f"{said}[11/24/2026-10:00:00] [E] Unknown option: {option} \n&&&& FAILED\n"
        said += "[11/24/2026-10:00:00] [I] Selected Device: Xavier\n"
        if "--onnx" in given:
            return self._build(folder, given, said)
        if "--exportTimes" in given:
            return self._time(folder, given, said)
        return self._run(folder, given, said)

    def _build(self, folder, given, said):
        data = Path(folder, given["--onnx"]).read_bytes()
        for index, node in enumerate(onnx.load_from_string(data).graph.node):
            if node.op_type in self.unknown:
                stamp = "[11/24/2026-10:00:00] [E]"
                return 1, (
                    f"{said}{stamp} [TRT] ModelImporter.cpp:771: While parsing node number {index} "
                    f'[{node.op_type} -> "{node.output[0]}"]:\n'
                    f"{stamp} [TRT] ModelImporter.cpp:777: ERROR: no importer\n{stamp} Failed to parse onnx file\n"
                )
        Path(folder, given["--saveEngine"]).write_bytes(data)
        return 0, said

    def _run(self, folder, given, said):
        session = ort.InferenceSession(Path(folder, given["--loadEngine"]), providers=["CPUExecutionProvider"])
        files = dict(part.split(":", 1) for part in given["--loadInputs"].split(","))
        dtypes = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
        feeds = {
            value.name: np.fromfile(Path(folder, files[value.name]), dtypes[value.type]).reshape(value.shape)
            for value in session.get_inputs()
        }
        rows = []
        for value, array in zip(session.get_outputs(), session.run(None, feeds), strict=True):
            numbers = ", ".join(f"{number:.6g}" for number in array.flatten())  # as C++ prints a float
            shape = "x".join(map(str, array.shape))
            rows.append(f'{{ "name" : "{value.name}"\n  , "dimensions" : "{shape}"\n  , "values" : [ {numbers} ]\n  }}')
        Path(folder, given["--exportOutput"]).write_text("[\n  " + "\n, ".join(rows) + "\n]\n")
        return 0, said

    def _time(self, folder, given, said):
        """Five queries in the warm-up, then one more than it was asked for: it runs at least so many."""
        warm_up, runs = float(given["--warmUp"]), int(given["--iterations"])
        starts = [warm_up * part / 5 for part in range(5)]
        starts += [warm_up + 2.0 * index for index in range(runs + 1 - self.short)]
        rows = [
            {
                "startEnqMs": start - 0.5,
                "endEnqMs": start,
                "startH2dMs": start,
                "endH2dMs": start,
                "startComputeMs": start,
                "endComputeMs": start + 1.5,
                "startD2hMs": start + 1.5,
                "endD2hMs": start + 1.5,
                "h2dMs": 0,
                "computeMs": 1.5,
                "d2hMs": 0,
                "latencyMs": 1.5,
            }
            for start in starts
        ]
        Path(folder, given["--exportTimes"]).write_text(json.dumps(rows))
        return 0, said


if __name__ == "__main__":
    code, text = Tool()(sys.argv[1:], Path.cwd())
    sys.stdout.write(text)
    sys.exit(code)
