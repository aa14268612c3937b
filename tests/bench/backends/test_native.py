"""Our own kernels against PyTorch: every form of a layer, streams, batches, clips; and what they refuse."""

from __future__ import annotations

import ctypes
import os
import platform
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import clip_network
from torch import nn

from co3d_bench.bench.backends import Ask, get_backend
from co3d_bench.bench.backends.native import NativeRunnable, cache
from co3d_bench.bench.backends.native.calls import Activation, Kind
from co3d_bench.bench.backends.native.compiled import MORE_FLAGS, Node, build
from co3d_bench.bench.backends.native.lower import lower
from co3d_bench.bench.backends.native.memory import allocate, lay_out
from co3d_bench.bench.backends.native.work import work_of
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.verify import relative_error
from co3d_bench.models import continual as co

BACKEND = get_backend("native")
pytestmark = pytest.mark.skipif(BACKEND.missing() is not None, reason=str(BACKEND.missing()))
CLOSE = 1e-5


# Instruction sets that this machine has as well, by the compiler's flags; its own is the first. Compiling them all
# takes a while: the others by `make acceptance`.
NARROWER = {"": None, "-mno-avx512f": 256, "-mno-avx": 128} if platform.machine() == "x86_64" else {"": None}


@pytest.fixture(scope="module")
def library():
    return build()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(flags, marks=[pytest.mark.acceptance] if flags else [], id=flags or "its own")
        for flags in NARROWER
    ],
)
def any_library(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MORE_FLAGS, request.param)
        found = build()
    assert found.vector_bits <= (NARROWER[request.param] or found.vector_bits)
    return found


def ready(library, net, example, threads=1):
    lowered = lower(net, example)
    layout = lay_out(lowered)
    return NativeRunnable(lowered, layout, allocate(layout.floats), library, threads)


def network():
    """Layers of every kind of state: frames and sums kept, strided or not; residuals, attention, pools in time."""
    torch.manual_seed(0)
    inner = co.Sequential(
        co.Conv3d(8, 20, 1),
        co.ReLU(),
        co.Conv3d(20, 20, 3, stride=(1, 2, 2), padding=1, groups=20),  # three sums of one map
        co.SqueezeExcitation(20, 8, co.SpatialMean()),
        co.Swish(),
        co.Conv3d(20, 12, 1),
    )
    blocks = co.Sequential(
        co.Conv3d(3, 8, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
        co.Conv3d(8, 8, (5, 1, 1), padding=(2, 0, 0), groups=8),
        co.Residual(inner, co.ReLU(), co.Conv3d(8, 12, 1, stride=(1, 2, 2))),
        co.Residual(
            co.Sequential(co.Conv3d(12, 12, (3, 1, 1), padding=(1, 0, 0)), co.Conv3d(12, 12, 3, padding=1, groups=12)),
            co.ReLU(),
        ),
        co.Conv3d(12, 16, 3, padding=1),
        co.Conv3d(16, 8, 3, padding=1),  # sums kept
        co.Pool3d("max", (3, 2, 2), dilation=2),
        co.SpatialMean(),
        co.ClipPool(4),
        co.Projection(8, 5),
    )
    return co.FrameNetwork(blocks, (3, 22, 26)).eval()


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (1, 2), (3, 2)])
def test_it_streams_as_step_does(any_library, batch, threads):
    net = network()
    frames = torch.randn(30, batch, 3, 22, 26)
    with torch.inference_mode():
        runnable = ready(any_library, net, frames[0], threads)
        for _ in range(2):
            state = net.initial_state(batch)
            runnable.reset()
            for ours, theirs in zip(runnable.state_tensors(), state, strict=True):
                assert torch.allclose(ours, theirs, atol=1e-6)
            for frame in frames:
                y, state = net.step(frame, state)
                assert relative_error(runnable.step(frame), y) < CLOSE
            for ours, theirs in zip(runnable.state_tensors(), state, strict=True):
                assert relative_error(ours, theirs) < CLOSE


def test_a_clip_network_answers_for_its_batch(any_library):
    net = clip_network()
    clips = torch.randn(2, 3, 4, 16, 16)
    with torch.inference_mode():
        runnable = ready(any_library, net, clips, threads=2)
        assert relative_error(runnable.step(clips), net(clips)) < CLOSE
        assert runnable.state_tensors() == ()


