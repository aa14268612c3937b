"""X3D and CoX3D: the facts the paper states of them, and frame by frame equal to the clip."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from co3d_bench.models import continual as co
from co3d_bench.models import published
from co3d_bench.models.zoo import UnknownModelError, find_model, list_models

from ..reference import plain_clip_network, relative_error
from . import networks
from .networks import built, by_continual_inference, empty_state, parameters, shapes_of, step_through

pytestmark = pytest.mark.usefixtures("no_grad")


def frame_network():
    return built("cox3d-s-4")


def clip_of(frames, batch=2, pixels=32, seed=1):
    return networks.clip_of(frames, batch, pixels, seed)


@pytest.mark.parametrize(("name", "expected"), [("x3d-xs", 3_794_322), ("x3d-m", 3_794_322), ("x3d-l", 6_153_432)])
def test_parameters(name, expected):
    assert parameters(shapes_of(name)) == expected


@pytest.mark.parametrize(("size", "expected"), [("m", 3_794_274), ("l", 6_153_384)])
def test_parameters_without_the_first_shortcuts_norm(size, expected):
    assert parameters(shapes_of(f"x3d-{size}", norm_first=False)) == expected
    assert parameters(shapes_of(f"cox3d-{size}-16", norm_first=False)) == expected


@pytest.mark.parametrize(
    ("name", "receptive_field", "padding", "delay"),
    [("cox3d-s-13", 69, 28, 40), ("cox3d-m-16", 72, 28, 43), ("cox3d-l-16", 130, 57, 72), ("cox3d-m-64", 120, 28, 91)],
)
def test_reach_in_time_is_the_papers_section_3_6(name, receptive_field, padding, delay):
    net = shapes_of(name)
    assert (net.receptive_field, net.padding, net.delay) == (receptive_field, padding, delay)


def test_receptive_fields_are_those_of_table_3():
    table = Path(published.__file__).parent / "paper_tables" / "table3_pool_size.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    for row in rows:
        if row["model"] == "cox3d":
            net = shapes_of(f"cox3d-{row['size']}-{row['pool']}")
        else:
            net = shapes_of(f"x3d-{row['size']}")
        assert net.receptive_field == int(row["receptive_field"])


def test_frame_by_frame_equals_the_network_built_from_continual_inference():
    net = frame_network()
    clip = clip_of(net.receptive_field, batch=1)
    stepped, _ = step_through(net, clip, empty_state(net, clip))
    assert relative_error(stepped, by_continual_inference(net, clip)) <= 1e-5


@pytest.mark.parametrize("size", ["m", "l"])
def test_the_clip_network_equals_plain_torch_layers(size):
    net = built(f"x3d-{size}")
    clip = clip_of(net.input_shape[1])
    assert relative_error(net(clip), plain_clip_network(net.blocks).eval()(clip)) <= 1e-5


def test_two_interleaved_streams_do_not_touch_each_other():
    net = frame_network()
    clips = [clip_of(8, batch=1, seed=seed) for seed in (1, 2)]
    alone = [step_through(net, clip, empty_state(net, clip))[0] for clip in clips]
    states = [empty_state(net, clip) for clip in clips]
    together = [None, None]
    for index in range(8):
        for stream in (0, 1):
            together[stream], states[stream] = net.step(clips[stream][:, :, index], states[stream])
    for stream in (0, 1):
        assert torch.equal(together[stream], alone[stream])


def test_a_batch_is_as_many_streams():
    net = frame_network()
    clip = clip_of(8, batch=3)
    together, _ = step_through(net, clip, empty_state(net, clip))
    for index in range(3):
        one = clip[index : index + 1]
        alone, _ = step_through(net, one, empty_state(net, one))
        assert relative_error(together[index : index + 1], alone) <= 1e-5


def test_a_longer_clip_is_answered_for_its_last_frame():
    net = frame_network()
    clip = clip_of(net.receptive_field + 5, batch=1)
    assert relative_error(net(clip), net(clip[:, :, 5:])) <= 1e-5


def test_state_of_cox3d_m_is_smaller_than_the_papers():
    # Section 3.7: the paper's form keeps residuals before the strided projection, 978,432 floats; ours 686,784.
    net = shapes_of("cox3d-m-16")
    state = net.initial_state(1)
    assert sum(tensor.numel() for tensor in state) == 4_988_016
    kept = 0
    for block in net.modules():
        if hasattr(block, "branch2"):
            kept += block.temporal.delay * block.branch2.conv_c.out_channels
    assert kept == 3 * 24 + 5 * 48 + 11 * 96 + 7 * 192


def test_untrained_weights_never_fade_into_denormal_numbers():
    net = find_model("cox3d-l-16").build().eval()
    clip = clip_of(3, batch=1, pixels=64)
    smallest = torch.finfo(torch.float32).tiny
    faded = []

    def look(module, inputs, output):
        values = (output[0] if isinstance(output, tuple) else output).abs()
        faded.append(((values > 0) & (values < smallest)).any().item())

    for module in net.modules():
        if not list(module.children()):
            module.register_forward_hook(look)
    state = empty_state(net, clip)
    with co.steps_as_calls(net):
        step_through(net, clip, state)
    assert faded
    assert not any(faded)


def test_wrong_shapes_are_refused():
    net = frame_network()
    state = net.initial_state(frame=torch.zeros(1, 3, 48, 48))
    with pytest.raises(ValueError, match=r"expected a frame of shape \(B, 3, H, W\), got \(1, 3, 1, 48, 48\)"):
        net.step(torch.zeros(1, 3, 1, 48, 48), state)
    with pytest.raises(ValueError, match=r"expected a clip of shape \(B, 3, T, H, W\), got \(1, 4, 60, 48, 48\)"):
        net(torch.zeros(1, 4, 60, 48, 48))
    with pytest.raises(ValueError, match="does not fill the receptive field of 60"):
        net(torch.zeros(1, 3, 59, 48, 48))
    with pytest.raises(ValueError, match="pass it as frame="):
        net.initial_state(1, fill="replicate")
    with pytest.raises(ValueError, match="either 'zeros' or 'replicate'"):
        net.initial_state(1, fill="ones")


def test_listed_models_are_found_by_their_names_and_carry_the_papers_figures():
    for spec in list_models():
        assert find_model(spec.name).name == spec.name
    assert find_model("cox3d-m-64").published.accuracy_top1 == 71.03
    assert find_model("cox3d-m-48").published is None
    assert find_model("cox3d-m-48").counterpart == "x3d-m"
    assert find_model("cox3d-m-48").extends == "cox3d-m-16"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cox3d-m64", "did you mean cox3d-m-64?"),
        ("cox3d-m", "did you mean cox3d-m-16?"),
        ("x3dm", "did you mean x3d-m?"),
        ("cox3d-m-0", "its pool has from 1 to 9999 frames"),
        ("cox3d-m-10000", "its pool has from 1 to 9999 frames"),
        ("resnet", "no such network; choose from x3d-xs"),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(name, hint):
    with pytest.raises(UnknownModelError) as caught:
        find_model(name)
    assert hint in str(caught.value)
