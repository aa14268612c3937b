"""Known tensors, written in each project's form, come back in the network; what does not fit is reported."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from co3d_bench.models import continual as co
from co3d_bench.models.spec import ModelSpec
from co3d_bench.models.weights.convert import convert
from co3d_bench.models.weights.errors import WeightsError
from co3d_bench.models.weights.load import load_weights
from co3d_bench.models.zoo import find_model

from . import foreign

FIRST_NORM = "blocks.1.res_blocks.0.branch1_norm"


pytestmark = pytest.mark.usefixtures("no_grad")


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


@pytest.mark.parametrize("name", ["x3d-xs", "cox3d-s-13"])
def test_the_head_is_built_for_the_classes_of_the_file(tmp_path, name):
    names = foreign.pyslowfast("x3d-xs") | {"head.projection.weight": (600, 2048), "head.projection.bias": (600,)}
    net, spec = built(name)
    report = load_weights(net, spec, torch_file(tmp_path / "k600.pyth", names))
    assert report.classes == 600
    assert report.notes == ("built for the 600 classes of k600.pyth, instead of 400",)
    if spec.form == "clip":
        assert net(torch.zeros(1, 3, 4, 32, 32)).shape == (1, 600)
    else:
        frame = torch.zeros(1, 3, 32, 32)
        assert net.step(frame, net.initial_state(frame=frame))[0].shape == (1, 600)
    assert values(net, ["blocks.5.proj.bias"]) == [list(names).index("head.projection.bias")]


class OwnHead(nn.Module):
    """With a classifier of a kind whose weight `convert` keeps in its shape."""

    def __init__(self, head, classes):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool3d((2, 1, 1))
        self.head = nn.Linear(8, classes) if head is nn.Linear else head(4, classes, 1)

    def forward(self, x):
        y = self.pool(self.conv(x))
        return self.head(y.flatten(1)) if isinstance(self.head, nn.Linear) else self.head(y.mean(2)).flatten(1)


@pytest.mark.parametrize("head", [nn.Linear, nn.Conv2d])
def test_the_head_of_a_converted_network_is_built_for_the_classes_of_the_file(tmp_path, head):
    net = co.convert(OwnHead(head, 5).eval(), input_shape=(3, 2, 6, 6))
    spec = ModelSpec("own", "own", "own", "frame", (3, 6, 6), 5, build=lambda: net, preprocessing=None)
    trained = OwnHead(head, 7).eval()
    torch.save(trained.state_dict(), tmp_path / "seven.pt")
    assert load_weights(net, spec, tmp_path / "seven.pt").classes == 7
    right = co.convert(trained, input_shape=(3, 2, 6, 6))
    clip = torch.randn(1, 3, 4, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(net(clip), right(clip))


def test_a_layer_inside_of_another_width_is_not_taken_for_a_head(tmp_path):
    def change(names):
        names["blocks.5.pool.pre_norm.weight"] = (600,)

    assert "1 of another shape (blocks.5.pool.pre_norm.weight is 600, not 432)" in misfit(tmp_path, change)


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


def small():
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))


class Wrapper(torch.nn.Module):
    def __init__(self, name="model"):
        super().__init__()
        self.add_module(name, small())


def state(net):
    return {name: torch.full_like(tensor, 3) for name, tensor in net.state_dict().items()}


def behind(prefix, names):
    return {f"{prefix}{name}": tensor for name, tensor in names.items()}


def loaded(tmp_path, net, content):
    spec = replace(find_model("x3d-xs"), name="mine", family="mine", classes=2)
    path = tmp_path / "w.ckpt"
    torch.save(content, path)
    report = load_weights(net, spec, path)
    kept = [tensor for name, tensor in net.state_dict().items() if not name.endswith("tracked")]
    assert all((tensor == 3).all() for tensor in kept)
    return report


ADAM = {"state": {0: {"exp_avg": torch.zeros(4, 3)}}, "param_groups": [{"lr": 0.1}]}
SMALL = state(small())
# What files of other projects look like: (network, content, notes).
LAYOUTS = {
    "its own names begin with model.": (Wrapper, state(Wrapper()), 0),
    "a network that wraps the one in the file": (Wrapper, SMALL, 0),
    "compiled": (small, behind("_orig_mod.", SMALL), 0),
    "compiled inside": (Wrapper, behind("model._orig_mod.", SMALL), 0),
    "a compiled network and a plain file": (lambda: torch.compile(small(), backend="eager"), SMALL, 0),
    "DDP": (small, behind("module.", SMALL), 0),
    "nested": (small, {"state_dict": {"model": behind("module.net.", SMALL)}}, 0),
    "Lightning": (
        small,
        {
            "state_dict": behind("model.", SMALL) | {"loss.weight": torch.ones(2)},
            "hyper_parameters": {"lr": 0.1},
            "optimizer_states": [ADAM],
        },
        1,
    ),
    "averaged by torch": (
        small,
        torch.optim.swa_utils.AveragedModel(small()).state_dict() | behind("module.", SMALL),
        1,
    ),
    "averaged beside": (small, {"model_ema": state(small()), "model": SMALL, "optimizer": ADAM}, 1),
    "averaged in the same dict": (
        small,
        {"state_dict": SMALL | {f"ema_{name.replace('.', '_')}": tensor for name, tensor in state(small()).items()}},
        1,
    ),
    "averaged alone": (small, {"ema_state_dict": SMALL, "epoch": 3}, 0),
    "MMAction2": (lambda: Wrapper("backbone"), {"meta": {"epoch": 3}, "state_dict": behind("backbone.", SMALL)}, 0),
    "a backbone and a head": (
        small,
        {"state_dict": behind("backbone.", SMALL) | {"cls_head.fc_cls.weight": torch.ones(2, 4)}},
        1,
    ),
    "a dict for each part": (
        lambda: torch.nn.ModuleDict({"encoder": small(), "head": small()}),
        {"encoder": state(small()), "head": SMALL, "optimizer": ADAM},
        0,
    ),
    "with counts of batches": (
        lambda: torch.nn.Linear(3, 2),
        {**state(torch.nn.Linear(3, 2)), "n.num_batches_tracked": torch.tensor(1)},
        0,
    ),
    "half": (small, {name: tensor.half() for name, tensor in SMALL.items()}, 1),
    "bfloat16": (small, {name: tensor.bfloat16() for name, tensor in SMALL.items()}, 1),
    "double": (small, {name: tensor.double() for name, tensor in SMALL.items()}, 0),
}


@pytest.mark.parametrize(("made", "content", "notes"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_files_as_people_have_them(tmp_path, made, content, notes):
    assert len(loaded(tmp_path, made(), content).notes) == notes


def test_a_network_that_was_built_in_inference_mode(tmp_path):
    with torch.inference_mode():
        net = small()
    assert loaded(tmp_path, net, SMALL).tensors == 9
    net = small()
    loaded(tmp_path, net, SMALL)
    with torch.enable_grad():
        net(torch.ones(2, 3)).sum().backward()  # any other one can be trained as before
    assert net[2].weight.grad is not None


def test_notes_say_what_was_taken_and_what_was_left(tmp_path):
    (note,) = loaded(tmp_path, small(), LAYOUTS["Lightning"][1]).notes
    assert note == ("w.ckpt: only 9 tensors below state_dict.model are the network's; left: state_dict.loss.weight")
    (note,) = loaded(tmp_path, small(), LAYOUTS["averaged beside"][1]).notes
    assert note == "w.ckpt: read from model; model_ema would fit as well"
    (note,) = loaded(tmp_path, small(), LAYOUTS["half"][1]).notes
    assert note == "w.ckpt: its numbers are float16, and so are rounded"


def test_a_network_takes_names_that_another_project_has_too(tmp_path):
    """torchvision's names become ours for our R(2+1)D; in a network of torchvision they are its own."""
    block = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(3, 2))))
    net = torch.nn.ModuleDict({"layer1": torch.nn.Sequential(torch.nn.ModuleDict({"conv1": block}))})
    assert "layer1.0.conv1.0.0.0.weight" in net.state_dict()
    assert loaded(tmp_path, net, state(net)).naming == "its own names"