def test_an_answer_is_not_overwritten_by_the_next_and_the_frame_is_left_alone(library):
    net = network()
    frames = torch.randn(2, 1, 3, 22, 26)
    with torch.inference_mode():
        runnable = ready(library, net, frames[0])
        cache = frames.clone()
        first = runnable.step(frames[0])
        copy = first.clone()
        runnable.step(frames[1].permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2))  # laid out otherwise
        assert torch.equal(first, copy)
        assert torch.equal(frames, cache)


@st.composite
def convolutions(draw):
    """A convolution of any form that has kernels, and the size of its map."""
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.just(1), st.integers(1, 3), st.integers(1, 3)))
    padding = (draw(st.integers(0, kernel[0] - 1)), draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    dilation = draw(st.tuples(st.just(1), st.integers(1, 2), st.integers(1, 2)))
    depthwise = draw(st.booleans())
    channels = draw(st.integers(1, 40))
    out = channels if depthwise else draw(st.integers(1, 90))
    torch.manual_seed(draw(st.integers(0, 99)))
    layer = co.Conv3d(
        channels, out, kernel, stride, padding, dilation, groups=channels if depthwise else 1, bias=draw(st.booleans())
    )
    return layer, draw(st.tuples(st.integers(8, 19), st.integers(8, 19)))


@settings(max_examples=20, deadline=None)
@given(case=convolutions(), by_frames=st.booleans(), threads=st.integers(1, 2))
def test_a_convolution_of_any_form(any_library, case, by_frames, threads):
    layer, size = case
    # Behind another layer, so that both the input's own layout and that of a map are seen.
    blocks = co.Sequential(co.Conv3d(2, layer.in_channels, 1), layer)
    if by_frames:
        net = co.FrameNetwork(blocks, (2, *size)).eval()
        x = torch.randn(5, 2, 2, *size)
    else:
        net = co.ClipNetwork(blocks, (2, 4, *size)).eval()
        x = torch.randn(1, 2, 2, 4, *size)
    with torch.inference_mode():
        runnable = ready(any_library, net, x[0], threads)
        state = net.initial_state(2) if by_frames else ()
        for each in x:
            if by_frames:
                expected, state = net.step(each, state)
            else:
                expected = net(each)
            assert relative_error(runnable.step(each), expected) < CLOSE


class Activations(nn.Module):
    def forward(self, x):
        return nn.functional.silu(x), torch.sigmoid(x), torch.relu(x)


def test_activations_are_right_over_their_whole_range(any_library):
    x = torch.cat((torch.linspace(-100, 100, 8192), torch.linspace(-1, 1, 8191), torch.tensor([float("nan")])))
    x = x.view(1, 16, 32, 32)
    net = Activations().eval()
    with torch.inference_mode():
        for found, expected in zip(ready(any_library, net, x).step(x), net(x.double()), strict=True):
            known = ~torch.isnan(expected)
            assert torch.equal(~torch.isnan(found), known)
            assert torch.allclose(found[known].double(), expected[known], rtol=1e-6, atol=1e-36)


def test_the_step_of_a_continual_convolution_is_one_call():
    calls = lower(network(), torch.randn(1, 3, 22, 26)).calls
    depthwise = [call for call in calls if call.kind == Kind.DEPTHWISE]
    assert [(len(call.taps), len(call.outputs)) for call in depthwise] == [(5, 1), (1, 3), (3, 1)]
    # The second residual is added where the convolution ends, and the activation done there.
    assert len(depthwise[2].addends) == 1
    assert depthwise[2].activation == Activation.RELU
    assert not any(call.name == "add" for call in calls)


def test_memory_is_used_again_and_never_while_it_is_needed():
    lowered = lower(network(), torch.randn(1, 3, 22, 26))
    layout = lay_out(lowered)
    last = {value.memory: at for at, call in enumerate(lowered.calls) for value in call.inputs}
    states = {*lowered.state, *lowered.new, *lowered.answers}
    living = {value: layout.offset[layout.slot[value]] for value in states}
    for at, call in enumerate(lowered.calls):
        for out in call.outputs:
            start = layout.offset[layout.slot[out]]
            for value, other in living.items():
                in_place = call.kind == Kind.SCALE and value is call.taps[0].map and start == other
                # Sums that are kept are taken up where they lie.
                in_place |= call.kind == Kind.DEPTHWISE and start == other and (value in states and out in states)
                if value is not out and not in_place:
                    assert start + out.floats <= other or other + value.floats <= start
            living[out] = start
        living = {value: start for value, start in living.items() if value in states or last.get(value, at) > at}
    assert layout.floats < sum(value.floats for value in layout.slot)


def test_the_work_of_all_calls_is_that_of_the_network():
    net = network()
    calls = lower(net, torch.randn(1, 3, 22, 26)).calls
    products = sum(
        work_of(call).macs - sum(value.batch * value.height * value.width * value.channels for value, _ in call.addends)
        for call in calls
        if call.is_convolution
    )
    expected, x = 0, torch.randn(1, 3, 22, 26)

    def count(layer, inputs, output):
        nonlocal expected
        y = output[0] if isinstance(output, tuple) else output
        if isinstance(layer, co.Projection):
            expected += layer.weight.numel()
        elif inputs[0].dim() == 4:
            expected += y.shape[2] * y.shape[3] * layer.weight.numel()

    state = net.initial_state(1)
    layers = [layer for layer in net.modules() if isinstance(layer, co.Conv3d | co.Projection)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    with co.steps_as_calls(net):
        net.step(x, state)
    assert len(handles) == len(layers)
    assert products == expected


def test_it_reports_its_calls(library):
    net = network()
    x = torch.randn(1, 3, 22, 26)
    with torch.inference_mode():
        runnable = ready(library, net, x)
        (found,) = runnable.traced_steps([x], time.perf_counter).steps
        y, _ = net.step(x, net.initial_state(1))
        runnable.reset()
        assert relative_error(runnable.step(x), y) < CLOSE
    kinds = {each.kind for each in found}
    assert {"depthwise convolution 5 x 1 x 1", "depthwise convolution 3 x 3 x 3", "pool in time"} <= kinds
    assert all(each.time_ns >= 0 for each in found)


class Chosen(nn.Module):
    def forward(self, x):
        return x[:, x[0, :, 0, 0].long()]


class Nothing(nn.Module):
    def forward(self, x):
        return x[:, :0]


class FFT(nn.Module):
    def forward(self, x):
        return torch.fft.rfft2(x).abs()


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (FFT(), r"no kernel for \S+ on \(1, 4, 8, 8\)"),
        (Chosen(), r"no kernel for index.Tensor .with indices that depend on the input."),
        (co.Conv3d(4, 8, (1, 31, 31), padding=(0, 15, 15)), r"no kernel for conv\S+ .with so large a kernel."),
    ],
)
def test_an_operator_without_a_kernel_is_named(layer, what):
    net = co.FrameNetwork(co.Sequential(co.Conv3d(3, 4, 1), layer), (3, 8, 8)).eval()
    with pytest.raises(UserError, match=what) as caught:
        lower(net, torch.randn(1, 3, 8, 8))
    assert "another backend may run it" in str(caught.value)


