"""What engines outside of torch tell of their steps: rules by hand, recorded traces, and the engines themselves."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import pytest
import tiny_zoo
import torch
from small_networks import clip_network

from co3d_bench.bench.backends import Ask, get_backend, onnxruntime
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.profiling import take_profile
from co3d_bench.bench.measure.verify import relative_error
from co3d_bench.bench.profile.operator_profile import Operator, Profile
from co3d_bench.bench.profile.tracing import openvino
from co3d_bench.bench.profile.tracing.model import Model, read_model
from co3d_bench.bench.profile.tracing.model import Operator as Known
from co3d_bench.bench.profile.tracing.nodes import FUSED, REORDER, Node, tensor, work_of
from co3d_bench.bench.profile.tracing.onnxruntime import steps_of
from co3d_bench.bench.profile.tracing.openvino import Counter, Executed, calls_of
from co3d_bench.bench.profile.work import VIEWS, Work
from co3d_bench.bench.record.case import Case
from co3d_bench.models import continual as co

from ...profiles import CEILINGS


def floats(*shapes):
    return tuple(tensor(shape, 4) for shape in shapes)


MAP, SMALL = (1, 12, 8, 8), (1, 12, 1, 1)
CASES = {
    "convolution": ("Conv", [(1, 3, 16, 16), (8, 3, 3, 3), (8,)], (1, 8, 8, 8), "convolution 3 x 3", 27 * 512),
    "and a sum": ("FusedConv", [MAP, (12, 1, 3, 3), MAP], MAP, "depthwise convolution 3 x 3", (9 + 1) * 768),
    "groups apart": ("Conv", [MAP, (12, 1, 1, 3, 3)], MAP, "depthwise convolution 3 x 3", 9 * 768),
    "product": ("MatMul", [(1, 1, 1, 8), (5, 8), (5,)], (1, 1, 1, 5), "matrix product", 40),
    "each": ("Mul", [MAP, SMALL], MAP, "mul", 768),
    "activation": ("QuickGelu", [MAP], MAP, "silu", 768),
    "mean": ("ReduceMean", [(1, 4, 8, 1, 1), (1,)], (1, 8, 1, 1), "mean", 32),
    "pool": ("AveragePool", [MAP], SMALL, "avg_pool2d", 768),
    "layout": ("ReorderInput", [MAP], (1, 16, 8, 8), REORDER, 0),
    "view": ("Reshape", [MAP, (2,)], (1, 768), VIEWS, 0),
}


@pytest.mark.parametrize(("operator", "inputs", "output", "kind", "macs"), CASES.values(), ids=CASES)
def test_the_work_of_a_node_is_what_it_is_by_hand(operator, inputs, output, kind, macs):
    work = work_of(Node(operator, floats(*inputs), floats(output)))
    assert work is not None
    assert (work.kind, work.macs) == (kind, macs)


def test_bytes_are_those_of_all_tensors_once():
    assert work_of(Node("Add", floats((2, 3), (3,)), floats((2, 3)))) == Work("add", 6, 4 * 15)
    assert work_of(Node("ReorderOutput", floats((1, 16, 8, 8)), floats(MAP))) == Work(REORDER, 0, 4 * 64 * 28)
    assert work_of(Node("Slice", floats((1, 4, 8), (1,)), floats((1, 3, 8)))) == Work("copy", 0, 4 * 48)
    # The second factor, (8, 5), is packed and not reported.
    assert work_of(Node("Gemm", floats((2, 8), (5,)), floats((2, 5)))) == Work("matrix product", 80, 4 * (16 + 5 + 50))


def test_what_no_rule_covers_has_no_work():
    assert work_of(Node("NonZero", floats(MAP), floats((4, 9)))) is None
    assert work_of(Node("Conv", floats(MAP, (12,)), floats(MAP))) is None  # weights packed away


# -- recorded: a frame network's first run, and the second cut short --------------------------------------------------


def event(name, operator, ts, dur, inputs, output, kinds=("float", "float")):
    """As ONNX Runtime 1.32 writes it, without what nobody reads."""
    return {
        "cat": "Node",
        "ts": ts,
        "dur": dur,
        "ph": "X",
        "name": f"{name}_kernel_time",
        "args": {
            "op_name": operator,
            "provider": "CPUExecutionProvider",
            "input_type_shape": [{kinds[0]: list(shape)} for shape in inputs],
            "output_type_shape": [{kinds[1]: list(output)}],
        },
    }


def run_event(ts, dur):
    return {"cat": "Session", "ts": ts, "dur": dur, "ph": "X", "name": "model_run", "args": {}}


STEM, DEPTHWISE = Known("Conv", (1, 8, 8, 8), (8, 3, 3, 3)), Known("Conv", MAP, (12, 1, 3, 3), 12)
MODEL = Model(
    {
        "node_conv2d": STEM,
        "conv2d_4": DEPTHWISE,
        "node_conv2d_3": Known("Conv", MAP, (12, 8, 1, 1)),
        "node_mul": Known("Mul", MAP),
        "node_silu": Known("Mul", MAP),
        "avg_pool2d": Known("AveragePool", SMALL),
        "state_2_QuantizeLinear": Known("QuantizeLinear", MAP),
    },
    {"new_state_1": STEM, "conv2d_4": DEPTHWISE},
)
BLOCKS = (1, 16, 8, 8)
EVENTS = [
    {"cat": "Session", "ts": 16, "dur": 1778, "ph": "X", "name": "model_loading_array", "args": {}},
    event("new_state_1_nchwc", "Conv", 34770, 13, [(1, 3, 16, 16), (16, 3, 3, 3), (16,)], BLOCKS),
    event("ReorderOutput_token_31", "ReorderOutput", 34800, 4, [BLOCKS], (1, 8, 8, 8)),
    event("conv2d_4_nchwc", "Conv", 34931, 4, [BLOCKS, (16, 1, 3, 3), (16,), BLOCKS], BLOCKS),
    event("avg_pool2d_nchwc", "AveragePool", 34971, 16, [BLOCKS], (1, 16, 1, 1)),
    event("node_MatMul_40/MatMulAddFusion", "Gemm", 35226, 4, [(1, 8), (5,)], (1, 5)),
    event("fancy", "SomethingNew", 35230, 6, [(1, 5)], (1, 5)),
    event("inside of it", "Add", 35231, 2, [(1, 5), (1, 5)], (1, 5)),
    run_event(34750, 606),
    event(
        "node_conv2d_3_token_7",
        "QLinearConv",
        40010,
        20,
        [(1, 8, 8, 8), (), (), (12,), (12,), (), ()],
        (1, 8, 8, 12),
        ("uint8", "uint8"),
    ),
    run_event(40000, 100),
]


def test_a_recorded_trace_of_onnx_runtime():
    first, second = steps_of(EVENTS, MODEL)
    assert [(call.name, call.time_ns) for call in first] == [
        ("Conv NCHWc", 13000),
        ("ReorderOutput", 4000),
        ("Conv NCHWc", 4000),
        ("AveragePool NCHWc", 16000),
        ("Gemm", 4000),
        ("SomethingNew", 6000),
    ]
    stem, reorder, depthwise, pool, product, unknown = first
    # 8 filters and not 16: what fills a block up is no work of the network.
    assert stem.work == Work("convolution 3 x 3", 27 * 512, 4 * (768 + 216 + 16 + 512))
    assert stem.shapes == ((1, 3, 16, 16), (8, 3, 3, 3), (16,))
    assert reorder.work == Work(REORDER, 0, 4 * 64 * (16 + 8))
    assert depthwise.work == Work("depthwise convolution 3 x 3", (9 + 1) * 768, 4 * (3 * 768 + 108 + 16))
    assert pool.work == Work("avg_pool2d", 768, 4 * (768 + 12))
    assert product.work is not None
    assert product.work.macs == 40
    assert (unknown.work, unknown.kind) == (None, "SomethingNew")
    # Channels last, weights packed: shapes from the model.
    (quantised,) = second
    assert quantised.work == Work("convolution 1 x 1", 96 * 64, 512 + 96 + 24 + 768)


def test_a_convolution_in_blocks_that_the_model_does_not_know_has_no_work():
    (only,) = steps_of([EVENTS[1], run_event(34750, 606)], Model({}, {}))[0]
    assert (only.work, only.kind) == (None, "Conv")


COUNTERS = [
    Counter("state_2", "Parameter", "unknown_f32", 0),
    Counter("state_2_abcd_acdb_node_conv2d_4/WithoutBiases", "Reorder", "jit_uni_f32", 6),
    Counter("node_conv2d_4/WithoutBiases", "GroupConvolution", "brgconv_avx512_dw_f32", 0),
    Counter("node_add_2", "Add", "undef", 0),
    Counter("node_silu", "Subgraph", "jit_avx512_f32", 4),
    Counter("odd", "SomethingNew", "ref_f32", 9),
]
GRAPH = {
    "state_2": Executed((), floats(MAP), ("state_2",)),
    "state_2_abcd_acdb_node_conv2d_4/WithoutBiases": Executed(floats(MAP), floats(MAP), ("",)),
    "node_conv2d_4/WithoutBiases": Executed(
        floats(MAP, (12, 1, 1, 3, 3), (12,), MAP), floats(MAP), ("node_conv2d_4/WithoutBiases", "node_add_2")
    ),
    "node_silu": Executed(
        floats(MAP, SMALL), floats(MAP), ("Convert_7025", "node_mul", "node_silu", "state_2_QuantizeLinear")
    ),
    "odd": Executed(floats(MAP), floats(MAP), ("odd",)),
}


def test_recorded_counters_of_openvino():
    before = [replace(counter, mean_us=3 * counter.mean_us) for counter in COUNTERS]  # the first requests are slow
    reorder, depthwise, fused, unknown = calls_of(before, COUNTERS, (2, 22), GRAPH, MODEL)
    assert (reorder.kind, reorder.time_ns) == (REORDER, round(1000 * (22 * 6 - 2 * 18) / 20))
    assert reorder.work == Work(REORDER, 0, 4 * 2 * 768)
    # Too fast for whole microseconds, but its work is done. The sum in it is no node of its own.
    assert (depthwise.name, depthwise.time_ns) == ("GroupConvolution brgconv_avx512_dw_f32", 0)
    assert depthwise.work == Work("depthwise convolution 3 x 3", (9 + 1) * 768, 4 * (3 * 768 + 108 + 12))
    assert fused.work == Work(FUSED, 2 * 768, 4 * (2 * 768 + 12))  # what quantises is no operator of the network
    assert (unknown.work, unknown.kind) == (None, "SomethingNew")


# -- the engines themselves -------------------------------------------------------------------------------------------

ENGINES = ("onnxruntime", "openvino")
PIXELS = 96  # enough that laying a map out anew takes microseconds


def need(engine: str) -> None:
    if (lacks := get_backend(engine).missing()) is not None:
        pytest.skip(lacks)


def frame_network() -> torch.nn.Module:
    net = co.convert(clip_network(), prove=False)
    net.input_shape = (3, PIXELS, PIXELS)
    return net


def profiled(engine: str, precision: str = "fp32") -> Profile:
    spec = replace(tiny_zoo.find_model("tiny-frames"), input_shape=(3, PIXELS, PIXELS), build=frame_network)
    case = Case(model=spec.name, precision=precision)
    return take_profile(case, spec, get_backend(engine), ceilings=lambda clock: CEILINGS, steps=5)


def macs(found: Iterable[Operator], *kinds: str) -> float:
    return sum(each.calls * (each.macs or 0) for each in found if each.kind.startswith(kinds))


PRODUCTS = ("convolution", "depthwise", "matrix product")


@pytest.fixture(scope="module")
def eager() -> tuple[Operator, ...]:
    # Without what torch computes with sizes, one dimension each.
    return tuple(each for each in profiled("eager").operators if any(len(shape) > 1 for shape in each.shapes))


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_does_the_work_of_the_network_and_reports_its_layouts(engine, eager, monkeypatch, tmp_path):
    need(engine)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    profile = profiled(engine)
    assert list(tmp_path.iterdir()) == []
    # A sum may be in a convolution or stand alone.
    assert macs(profile.operators, *PRODUCTS, "add") == macs(eager, *PRODUCTS, "add")
    assert macs(profile.operators, "convolution 3 x 3") >= macs(eager, "convolution 3 x 3")
    reorders = [each for each in profile.operators if each.kind == REORDER]
    assert reorders
    assert all(each.macs == 0 and each.moved_bytes for each in reorders)
    assert sum(each.traced_s for each in reorders) > 0
    assert all(each.macs is not None for each in profile.operators)
    assert 0 < sum(each.traced_s for each in profile.operators) < 1.2 * profile.traced_step_s
    assert len(profile.operators) <= profile.events


@pytest.mark.parametrize("engine", ENGINES)
def test_the_products_are_there_in_int8_too(engine, eager):
    need(engine)
    found = profiled(engine, "int8").operators
    sums = macs(eager, "add") if engine == "openvino" else 0  # there they are in the convolutions
    assert macs(found, *PRODUCTS) == macs(eager, *PRODUCTS) + sums


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stream_goes_on_as_if_nothing_had_been_traced(engine):
    need(engine)
    net, frames = frame_network(), torch.randn(6, 1, 3, PIXELS, PIXELS)
    with torch.inference_mode():
        runnable = get_backend(engine).prepare(net, frames[0], Ask(traced=True))
        state = net.initial_state(1)
        for at, frame in enumerate(frames):
            y, state = net.step(frame, state)
            assert relative_error(runnable.step(frame), y) < 1e-4
            if at == 3:
                traced = runnable.traced_steps(list(frames[:2]), time.perf_counter)  # pyright: ignore[reportAttributeAccessIssue]
                assert len(traced.times_s) == 2


def test_a_trace_that_breaks_off_is_reported(monkeypatch):
    need("onnxruntime")
    monkeypatch.setattr(onnxruntime, "steps_of", lambda events, model: [[]] * 3)
    with pytest.raises(UserError, match=r"no longer trace than 1 steps.*--steps"):
        profiled("onnxruntime")


def test_the_model_knows_weights_by_every_name():
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'co3d-bench[onnx]'")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    maps = {"x": (1, 8, 4, 4), "a": (1, 12, 4, 4), "b": (1, 12, 4, 4), "c": (1, 12, 4, 4)}
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["w8", "s"], ["w"]),
            helper.make_node("Conv", ["x", "w"], ["a"], name="conv", group=2),
            helper.make_node("Relu", ["a"], ["b"], name="relu"),
            helper.make_node("Add", ["a", "b"], ["c"], name="add"),
        ],
        "g",
        [helper.make_tensor_value_info("x", kind, maps["x"])],
        [helper.make_tensor_value_info("c", kind, maps["c"])],
        [
            helper.make_tensor("w8", onnx.TensorProto.INT8, (12, 4, 1, 1), [1] * 48),
            helper.make_tensor("s", kind, (), [0.5]),
        ],
        value_info=[helper.make_tensor_value_info(name, kind, maps[name]) for name in ("a", "b")],
    )
    model = read_model(helper.make_model(graph))
    expected = Known("Conv", (1, 12, 4, 4), (12, 4, 1, 1), 2)
    assert [model.convolution(name) for name in ("conv", "a", "b", "c")] == [expected] * 3 + [None]
    assert model.operators["relu"] == model.operators["b"] == Known("Relu", (1, 12, 4, 4))


def test_counters_are_read_as_openvino_reports_them():
    ov = pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'co3d-bench[openvino]'")
    ops = ov.opset13
    x = ops.parameter([1, 4, 4], ov.Type.f32, name="x")
    made = ov.Core().compile_model(ov.Model([ops.relu(x, name="r")], [x], "m"), "CPU", {"PERF_COUNT": True})
    request = made.create_infer_request()
    request.infer()
    assert any(counter.name == "x" for counter in openvino.read_counters(request))
    assert openvino.read_graph(made)["x"].outputs == floats((1, 4, 4))
