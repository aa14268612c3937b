"""ONNX files and the engines that read them: names, opsets, memory, and what is said where something does not work."""

from __future__ import annotations

import itertools

import pytest
import torch
from small_networks import clip_network

from co3d_bench.bench.backends import Ask, get_backend, list_backends, onnxruntime
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.export import Options, get_format
from co3d_bench.bench.export.entry import make_entry
from co3d_bench.bench.measure.verify import compare, relative_error
from co3d_bench.models import continual as co
from co3d_bench.models.zoo import find_model

onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'co3d-bench[onnx]'")
ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'co3d-bench[onnx]'")

from co3d_bench.bench.export.onnx import OPSETS, make_model  # noqa: E402

ENGINES = [row for row in list_backends() if row.name in ("onnxruntime", "openvino") and row.missing() is None]
PIXELS = 32


@pytest.fixture(scope="module")
def frames():
    return co.convert(clip_network(), prove=False)


@pytest.fixture(params=["clip", "frame"])
def network(request, frames):
    return (
        (clip_network(), torch.randn(1, 3, 4, 16, 16))
        if request.param == "clip"
        else (frames, torch.randn(1, 3, 16, 16))
    )


def shapes(values):
    return {value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim) for value in values}


@pytest.mark.parametrize("opset", [*OPSETS, None])
def test_a_step_is_wired_by_names_and_answers_as_the_network_does(frames, tmp_path, opset):
    import numpy as np

    path, state_file = get_format("onnx").write(
        frames, torch.zeros(2, 3, 16, 16), tmp_path / "net.onnx", Options(opset=opset)
    )
    model = onnx.load(path)
    if opset:
        assert [row.version for row in model.opset_import if row.domain == ""] == [opset]
    state = dict(np.load(state_file))
    given, made = shapes(model.graph.input), shapes(model.graph.output)
    assert list(given) == ["frame", *(f"state_{place}" for place in range(len(state)))]
    assert list(made) == ["scores", *(f"new_state_{place}" for place in range(len(state)))]
    assert given["frame"] == (2, 3, 16, 16)
    assert made["scores"] == (2, 5)
    assert all(made[f"new_{name}"] == given[name] == array.shape for name, array in state.items())

    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected_state = frames.initial_state(2)
    for frame in torch.randn(frames.receptive_field + 3, 2, 3, 16, 16):
        scores, *new = session.run(None, {"frame": frame.numpy(), **state})
        state = dict(zip(state, new, strict=True))
        with torch.no_grad():
            expected, expected_state = frames.step(frame, expected_state)
        assert relative_error(torch.from_numpy(scores), expected) < 1e-5


@pytest.mark.parametrize("opset", OPSETS)
def test_a_clip_network_in_the_oldest_and_the_newest_opset(tmp_path, opset):
    net, clip = clip_network(), torch.randn(1, 3, 4, 16, 16)
    (path,) = get_format("onnx").write(net, clip, tmp_path / "net.onnx", Options(opset=opset))
    (scores,) = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(["scores"], {"clip": clip.numpy()})
    with torch.no_grad():
        assert relative_error(torch.from_numpy(scores), net(clip)) < 1e-5


@pytest.mark.parametrize("opset", [OPSETS[0] - 1, OPSETS[1] + 1])
def test_an_opset_that_there_is_not_is_refused(frames, opset):
    with pytest.raises(UserError, match=rf"opset {opset}: there are {OPSETS[0]} to {OPSETS[1]}"):
        make_model(make_entry(frames, torch.zeros(1, 3, 16, 16), moves=False), opset)


def test_a_file_reports_nothing_of_the_machine_that_made_it(frames):
    model = make_model(make_entry(frames, torch.zeros(1, 3, 16, 16), plain=True, moves=False))
    assert b".py" not in model.SerializeToString()


def test_a_step_holds_convolutions_and_no_transposition(frames):
    model = make_model(make_entry(frames, torch.zeros(1, 3, 16, 16), plain=True, moves=False))
    kinds = [node.op_type for node in model.graph.node]
    taps = sum(layer.kernel_size[0] for layer in frames.modules() if isinstance(layer, co.Conv3d))
    assert kinds.count("Conv") == taps
    assert kinds.count("Transpose") <= 2  # around the classifier
    weights = {tensor.name for tensor in model.graph.initializer}
    assert all(node.input[1] in weights for node in model.graph.node if node.op_type == "Conv")


@pytest.mark.parametrize("engine", ENGINES, ids=lambda row: row.name)
def test_a_state_that_only_waits_is_carried_along_though_no_operator_reads_it(engine):
    blocks = co.Sequential(
        co.Conv3d(3, 8, (3, 1, 1), dilation=(2, 1, 1)), co.ReLU(), co.SpatialMean(), co.Projection(8, 5)
    )
    net = co.FrameNetwork(blocks, (3, 8, 8)).eval()
    frame = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        runnable = engine.prepare(net, frame, Ask("fp32", threads=1))
        found = compare(runnable, net, frame, engine.tolerance["fp32"], budget_s=1)
    assert found.passed, found