def test_what_a_rule_does_not_expect_is_refused_in_words():
    with pytest.raises(UserError, match=r"cannot take Nothing as one graph: index .*another backend may run it"):
        lower(Nothing().eval(), torch.randn(1, 3, 8, 8))


def test_a_compiler_that_fails_says_what_it_said(monkeypatch, tmp_path):
    broken = tmp_path / "broken.cpp"
    broken.write_text("int main() { return nothing; }\n")
    with pytest.raises(UserError, match=r"cannot compile the kernels: .*nothing"):
        build(broken)
    monkeypatch.setenv("CXX", "/bin/false")
    with pytest.raises(UserError, match="/bin/false"):
        build()


TINY = """
extern "C" int engine_node_bytes() { return BYTES; }
extern "C" void *engine_make() { return nullptr; }
extern "C" void *engine_address() { return nullptr; }
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Kernels that are compiled in no time, and a cache of their own."""
    monkeypatch.setenv("CO3D_BENCH_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "tiny.cpp"
    file.write_text(TINY.replace("BYTES", str(ctypes.sizeof(Node))))
    return file


def kept_files(tmp_path):
    return sorted((tmp_path / "cache" / "kernels").iterdir())


def test_compiled_kernels_are_kept(tiny, tmp_path):
    first = build(tiny)
    assert (first.cached, first.compile_s > 0) == (False, True)
    (file,) = kept_files(tmp_path)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    second = build(tiny)
    assert (second.cached, second.compile_s, second.size_bytes) == (True, 0.0, first.size_bytes)
    assert (second.compiler, second.flags) == (first.compiler, first.flags)


def test_what_was_not_used_for_long_goes_when_something_new_comes(tiny, tmp_path, monkeypatch):
    for flag in ("-DUSED", "-DUNUSED"):
        monkeypatch.setenv(MORE_FLAGS, flag)
        build(tiny)
    long_ago = time.time() - cache.UNUSED_S - 60
    for file in kept_files(tmp_path):
        os.utime(file, (long_ago, long_ago))
    monkeypatch.setenv(MORE_FLAGS, "-DUSED")
    assert build(tiny).cached
    monkeypatch.setenv(MORE_FLAGS, "-DNEW")
    assert not build(tiny).cached
    assert len(kept_files(tmp_path)) == 2
    for flag, cached in (("-DUSED", True), ("-DNEW", True), ("-DUNUSED", False)):
        monkeypatch.setenv(MORE_FLAGS, flag)
        assert build(tiny).cached == cached


def test_other_flags_source_compiler_or_processor_are_another_library(tiny, tmp_path, monkeypatch):
    build(tiny)
    monkeypatch.setenv(MORE_FLAGS, "-DOTHER")
    assert not build(tiny).cached
    monkeypatch.delenv(MORE_FLAGS)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_processor", lambda: "another one")
        assert not build(tiny).cached
    assert cache.key(b"", "g++", "12.2", ()) != cache.key(b"", "g++", "12.3", ())
    assert build(tiny).cached
    tiny.write_text(tiny.read_text() + "\n")
    assert not build(tiny).cached
    assert len(kept_files(tmp_path)) == 4


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: b"", lambda data: b"\0" + data[1:]])
def test_a_damaged_library_is_compiled_anew(tiny, tmp_path, damage):
    build(tiny)
    (file,) = kept_files(tmp_path)
    whole = file.read_bytes()
    file.unlink()  # what is loaded must not change under this process
    file.write_bytes(damage(whole))
    file.chmod(0o600)
    assert not build(tiny).cached
    assert file.read_bytes() == whole
    assert build(tiny).cached


