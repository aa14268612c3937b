"""Run a network that `co3d-bench export --format aten-json` wrote: this file, Python 3.6 and torch 1.10 or newer.

    python3 runner.py FILE [--steps N] [--threads N] [--device cpu|cuda]     # prints JSON, one object a line
    Program(FILE).step(x)     # a clip or the next frame in, scores out; the state of a frame network is kept inside

FILE is a zip of graph.json, a list of calls of operators, and weights.bin, numbers in little-endian order. Nothing in
it is executed but calls of the operators named in OPS. The exit code is 1 if it cannot be run or its answer is wrong.
"""
# ruff: noqa: B007, B905 - zip() has no strict= in Python 3.6
# pyright: reportAttributeAccessIssue=false

import argparse
import hashlib
import json
import sys
import time
import zipfile

import torch

SCHEMA = 1
EXAMPLES = 4
# Every operator that a file may call; torch 1.10 has them all.
NAMES = """add add_ addcmul addcmul_ amax avg_pool2d avg_pool3d batch_norm cat chunk clone constant_pad_nd conv2d conv3d
div expand hardsigmoid hardswish hardtanh hardtanh_ index_select linear max_pool2d max_pool3d mean mul mul_ narrow
permute relu relu_ reshape select sigmoid sigmoid_ silu silu_ split stack sub transpose unbind unfold unsqueeze"""
OPS = frozenset(NAMES.split())
ERRORS = (OSError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, zipfile.BadZipFile)


class BadFile(Exception):
    """Why it cannot be run, or that its answer is wrong, in one line."""


class Program:
    """A network ready to be called. Raises BadFile."""

    def __init__(self, path, device="cpu"):
        try:
            self.graph, data = read(path)
            self.constants = {row["name"]: tensor(row, data).to(device) for row in self.graph["tensors"]}
            self.inputs = [row["name"] for row in self.graph["inputs"]]
            self.start = [self.constants[row["initial"]] for row in self.graph["state"]]
            self.examples = [example(self.graph["inputs"][0], index).to(device) for index in range(EXAMPLES)]
            self.nodes = [prepared(*row) for row in self.graph["nodes"]]
        except ERRORS as error:
            raise BadFile(f"{path}: {(str(error) or 'damaged').splitlines()[0]}") from None
        self.reset()

    def reset(self):
        """Back to the start of a stream."""
        self.state = self.start

    def step(self, x):
        """One prediction: scores, or a list of tensors where the network answers with several."""
        values, op = dict(self.constants), ""
        values.update(zip(self.inputs, [x, *self.state]))
        try:
            for op, function, args, holes, options, outputs, frees in self.nodes:
                args = args[:]
                for at, name in holes:
                    args[at] = values[name] if type(name) is str else [values[one] for one in name]
                y = function(*args, **options)
                values.update(zip(outputs, (y,) if torch.is_tensor(y) else y))
                for name in frees:
                    del values[name]
            self.state = [values[row["output"]] for row in self.graph["state"]]
            answers = [values[name] for name in self.graph["outputs"]]
        except ERRORS as error:
            raise BadFile(f"{op}: {(str(error) or 'damaged').splitlines()[0]}") from None
        return answers[0] if len(answers) == 1 else answers

    def error(self):
        """How far the last of the examples' answers is from the exporting machine's, max|a - b| / max|b|. Resets."""
        self.reset()
        given = [self.step(x) for x in self.examples][-1]
        wanted = [self.constants[name].double() for name in self.graph["scores"]]
        self.reset()
        given = [given] if torch.is_tensor(given) else given
        return float(torch.stack([(a.double() - b).abs().max() / b.abs().max() for a, b in zip(given, wanted)]).max())


def read(path):
    with zipfile.ZipFile(str(path)) as archive:
        graph = json.loads(archive.read("graph.json").decode("utf-8"))
        if graph["schema"] != SCHEMA:
            raise ValueError(f"it has schema {graph['schema']}, this runner reads schema {SCHEMA}")
        data = bytearray(archive.read("weights.bin"))
    if hashlib.sha256(data).hexdigest() != graph["sha256"]:
        raise ValueError("weights.bin is not the one it was written with (sha256); copy or export it again")
    return graph, data


def tensor(row, data):
    """A row of `tensors`: one number all over, or what stands in `data`, without a copy."""
    shape, dtype = torch.Size(row["shape"]), getattr(torch, row["dtype"])
    if "fill" in row:
        return torch.full(shape, row["fill"], dtype=dtype)
    return torch.frombuffer(data, dtype=dtype, count=shape.numel(), offset=row["offset"]).reshape(shape)


def prepared(op, args, options, outputs, frees):
    """A row of `nodes` with its operator looked up; `holes` are the arguments that are names of values."""
    if op not in OPS:
        raise ValueError(f"it calls {op}, which is none of the operators this runner knows")
    # Not torch.ops.aten: in torch 1.10 it may read a whole tensor into a list before it sees that it is none.
    function = next(getattr(where, op) for where in (torch, torch._C._nn, torch.Tensor) if hasattr(where, op))
    holes = [(at, arg) for at, arg in enumerate(args) if type(arg[0] if type(arg) is list else arg) is str]
    return op, function, args, holes, {key: getattr(torch, value) for key, value in options.items()}, outputs, frees


def example(row, index):
    """Numbers from -1 to 1, the same everywhere, which no random generator gives from version to version."""
    k = torch.arange(torch.Size(row["shape"]).numel(), dtype=torch.int64).reshape(row["shape"])
    return (((k * k * 31 + k * 7919 + index * 104729) % 2003).float() / 1001 - 1).to(getattr(torch, row["dtype"]))


def run(program, steps):
    """Is it right, how long does it take: facts to print. A wrong answer has no speed: raises BadFile."""
    error, tolerance = program.error(), program.graph["tolerance"]
    yield {"event": "checked", "relative_error": error, "tolerance": tolerance}
    if not error <= tolerance:  # NaN, too
        raise BadFile(f"a wrong answer: {error:g} off, {tolerance:g} allowed")
    for index in range(steps):
        start = time.perf_counter()
        y = program.step(program.examples[index % EXAMPLES])
        checksum = float((y if torch.is_tensor(y) else y[0]).double().sum())  # waits for the device
        yield {"event": "step", "latency_s": time.perf_counter() - start, "checksum": checksum}


def main():
    parser = argparse.ArgumentParser(description="Run a network written by co3d-bench export --format aten-json.")
    parser.add_argument("file")
    parser.add_argument("--steps", type=int, default=100, help="predictions to time")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="inside an operator")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        with torch.no_grad():
            for line in run(Program(options.file, options.device), options.steps):
                sys.stdout.write(json.dumps(line) + "\n")
    except BadFile as error:
        sys.exit(f"aten-json: {error}")


if __name__ == "__main__":
    main()