def test_half_a_classifier_for_other_classes_is_not_taken_for_one(tmp_path):
    net = small()
    with pytest.raises(WeightsError, match=r"1 of another shape \(2\.weight is 7 x 4, not 2 x 4\); 8 fit"):
        loaded(tmp_path, net, {**SMALL, "2.weight": torch.ones(7, 4)})
    assert net[2].out_features == 2


def test_integers_are_not_taken_for_weights(tmp_path):
    with pytest.raises(WeightsError, match=r"0\.weight is 4 x 3 of int8, not 4 x 3"):
        loaded(tmp_path, small(), {**SMALL, "0.weight": torch.ones(4, 3, dtype=torch.int8)})


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_network_is_loaded_in_its_factory(tmp_path):
    net = torch.ao.quantization.quantize_dynamic(small(), {torch.nn.Linear})
    with pytest.raises(WeightsError, match=r"mine: it keeps quantised weights .*; load the file in its factory"):
        loaded(tmp_path, net, SMALL)


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


class WithExtraState(torch.nn.Linear):
    def get_extra_state(self):
        return {"scale": 1.0}

    def set_extra_state(self, state):
        pass


def test_converted_weights_are_parameters_and_buffers_alone(tmp_path):
    build = partial(torch.nn.Sequential, WithExtraState(3, 2))
    spec = replace(find_model("x3d-xs"), name="mine", family="mine", classes=2, build=build)
    torch.save(build().state_dict(), tmp_path / "w.pt")
    assert convert(tmp_path / "w.pt", tmp_path / "ours.pth", spec).tensors == 2
    assert list(torch.load(tmp_path / "ours.pth", weights_only=True)) == ["0.weight", "0.bias"]


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
