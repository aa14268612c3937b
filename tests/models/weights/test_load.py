"""Known tensors, written in each project's form, come back in the network; what does not fit is reported."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from co3d_bench.models.weights.convert import convert
from co3d_bench.models.weights.errors import WeightsError
from co3d_bench.models.weights.load import load_weights
from co3d_bench.models.zoo import find_model

from . import foreign

FIRST_NORM = "blocks.1.res_blocks.0.branch1_norm"


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def built(name="x3d-xs"):
    torch.manual_seed(0)
    spec = find_model(name)
    return spec.build().eval(), spec


def torch_file(path, names, **more):
    torch.save({"model_state": foreign.filled(names), **more}, path)
    return path


def caffe2_file(path, names, trimmed=False):
    blobs = {}
    for number, (name, shape) in enumerate(names.items()):
        while trimmed and shape[-1:] == (1,):
            shape = shape[:-1]
        blobs[name] = np.full(shape, number, dtype="f4")
    beside = {"lr": np.float32(0.1), "model_iter": np.zeros(1), "conv1_w_momentum": np.zeros(3)}
    path.write_bytes(pickle.dumps({"blobs": {**blobs, **beside}}, 2))
    return path


def values(net, names):
    """The one number that each of those parameters is full of."""
    state = net.state_dict()
    for name in names:
        assert state[name].min() == state[name].max(), name
    return [state[name].flatten()[0].item() for name in names]


def test_pytorchvideos_x3d_has_no_first_norm_and_so_has_ours_then(tmp_path):
    names = foreign.pytorchvideo("x3d-m", first_norm=False)
    path = torch_file(tmp_path / "X3D_M.pyth", names)
    net, spec = built("x3d-m")
    report = load_weights(net, spec, path)
    assert values(net, names) == list(range(len(names)))
    assert report.left_out == (FIRST_NORM,)
    assert report.naming == "PyTorchVideo"
    assert sum(parameter.numel() for parameter in net.parameters()) == 3_794_274
    assert net(torch.zeros(1, 3, 16, 32, 32)).shape == (1, 400)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert report.text == f"X3D_M.pyth sha256:{sha256[:12]}"


def test_pyslowfasts_x3d(tmp_path):
    ours, theirs = foreign.pytorchvideo("x3d-xs"), foreign.pyslowfast("x3d-xs")
    path = torch_file(tmp_path / "x3d_xs.pyth", theirs, epoch=300, cfg="X3D: ...")
    net, spec = built("x3d-xs")
    report = load_weights(net, spec, path)
    assert values(net, ours) == list(range(len(ours)))
    assert (report.left_out, report.naming, report.tensors) == ((), "PySlowFast X3D", len(theirs))


@pytest.mark.parametrize("trimmed", [False, True], ids=["whole shapes", "without trailing ones"])
def test_caffe2s_x3d(tmp_path, trimmed):
    ours = [name for name in foreign.pytorchvideo("x3d-xs") if not name.endswith("tracked")]
    path = caffe2_file(tmp_path / "x3d_xs.pkl", foreign.caffe2("x3d-xs"), trimmed)
    net, spec = built("x3d-xs")
    report = load_weights(net, spec, path)
    assert values(net, ours) == list(range(len(ours)))
    assert (report.format, report.naming) == ("Caffe2 pickle", "Caffe2 X3D")


def test_a_frame_network_takes_the_weights_of_its_counterpart(tmp_path):
    clip, _ = built("x3d-s")
    path = tmp_path / "s.pth"
    torch.save(clip.state_dict(), path)
    torch.manual_seed(1)
    frame_spec = find_model("cox3d-s-13")
    frame = frame_spec.build().eval()
    load_weights(frame, frame_spec, path)
    assert frame.state_dict().keys() == clip.state_dict().keys()
    assert all(torch.equal(frame.state_dict()[name], tensor) for name, tensor in clip.state_dict().items())


def test_a_frame_network_without_the_first_norm_steps(tmp_path):
    path = torch_file(tmp_path / "X3D_S.pyth", foreign.pytorchvideo("x3d-s", first_norm=False))
    net, spec = built("cox3d-s-13")
    assert load_weights(net, spec, path).left_out == (FIRST_NORM,)
    frame = torch.zeros(1, 3, 32, 32)
    scores, _ = net.step(frame, net.initial_state(frame=frame))
    assert scores.shape == (1, 400)


def misfit(tmp_path, change, name="x3d-xs"):
    names = dict(foreign.pytorchvideo(name))
    change(names)
    net, spec = built(name)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    path = torch_file(tmp_path / "w.pyth", names)
    with pytest.raises(WeightsError) as caught:
        load_weights(net, spec, path)
    assert net.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items()), "half loaded"
    text = str(caught.value)
    assert text.startswith(f"{path} does not fit {name}: ")
    assert len(text.splitlines()) == 1
    return text


def test_missing_extra_and_misshapen_are_reported_together(tmp_path):
    def change(names):
        for entry in ("weight", "bias", "running_mean", "running_var"):
            del names[f"blocks.0.norm.{entry}"]
        del names["blocks.5.proj.bias"]
        names["blocks.9.weight"] = (3,)
        names["blocks.0.conv.conv_t.weight"] = (24, 4, 1, 3, 3)

    text = misfit(tmp_path, change)
    assert "5 missing (blocks.0.norm.weight, blocks.0.norm.bias, blocks.0.norm.running_mean, and 2 more)" in text
    assert "1 that the network does not have (blocks.9.weight)" in text
    assert "1 of another shape (blocks.0.conv.conv_t.weight is 24 x 4 x 1 x 3 x 3, not 24 x 3 x 1 x 3 x 3)" in text


def test_a_classifier_of_other_classes_is_called_so(tmp_path):
    def change(names):
        names["blocks.5.proj.weight"] = (600, 2048)
        names["blocks.5.proj.bias"] = (600,)

    text = misfit(tmp_path, change)
    assert "its classifier has 600 classes and the network 400, 2 of another shape (blocks.5.proj.weight is" in text


def test_half_of_a_norm_that_may_be_left_out_is_not_left_out(tmp_path):
    text = misfit(tmp_path, lambda names: names.pop(f"{FIRST_NORM}.weight"))
    assert f"1 missing ({FIRST_NORM}.weight)" in text


def test_the_weights_of_another_network(tmp_path):
    net, spec = built("x3d-xs")
    path = torch_file(tmp_path / "r2plus1d.pth", foreign.torchvision_r2plus1d())
    with pytest.raises(WeightsError, match="none of its 224 names is in the network"):
        load_weights(net, spec, path)
    deeper = torch_file(tmp_path / "l.pyth", foreign.pyslowfast("x3d-l"))
    with pytest.raises(WeightsError, match=r"that the network does not have \(s2\.pathway0_res3\.branch2\.a\.weight"):
        load_weights(net, spec, deeper)


def test_a_file_is_checked_by_the_hash_beside_it(tmp_path):
    names = foreign.pytorchvideo("x3d-xs")
    path = torch_file(tmp_path / "w.pyth", names)
    net, spec = built()
    note = tmp_path / "w.pyth.sha256"
    note.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  w.pyth\n")
    load_weights(net, spec, path)
    note.write_text(f"{'0' * 64}  w.pyth\n")
    with pytest.raises(WeightsError, match=r"its sha256 is .*, and w\.pyth\.sha256 beside it has 0{64}"):
        load_weights(net, spec, path)


def test_a_network_of_ones_own_takes_its_own_names(tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 2))
    spec = replace(find_model("x3d-xs"), name="mine", family="mine", classes=2)
    path = tmp_path / "mine.pth"
    torch.save({"0.weight": torch.ones(2, 3), "0.bias": torch.ones(2)}, path)
    assert load_weights(net, spec, path).naming == "its own names"
    assert net(torch.ones(3)).tolist() == [4.0, 4.0]


def test_converted_weights_are_the_same_in_our_names(tmp_path):
    source = caffe2_file(tmp_path / "x3d_xs.pkl", foreign.caffe2("x3d-xs"))
    target = tmp_path / "ours.pth"
    spec = find_model("x3d-xs")
    convert(source, target, spec)
    plain = torch.load(target, weights_only=True)
    assert list(plain) == list(spec.build().state_dict())
    assert all(tensor.is_contiguous() for tensor in plain.values())
    from_theirs, from_ours = built()[0], built()[0]
    load_weights(from_theirs, spec, source)
    assert load_weights(from_ours, spec, target).naming == "PyTorchVideo"
    clip = torch.rand(1, 3, 4, 32, 32)
    assert torch.equal(from_theirs(clip), from_ours(clip))


def test_converted_weights_may_lack_the_first_norm(tmp_path):
    source = torch_file(tmp_path / "X3D_XS.pyth", foreign.pytorchvideo("x3d-xs", first_norm=False))
    spec = find_model("x3d-xs")
    assert convert(source, tmp_path / "ours.pth", spec).left_out == (FIRST_NORM,)
    net, _ = built()
    assert load_weights(net, spec, tmp_path / "ours.pth").left_out == (FIRST_NORM,)


def test_convert_overwrites_nothing_and_leaves_nothing_half(tmp_path):
    source = torch_file(tmp_path / "x3d_xs.pyth", foreign.pyslowfast("x3d-xs"))
    spec = find_model("x3d-xs")
    with pytest.raises(WeightsError, match="exists already"):
        convert(source, source, spec)
    with pytest.raises(WeightsError, match="no such folder"):
        convert(source, tmp_path / "none" / "ours.pth", spec)
    with pytest.raises(WeightsError, match="cannot be written"):
        convert(source, tmp_path / ("a" * 300), spec)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x3d_xs.pyth"]
