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

ALWAYS = {"--onnx", "--saveEngine", "--loadEngine", "--noTF32", "--iterations", "--duration", "--warmUp", "--help"}
ALWAYS |= {"--loadInputs", "--exportOutput", "--exportTimes"}
# Options that came or went: (first version, first version without it). Since 11 it transfers nothing, spins, and
# records a CUDA graph by itself.
SINCE = {
    "--fp16": ((8, 0, 0), (11, 0, 0)),
    "--int8": ((8, 0, 0), (11, 0, 0)),
    "--workspace": ((8, 0, 0), (10, 0, 0)),
    "--memPoolSize": ((8, 4, 0), (99, 0, 0)),
    "--stronglyTyped": ((9, 0, 0), (11, 0, 0)),
    "--noDataTransfers": ((8, 0, 0), (11, 0, 0)),
    "--useSpinWait": ((8, 0, 0), (11, 0, 0)),
    "--noCudaGraph": ((11, 0, 0), (99, 0, 0)),
}
WITHOUT_WARM_UP = (8, 5, 0)  # from here on the file of times has none
STAMP = "[11/24/2026-10:00:00]"


class Tool:
    """Called as `trtexec_tool.start` is."""

    def __init__(self, version=(8, 2, 1), unknown=(), short=0):
        self.version, self.unknown, self.short = version, unknown, short
        self.calls = []

    def __call__(self, options, folder, before=None):
        self.calls.append(tuple(options))
        code, output = self.run(options, folder)
        return {"returncode": code, "output": output, "seconds": 9.0, "harness_cpu_s": 0.09, "peak_rss_bytes": 10**8}

    def run(self, options, folder):
        major, minor, patch = self.version
        number = major * (10_000 if major >= 10 else 1_000) + minor * 100 + patch
        said = f"&&&& RUNNING TensorRT.trtexec [TensorRT v{number}] # trtexec {' '.join(options)}\n"
        given = dict(option.split("=", 1) if "=" in option else (option, "") for option in options)
        known = ALWAYS | {name for name, (first, gone) in SINCE.items() if first <= self.version < gone}
        if "--help" in given:
            return 0, said + "".join(f"  {name}=...  what it is for\n" for name in sorted(known))
        if wrong := sorted(given.keys() - known):
            return 1, f"{said}{STAMP} [E] Unknown option: {wrong[0]} \n&&&& FAILED\n"
        said += f"{STAMP} [I] Selected Device: Xavier\n"
        if "--onnx" in given:
            return self._build(folder, given, said)
        if "--exportOutput" in given:
            self._answer(folder, given)
        return self._time(folder, given, said)

    def _build(self, folder, given, said):
        data = Path(folder, given["--onnx"]).read_bytes()
        for index, node in enumerate(onnx.load_from_string(data).graph.node):
            if node.op_type in self.unknown:
                stamp = f"{STAMP} [E]"
                return 1, (
                    f"{said}{stamp} [TRT] ModelImporter.cpp:771: While parsing node number {index} "
                    f'[{node.op_type} -> "{node.output[0]}"]:\n'
                    f"{stamp} [TRT] ModelImporter.cpp:777: ERROR: no importer\n{stamp} Failed to parse onnx file\n"
                )
        Path(folder, given["--saveEngine"]).write_bytes(data)
        return 0, said

    def _answer(self, folder, given):
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
        text = "\n, ".join(reversed(rows))  # in no order that one could count on
        Path(folder, given["--exportOutput"]).write_text(f"[\n  {text}\n]\n")

    def _time(self, folder, given, said):
        """Five queries in the warm-up, and one more than it was asked for: it runs at least so many, and so long."""
        warm_up, runs = float(given["--warmUp"]), int(given["--iterations"])
        timed = max(runs + 1 - self.short, int(500 * float(given["--duration"])))
        starts = [warm_up * part / 5 for part in range(5)] if warm_up else []
        printed = f"{said}{STAMP} [I] Warmup completed {len(starts)} queries over {warm_up:g} ms\n"
        if self.version >= WITHOUT_WARM_UP:
            starts = []
        starts += [warm_up + 2.0 * index for index in range(timed)]
        rows = [{"startComputeMs": start, "endComputeMs": start + 1.5, "computeMs": 1.5} for start in starts]
        if "--exportTimes" in given:
            Path(folder, given["--exportTimes"]).write_text(json.dumps(rows))
        return 0, f"{printed}{STAMP} [I] === Performance summary ===\n{STAMP} [I] Throughput: 500 qps\n"


if __name__ == "__main__":
    code, text = Tool().run(sys.argv[1:], Path.cwd())
    sys.stdout.write(text)
    sys.exit(code)