@pytest.mark.parametrize("engine", ENGINES, ids=lambda row: row.name)
def test_a_tensor_that_goes_to_two_places_is_two_outputs(engine):
    branch = co.Sequential(co.Conv3d(8, 8, 3, padding=1))  # keeps the frame that the shortcut delays
    blocks = co.Sequential(co.Conv3d(3, 8, 1), co.Residual(branch, co.ReLU()), co.SpatialMean(), co.Projection(8, 5))
    net = co.FrameNetwork(blocks, (3, 8, 8)).eval()
    frame = torch.randn(1, 3, 8, 8)
    _, after = net.step(frame, net.initial_state(1))
    assert len({id(tensor) for tensor in after}) < len(after)
    with torch.inference_mode():
        assert compare(engine.prepare(net, frame, Ask()), net, frame, 1e-4, budget_s=0).passed


class Strange(torch.nn.Module):
    """Calls something that ONNX does not have."""

    def forward(self, clip):
        return torch.special.bessel_j0(clip.mean((2, 3, 4)))


def test_what_onnx_cannot_hold_is_named():
    with pytest.raises(UserError, match="bessel_j0"):
        make_model(make_entry(Strange(), torch.zeros(1, 3, 4, 8, 8)))


def test_an_operator_newer_than_the_opset_is_named():
    class Normed(torch.nn.Module):
        def forward(self, clip):
            return torch.nn.functional.layer_norm(clip.mean((3, 4)), (4,))

    with pytest.raises(UserError, match="opset 13 cannot hold this network: LayerNormalization is newer"):
        make_model(make_entry(Normed(), torch.zeros(1, 3, 4, 8, 8)), 13)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda row: row.name)
def test_nothing_is_copied_or_allocated_from_step_to_step(frames, engine):
    frame = torch.randn(1, 3, 16, 16)
    with torch.inference_mode():
        runnable = engine.prepare(frames, frame, Ask())
        seen = []
        for _ in range(frames.receptive_field):
            runnable.step(frame)
            seen.append([tensor.data_ptr() for tensor in runnable.state_tensors()])
    state = len(seen[0])
    moving = make_entry(frames, frame).sources
    assert any(source is not None for source in moving)
    for before, after in itertools.pairwise(seen):
        for place, source in enumerate(moving):
            assert source is None or after[place] == before[source]
    assert len({address for row in seen for address in row}) == state + moving.count(None)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda row: row.name)
def test_an_answer_is_not_overwritten_by_the_next(engine, network):
    net, x = network
    with torch.inference_mode():
        runnable = engine.prepare(net, x, Ask())
        first = runnable.step(x)
        kept = first.clone()
        runnable.step(x + 1)
    assert torch.equal(first, kept)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda row: row.name)
def test_the_engine_says_what_it_is(engine, network):
    net, x = network
    with torch.inference_mode():
        facts = engine.prepare(net, x, Ask(threads=1)).engine()
    assert facts.threads == 1
    assert "CPU" in (facts.provider or "")
    assert (facts.artefact_bytes or 0) > 1000


class FellBack:
    """What ONNX Runtime gives where a provider could not start."""

    def __init__(self, *_, **__):
        pass

    def get_providers(self):
        return ["CPUExecutionProvider"]


def test_a_silent_fallback_is_an_error(monkeypatch):
    monkeypatch.setattr(ort, "InferenceSession", FellBack)
    with pytest.raises(UserError, match="asked for CUDAExecutionProvider and runs on CPUExecutionProvider"):
        onnxruntime.open_session(onnxruntime.CUDA, Ask(), b"")


@pytest.mark.parametrize("provider", [onnxruntime.CPU, onnxruntime.CUDA, onnxruntime.TENSORRT, onnxruntime.OPENVINO])
def test_single_operators_may_not_fall_back_either(monkeypatch, provider):
    asked = []

    class Session(FellBack):
        def __init__(self, artefact, options, **_):
            asked.append(options)

        def get_providers(self):
            return [provider.name]

    monkeypatch.setattr(ort, "InferenceSession", Session)
    onnxruntime.open_session(provider, Ask(threads=3), b"")
    (options,) = asked
    assert options.intra_op_num_threads == 3
    entry = "session.disable_cpu_ep_fallback"
    if provider is onnxruntime.CPU:
        with pytest.raises(RuntimeError, match=entry):
            options.get_session_config_entry(entry)
    else:
        assert options.get_session_config_entry(entry) == "1"


def test_a_provider_that_is_not_installed_says_how_to_install_it():
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("it is installed here")
    assert "onnxruntime-gpu" in (get_backend("onnxruntime-cuda").missing() or "")


def test_int8_without_inputs_to_choose_scales_by_is_refused(frames):
    with pytest.raises(UserError, match="int8 needs inputs"):
        get_backend("onnxruntime").prepare(frames, torch.zeros(1, 3, 16, 16), Ask("int8"))


def small(name):
    """A network of the zoo on small frames, and one input of it."""
    torch.manual_seed(0)
    spec = find_model(name)
    net = spec.build().eval()
    shape = (*spec.input_shape[:-2], PIXELS, PIXELS)
    net.input_shape = shape
    return net, torch.randn(1, *shape)


@pytest.mark.parametrize("name", [pytest.param("slowfast-4x16-r50", marks=pytest.mark.acceptance), "tsm-mobilenetv2"])
def test_networks_of_the_zoo_run(name):
    net, x = small(name)
    with torch.inference_mode():
        runnable = get_backend("onnxruntime").prepare(net, x, Ask())
        found = compare(runnable, net, x, 1e-4, budget_s=0)
    assert found.passed, found
