"""TensorRT's Python API by a stand-in that has what NVIDIA documents of each version: calls, order, types, memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_networks import clip_network

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'co3d-bench[onnx]'")
onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'co3d-bench[onnx]'")

import fake_tensorrt  # noqa: E402

from co3d_bench.bench.backends import Ask, tensorrt  # noqa: E402
from co3d_bench.bench.backends.tensorrt_model import make_tensorrt_model  # noqa: E402
from co3d_bench.bench.errors import UserError  # noqa: E402
from co3d_bench.bench.export.precision import TOLERANCE  # noqa: E402
from co3d_bench.bench.measure.verify import compare  # noqa: E402
from co3d_bench.bench.record.record import Engine  # noqa: E402
from co3d_bench.models import continual as co  # noqa: E402

VERSIONS = ("8.5.2.2", "10.3.0", "11.4.0.106")


@pytest.fixture(scope="module")
def networks():
    clip = clip_network()
    return {
        "clip": (clip, torch.randn(1, 3, 4, 16, 16)),
        "frame": (co.convert(clip, prove=False), torch.randn(2, 3, 16, 16)),
    }


def made_ready(trt, net, example, precision="fp32"):
    """What `prepare` does, without a device."""
    log = tensorrt._Log(trt)
    version = tensorrt.version_of(trt)
    model = make_tensorrt_model(net, example, Ask(precision, calibration=[example] * 4), version)
    plan = tensorrt.build(trt, log, model.onnx, precision, version)
    queue = fake_tensorrt.Queue()
    facts = Engine(name="TensorRT", version=trt.__version__, artefact_bytes=len(plan), notes=model.notes)
    return tensorrt.BoundContext(trt, tensorrt.load(trt, log, plan), model.entry, queue, "cpu", facts), queue


@pytest.mark.parametrize(
    ("version", "form", "precision"),
    [
        *((version, "frame", "fp32") for version in VERSIONS),
        ("8.5.2.2", "frame", "fp16"),
        ("8.5.2.2", "frame", "int8"),
        ("11.4.0.106", "clip", "fp32"),
        ("11.4.0.106", "clip", "fp16"),
        ("11.4.0.106", "frame", "fp16"),
        ("11.4.0.106", "clip", "int8"),
    ],
)
def test_it_answers_as_the_network_does(version, form, precision, networks):
    net, example = networks[form]
    with torch.inference_mode():
        runnable, queue = made_ready(fake_tensorrt.module(version), net, example, precision)
        found = compare(runnable, net, example, TOLERANCE[precision], budget_s=0)
    assert found.passed, found
    assert queue.waits == found.compared
    state = net.initial_state(len(example)) if form == "frame" else ()
    assert [tensor.shape for tensor in runnable.state_tensors()] == [tensor.shape for tensor in state]


@torch.inference_mode()
def test_reset_begins_a_stream_anew(networks):
    net, frame = networks["frame"]
    runnable, _ = made_ready(fake_tensorrt.module("10.3.0"), net, frame)
    first = [runnable.step(frame) for _ in range(5)]
    runnable.reset()
    assert all(torch.equal(runnable.step(frame), answer) for answer in first)


@pytest.mark.parametrize(
    ("version", "precision", "network_flags", "builder_flags"),
    [
        ("8.5.2.2", "fp32", 1 << 0, set()),  # EXPLICIT_BATCH
        ("8.5.2.2", "fp16", 1 << 0, {"FP16"}),
        ("8.5.2.2", "int8", 1 << 0, {"INT8"}),
        ("10.3.0", "fp32", 1 << 1, set()),  # STRONGLY_TYPED, with which no precision may be set
        ("10.3.0", "fp16", 1 << 1, set()),
        ("10.3.0", "int8", 1 << 1, set()),
        ("11.4.0.106", "fp16", 0, set()),
    ],
)
def test_each_version_is_asked_in_its_own_words(version, precision, network_flags, builder_flags, networks):
    trt = fake_tensorrt.module(version)
    made_ready(trt, *networks["clip"], precision)
    calls = dict(trt.seen)
    assert [name for name, _ in trt.seen] == ["create_network", "parse", "build"]
    assert calls["create_network"] == network_flags
    assert calls["build"] == builder_flags  # TF32 is never among them
    (opset,) = [row.version for row in calls["parse"].opset_import if row.domain == ""]
    assert opset == (13 if version.startswith("8") else 18)


def test_half_precision_is_in_the_types_of_the_model(networks):
    trt = fake_tensorrt.module("11.4.0.106")
    made_ready(trt, *networks["frame"], "fp16")
    graph = dict(trt.seen)["parse"].graph
    kinds = {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert not [tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]


def test_int8_is_of_the_kind_that_tensorrt_reads(networks):
    trt = fake_tensorrt.module("10.3.0")
    made_ready(trt, *networks["frame"], "int8")
    graph = dict(trt.seen)["parse"].graph
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    rows = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert rows
    for node in rows:
        zero = tensors[node.input[2]]
        assert zero.dtype == np.int8
        assert not zero.any()
    # Every integer comes from a QuantizeLinear: neither weights nor biases are integers in the file.
    quantised = {node.output[0] for node in rows if node.op_type == "QuantizeLinear"}
    assert all(node.input[0] in quantised for node in rows if node.op_type == "DequantizeLinear")


def test_nothing_is_copied_or_allocated_from_step_to_step(networks):
    net, frame = networks["frame"]
    with torch.inference_mode():
        runnable, _ = made_ready(fake_tensorrt.module("11.4.0.106"), net, frame)
        first = {tensor.data_ptr() for tensor in runnable.state_tensors()}
        seen = set()
        for _ in range(net.receptive_field):
            runnable.step(frame)
            seen |= {tensor.data_ptr() for tensor in runnable.state_tensors()}
    state = net.initial_state(2)
    _, after = net.step(frame, state)
    new = sum(not any(tensor is old for old in state) for tensor in after)
    assert len(seen | first) == len(state) + new


def test_an_answer_is_not_overwritten_by_the_next(networks):
    net, clip = networks["clip"]
    with torch.inference_mode():
        runnable, _ = made_ready(fake_tensorrt.module("10.3.0"), net, clip)
        first = runnable.step(clip)
        kept = first.clone()
        runnable.step(clip + 1)
    assert torch.equal(first, kept)


def test_state_that_only_moves_may_be_dropped_by_the_engine():
    """A branch that delays frames: all but the oldest of them are not read at a step."""
    branch = co.Sequential(co.Conv3d(8, 8, (5, 1, 1), padding=(2, 0, 0)))
    blocks = co.Sequential(co.Conv3d(3, 8, 1), co.Residual(branch, co.ReLU()), co.SpatialMean(), co.Projection(8, 5))
    net = co.FrameNetwork(blocks, (3, 8, 8)).eval()
    frame = torch.randn(1, 3, 8, 8)
    trt = fake_tensorrt.module("10.3.0", drops_unread=True)
    with torch.inference_mode():
        runnable, _ = made_ready(trt, net, frame)
        assert runnable._unread
        assert compare(runnable, net, frame, 1e-4, budget_s=0).passed


@pytest.mark.parametrize("version", VERSIONS)
def test_an_operator_that_it_does_not_know_is_named(version, networks):
    with pytest.raises(UserError, match=rf"TensorRT {version} cannot read this network: .*Sigmoid") as caught:
        made_ready(fake_tensorrt.module(version, unknown=("Sigmoid",)), *networks["clip"])
    assert "\n" not in caught.value.message


def test_an_engine_that_cannot_be_built_says_why(networks):
    with pytest.raises(UserError, match=r"cannot build .* Error Code 10: no implementation for node Conv_7"):
        made_ready(fake_tensorrt.module("10.3.0", builds=False), *networks["clip"])


@pytest.mark.parametrize(("version", "refused"), [("8.5.2.2", True), ("10.3.0", True), ("11.4.0.106", False)])
def test_a_precision_that_the_gpu_does_not_compute_in_is_refused(version, refused, networks):
    trt = fake_tensorrt.module(version, fast=False)
    made_ready(trt, *networks["clip"])
    if not refused:  # it no longer tells
        made_ready(trt, *networks["clip"], "fp16")
        return
    with pytest.raises(UserError, match="does not compute in fp16"):
        made_ready(trt, *networks["clip"], "fp16")


def test_a_version_without_these_calls_is_sent_to_trtexec():
    with pytest.raises(UserError, match=r"8\.2\.1\.8 has no execute_async_v3.*trtexec"):
        tensorrt.version_of(fake_tensorrt.module("8.2.1.8"))


def test_an_engine_of_other_shapes_is_refused(networks):
    net, clip = networks["clip"]
    trt = fake_tensorrt.module("10.3.0")
    log = tensorrt._Log(trt)
    small = make_tensorrt_model(net, clip, Ask(), (10, 3, 0))
    large = make_tensorrt_model(net, clip.repeat(2, 1, 1, 1, 1), Ask(), (10, 3, 0))
    engine = tensorrt.load(trt, log, tensorrt.build(trt, log, large.onnx, "fp32", (10, 3, 0)))
    with pytest.raises(UserError, match=r"whose clip is \(\(2, 3, 4, 16, 16\), torch.float32\), where"):
        tensorrt.BoundContext(
            trt, engine, small.entry, fake_tensorrt.Queue(), "cpu", Engine(name="TensorRT", version="0")
        )


def test_missing_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(tensorrt.importlib.util, "find_spec", lambda name: None if name == "tensorrt" else object())
    assert (
        tensorrt.missing() == "the package tensorrt is not installed: pip install onnx onnxscript onnxruntime tensorrt"
    )
    with pytest.raises(UserError, match="tensorrt: the package tensorrt is not installed"):
        tensorrt.prepare(clip_network(), torch.zeros(1, 3, 4, 16, 16), Ask())