def test_kept_kernels_that_do_not_load_or_have_other_nodes_are_compiled_anew(tiny, tmp_path):
    build(tiny)
    (file,) = kept_files(tmp_path)
    file.unlink()
    (tmp_path / "text").write_text("no library")
    cache.keep(file.stem, tmp_path / "text")
    assert not build(tiny).cached
    tiny.write_text(TINY.replace("BYTES", "1"))
    with pytest.raises(UserError, match="differ in what a node is"):
        build(tiny)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755])
def test_a_folder_that_others_can_enter_is_not_used(tiny, tmp_path, mode):
    folder = tmp_path / "cache" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    assert not build(tiny).cached
    assert not build(tiny).cached
    assert kept_files(tmp_path) == []


def test_a_file_that_others_can_write_or_that_is_not_ours_is_not_used(tiny, tmp_path, monkeypatch):
    build(tiny)
    (file,) = kept_files(tmp_path)
    file.chmod(0o666)
    assert not build(tiny).cached
    assert file.stat().st_mode & 0o777 == 0o600  # in its place
    elsewhere = file.rename(tmp_path / "elsewhere.so")
    file.symlink_to(elsewhere)
    assert not build(tiny).cached
    assert build(tiny).cached
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not build(tiny).cached


def test_a_cache_that_cannot_be_written_changes_nothing(tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CO3D_BENCH_CACHE", str(tmp_path / "file"))
    assert not build(tiny).cached
    monkeypatch.setenv("CO3D_BENCH_CACHE", str(tmp_path / "cache"))

    def full(*args, **keys):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkstemp", full)
        assert not build(tiny).cached
    assert kept_files(tmp_path) == []


def test_threads_that_sleep_are_woken_and_end_with_their_engine(library):
    net = network()
    frames = torch.randn(8, 1, 3, 22, 26)
    before = threading_count()
    with torch.inference_mode():
        state = net.initial_state(1)
        runnable = ready(library, net, frames[0], threads=3)
        assert threading_count() == before + 2
        for frame in frames:
            y, state = net.step(frame, state)
            time.sleep(0.002)  # longer than they spin
            assert relative_error(runnable.step(frame), y) < CLOSE
    del runnable
    assert threading_count() == before


def threading_count():
    """Of this process, those that Python does not know among them."""
    return len(list(Path("/proc/self/task").iterdir()))


def test_it_is_ready_as_a_backend():
    net = co.convert(clip_network(), prove=False)
    x = torch.randn(1, 3, 16, 16)
    with torch.inference_mode():
        runnable = BACKEND.prepare(net, x, Ask(threads=2))
        engine = runnable.engine()
    assert engine.threads == 2
    assert engine.artefact_bytes
    assert "-O3" in engine.notes[0]
    assert engine.compile_s is not None
    assert engine.compile_cached == (engine.compile_s == 0)
