"""The form for old boards: what the runner answers, that torch 1.10 has all it calls, and what it says of bad files."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest
import torch
from small_networks import clip_network
from torch import nn

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.export import Options, get_format
from co3d_bench.bench.export.aten import runner
from co3d_bench.bench.measure.verify import relative_error
from co3d_bench.models import continual as co
from co3d_bench.models.spec import is_frame_network
from co3d_bench.models.zoo import find_model, our_models

RUNNER = Path(runner.__file__)
# Printed by torch 1.10.2 itself (PyPI's wheel for Python 3.6): str() of each torch._C._jit_get_schemas_for_operator.
# Only div, hardsigmoid, hardswish and sub are read from a native_functions.yaml, of development between 1.9 and 1.10
# (github.com/AnirudhDagar/pytorch at 28290ef).
SCHEMAS = [torch._C.parse_schema(line) for line in Path(__file__).with_name("aten_1_10.txt").read_text().splitlines()]
# One of each family and form here, every network of the zoo by `make acceptance`.
ONE_OF_A_KIND = {"x3d-xs", "cox3d-s-13", "i3d-r50", "coslow-r50-8", "coslowfast-4x16-r50-32", "cor2plus1d-18-8"}
ONE_OF_A_KIND |= {"rcu-8", "tsm-mobilenetv2", "movinet-a0-stream"}
OLD_PYTHON = os.environ.get("CO3D_BENCH_OLD_PYTHON")
PIXELS = 32


def small(name):
    """The network for frames of 32 x 32, and one input."""
    torch.manual_seed(0)
    net = find_model(name).build().eval()
    net.input_shape = (*net.input_shape[:-2], PIXELS, PIXELS)
    return net, torch.randn(1, *net.input_shape)


def written(net, example, path):
    (file,) = get_format("aten-json").write(net, example, path, Options())
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    net = co.convert(clip_network(), prove=False)
    return written(net, torch.zeros(2, 3, 16, 16), tmp_path_factory.mktemp("aten") / "net.aten.zip")


def graph_of(file):
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read("graph.json"))


def rewritten(file, to, **changes):
    """A copy of the file with keys of its graph changed."""
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(to, "w") as new:
        new.writestr("graph.json", json.dumps({**graph_of(file), **changes}))
        new.writestr("weights.bin", old.read("weights.bin"))
    return to


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(spec.name, marks=[] if spec.name in ONE_OF_A_KIND else pytest.mark.acceptance)
        for spec in our_models()
    ],
)
@torch.no_grad()
def test_the_runner_answers_as_the_network_does(name, tmp_path):
    net, _ = small(name)
    path = written(net, torch.zeros(1, *net.input_shape), tmp_path / "net.aten.zip")
    assert not [call for call in graph_of(path)["nodes"] if not fits_torch_1_10(call)]
    program = runner.Program(path)
    assert program.error() < 1e-5
    frames = is_frame_network(net)
    state = net.initial_state(1) if frames else ()  # empty too for one without memory
    for x in torch.randn(4 if frames else 1, 1, *net.input_shape):
        shown = x.clone()
        if frames:
            expected, state = net.step(x, state)
        else:
            expected = net(x)
        assert relative_error(program.step(x), expected) < 1e-5
        assert torch.equal(x, shown)


KINDS = {"Tensor": str, "List[Tensor]": list, "int": int, "bool": bool, "float": (int, float), "List[int]": list}


@cache
def declarations(op):
    """Of an operator in torch 1.10, for each overload: kinds of its places, how many must be given, all names."""
    rows = []
    for schema in SCHEMAS:
        if schema.name != f"aten::{op}":
            continue
        places = [argument for argument in schema.arguments if not argument.kwarg_only]
        words = [str(argument.type).removeprefix("Optional[").removesuffix("]") for argument in places]
        words = [f"{word}]" if word.startswith("List[") and not word.endswith("]") else word for word in words]
        required = sum(not argument.has_default_value() for argument in places)
        names = {argument.name for argument in schema.arguments}
        rows.append((tuple(KINDS.get(word, object) for word in words), required, names))
    return rows


@torch.no_grad()
def test_half_precision_is_held_to_float32(tmp_path):
    net = clip_network().half()
    program = runner.Program(written(net, torch.zeros(1, 3, 4, 16, 16, dtype=torch.float16), tmp_path / "net.aten.zip"))
    (name,) = program.graph["scores"]
    clip = program.examples[-1]
    assert clip.dtype == torch.float16  # a CPU without such operators writes the file, another device runs it
    assert torch.equal(program.constants[name], net.float()(clip.float()))


def fits_torch_1_10(call):
    """Whether one of the declarations takes this call: as many arguments, plain ones of its kinds, known options."""
    op, args, options = call[:3]
    return any(
        required <= len(args) <= len(kinds)
        and names >= set(options)
        and all(arg is None or isinstance(arg, kind) for arg, kind in zip(args, kinds, strict=False))
        for kinds, required, names in declarations(op)
    )


def test_torch_1_10_has_every_operator_of_the_runner():
    assert {f"aten::{op}" for op in runner.OPS} == {schema.name for schema in SCHEMAS}


def test_a_call_that_torch_1_10_does_not_take_is_seen():
    assert fits_torch_1_10(["permute", ["x", [0, 1]], {}])
    assert not fits_torch_1_10(["permute", ["x"], {}])
    assert not fits_torch_1_10(["permute", ["x", "y"], {}])
    assert not fits_torch_1_10(["pad", ["x", [0, 1], "constant", 0.0], {}])
    assert not fits_torch_1_10(["clone", ["x"], {"layout": "strided"}])


def test_the_runner_is_short_and_old_fashioned():
    text = RUNNER.read_text()
    assert len(text.splitlines()) < 150
    tree = ast.parse(text, feature_version=(3, 6))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert modules == {"argparse", "hashlib", "json", "sys", "time", "zipfile", "torch"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not {"eval", "exec", "compile", "pickle"} & set(re.findall(r"\w+", text))
    newer = r"removeprefix|removesuffix|math\.prod|:=|inference_mode|subprocess\.run"
    assert not re.findall(newer, text.partition('"""')[2].partition('"""')[2])


def run(path, *options, python=sys.executable):
    command = [python, "-W", "ignore", str(RUNNER), str(path), "--steps", "3", "--threads", "1", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_it_runs_alone(file):
    done = run(file)
    assert done.returncode == 0, done.stderr
    checked, *steps = map(json.loads, done.stdout.splitlines())
    assert checked["event"] == "checked"
    assert checked["relative_error"] < 1e-5
    assert len(steps) == 3
    assert all(step["latency_s"] > 0 and step["checksum"] == step["checksum"] for step in steps)


@pytest.mark.skipif(not OLD_PYTHON, reason="CO3D_BENCH_OLD_PYTHON names no Python 3.6 with torch 1.10")
def test_an_old_torch_runs_it(file):
    done = run(file, python=OLD_PYTHON)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["relative_error"] < 1e-5


@torch.no_grad()
def test_half_precision_is_traced_and_answered_in_float32(tmp_path):
    """A CPU has no pool of 3D maps in half precision, which this network needs."""
    net = clip_network()
    path = written(net, torch.zeros(1, 3, 4, 16, 16, dtype=torch.float16), tmp_path / "net.aten.zip")
    graph, data = runner.read(path)
    tensors = {row["name"]: runner.tensor(row, data) for row in graph["tensors"]}
    weights = [tensor for name, tensor in tensors.items() if name not in graph["scores"]]
    assert {tensor.dtype for tensor in weights if tensor.is_floating_point()} == {torch.float16}
    assert graph["inputs"][0]["dtype"] == "float16"
    assert graph["tolerance"] == 2e-2
    shown = runner.example(graph["inputs"][0], runner.EXAMPLES - 1).float()
    (name,) = graph["scores"]
    assert relative_error(tensors[name], net(shown)) < 1e-6
    assert {tensor.dtype for tensor in net.parameters()} == {torch.float32}


@torch.no_grad()
def test_streams_start_again_and_do_not_touch_each_other(file):
    one, other = runner.Program(file), runner.Program(file)
    frames = torch.randn(30, 2, 3, 16, 16)
    first = [one.step(frame).clone() for frame in frames]
    other.step(frames[0])
    one.reset()
    assert all(torch.equal(one.step(frame), want) for frame, want in zip(frames, first, strict=True))
    assert torch.equal(other.step(frames[1]), first[1])


@torch.no_grad()
def test_a_long_stream_does_not_drift(tmp_path):
    net = co.convert(clip_network(), prove=False)
    program = runner.Program(written(net, torch.zeros(1, 3, 16, 16), tmp_path / "net.aten.zip"))
    state = net.initial_state(1)
    for frame in torch.randn(200, 1, 3, 16, 16):
        expected, state = net.step(frame, state)
        assert relative_error(program.step(frame), expected) < 1e-5


BAD = {
    "a newer schema": ({"schema": 2}, "schema 2"),
    "other weights": ({"sha256": "0" * 64}, "weights.bin is not the one"),
    "an unknown operator": ({"nodes": [["system", ["frame"], {}, ["y"], []]]}, "system"),
    "a missing tensor": ({"tensors": []}, "initial_0"),
    "a value nobody made": ({"nodes": [["relu", ["nobody"], {}, ["y"], []]]}, "nobody"),
    "a wrong type": ({"nodes": [["relu", ["frame", "frame", 3], {}, ["y"], []]]}, "relu"),
    "a row too short": ({"nodes": [["relu"]]}, "prepared"),
    "another answer": ({"tolerance": -1.0}, "a wrong answer"),
}


@pytest.mark.parametrize(("changes", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_one_line(changes, words, file, tmp_path):
    path = rewritten(file, tmp_path / "bad.zip", **changes)
    with pytest.raises(runner.BadFile, match=words) as caught:
        list(runner.run(runner.Program(path), 1))
    assert "\n" not in str(caught.value)


def test_damage_is_one_line_and_an_exit_code(file, tmp_path):
    (tmp_path / "cut.zip").write_bytes(file.read_bytes()[:1000])
    with zipfile.ZipFile(tmp_path / "no-weights.zip", "w") as archive:
        archive.writestr("graph.json", json.dumps(graph_of(file)))
    for path, words in (("cut.zip", "not a zip file"), ("no-weights.zip", "weights.bin"), ("none.zip", "No such file")):
        with pytest.raises(runner.BadFile, match=words):
            runner.Program(tmp_path / path)
    done = run(tmp_path / "none.zip")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


class Overwrites(nn.Module):
    """Writes into a part of what it reads as a whole afterwards."""

    def forward(self, clip):
        y = clip.relu() + 1
        y[:, :1].mul_(2)
        return y.mean((2, 3, 4))


class Needs(nn.Module):
    def forward(self, clip):
        return torch.special.erfcx(clip).mean((2, 3, 4))


@torch.no_grad()
def test_what_is_not_in_torch_1_10_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="special_erfcx"):
        written(Needs().eval(), torch.zeros(1, 3, 2, 4, 4), tmp_path / "net.aten.zip")
    assert not list(tmp_path.iterdir())


class Shares(nn.Module):
    """Overwrites a view whose base is read afterwards."""

    def forward(self, clip):
        y = clip + 1
        y.permute(0, 2, 1, 3, 4).relu_()
        return y.mean((2, 3, 4))


@torch.no_grad()
def test_what_is_overwritten_is_overwritten_for_all_who_read_it(tmp_path):
    clip = torch.randn(1, 3, 2, 4, 4)
    program = runner.Program(written(Shares().eval(), torch.zeros(clip.shape), tmp_path / "net.aten.zip"))
    assert relative_error(program.step(clip), Shares()(clip)) < 1e-6
