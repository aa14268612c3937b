"""What `convert` proves, and that nothing leaves it that is another network: each kind in a few variants."""

from __future__ import annotations

import random
import re
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune

from co3d_bench.models import continual as co
from co3d_bench.models.continual.conversion.dispatch import converted
from co3d_bench.models.continual.conversion.flow import Context
from co3d_bench.models.continual.conversion.layout import clip_flow
from co3d_bench.models.continual.conversion.proof import Claim, noted_proofs, proof_of, proven_before

SHAPE = (3, 6, 8, 8)


class Calls(nn.Module):
    """A network whose `forward` is one line."""

    def __init__(self, line):
        super().__init__()
        torch.manual_seed(0)
        self.line = line
        self.a, self.b, self.wide = nn.Conv3d(3, 8, 3), nn.Conv3d(3, 8, 3), nn.Conv3d(3, 8, 3, padding=1)
        self.pool, self.fc, self.gate = nn.AdaptiveAvgPool3d(1), nn.Linear(8, 5), nn.Linear(8, 8)
        self.before = None
        self.eval()

    def forward(self, x):
        return self.line(self, x)


def chain(change=lambda net: None):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 5)).eval()
    change(net)
    return net


def convert(net, **options):
    return co.convert(net, input_shape=SHAPE, **options)


def answer_of_steps(frame_net, clip):
    with torch.no_grad():
        state = frame_net.initial_state(1)
        for frame in clip.unbind(2):
            scores, state = frame_net.step(frame, state)
    return scores


def test_what_converts_says_how_it_was_proven_and_leaves_all_as_it_was():
    net = chain().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    generators = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    with pytest.warns(UserWarning, match=r"in training mode.*call \.eval\(\)") as caught:
        frame_net = convert(nn.Sequential(net, nn.Dropout()))
    assert caught[0].filename == __file__
    assert frame_net.conversion.proof.startswith("proven: answers as the module does on clips of 3 x 6 x 8 x 8")
    assert frame_net.conversion.differences == ()
    assert all(layer.training for layer in net.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert random.getstate() == generators[1]
    assert (np.random.get_state()[1] == generators[2]).all()
    assert str(convert(chain(), prove=False).conversion) == "not proven: turned off (prove=False)"


@pytest.mark.filterwarnings("ignore:convert")
def test_a_branch_for_training_is_not_taken():
    def line(self, x):
        y = self.wide(x)[:, :] if self.training else self.a(x)
        return self.fc(F.dropout(y, 0.5, self.training).mean((2, 3, 4)))

    net = Calls(line).train()
    frame_net = convert(net).eval()
    clip = torch.randn(1, *SHAPE)
    with torch.no_grad():
        assert torch.allclose(answer_of_steps(frame_net, clip), net.eval()(clip), atol=1e-5)


RIGHT = {
    "product of two pooled streams": lambda self, x: self.fc(self.a(x).mean((2, 3, 4)) * self.b(x).mean((2, 3, 4))),
    "product of two spellings": lambda self, x: self.fc(
        self.a(x).mean((3, 4)).mean(2) * self.pool(self.b(x)).flatten(1)
    ),
    "product with a fixed window": lambda self, x: self.fc(
        F.avg_pool3d(self.a(x), (4, 6, 6)).flatten(1) * self.b(x).mean((2, 3, 4))
    ),
    "gated vector": lambda self, x: (lambda y: self.fc(y * torch.sigmoid(self.gate(y))))(self.a(x).mean((2, 3, 4))),
    "square": lambda self, x: (lambda y: self.fc(y * y))(self.a(x).mean((2, 3, 4))),
    "one pool for both": lambda self, x: self.fc((self.pool(self.a(x)) * self.pool(self.b(x))).flatten(1)),
    "written into its clip": lambda self, x: self.fc(self.a(x.mul_(2)).mean((2, 3, 4))),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_network_without_padding_and_attention_answers_as_the_module(name):
    net = Calls(RIGHT[name])
    frame_net = convert(net)
    clip = torch.randn(1, *SHAPE) * torch.linspace(0.2, 3, SHAPE[1]).view(1, 1, -1, 1, 1)
    assert frame_net.conversion.differences == ()
    with torch.no_grad():
        assert torch.allclose(answer_of_steps(frame_net, clip), net(clip.clone()), atol=1e-5)


DIFFERENCES = {
    "attention: pool: over the current frame": lambda self, x: (
        lambda y: self.fc((y * self.pool(y).sigmoid_()).mean((2, 3, 4)))
    )(self.a(x)),
    "padding: the regular network pads time with zeros, 1 frame at": lambda self, x: self.fc(
        self.wide(x).mean((2, 3, 4))
    ),
    "averages inside the network: pool": lambda self, x: (lambda y: self.fc((y + self.pool(y)).mean((2, 3, 4))))(
        self.a(x)
    ),
}


@pytest.mark.parametrize("words", DIFFERENCES)
def test_what_is_meant_to_differ_is_said(words):
    conversion = convert(Calls(DIFFERENCES[words])).conversion
    assert conversion.proof.startswith("proven: ")
    (said,) = conversion.differences
    assert said.startswith(words)


class Standardised(nn.Conv3d):
    """A convolution that changes its weight where its class's `forward` is kept."""

    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, weight / weight.std(), bias)


class OwnCopy(nn.Sequential):
    def __deepcopy__(self, memo):
        return self


def hooked(register, hook):
    return lambda: chain(lambda net: getattr(net[0], register)(hook))


def changed(change):
    return lambda: chain(change)


def said(line):
    return lambda: Calls(line)


def computed(net):
    weight = net[0].weight
    del net[0]._parameters["weight"]
    net[0].weight = weight * 2


def two_in_one_memory(net):
    net.append(nn.Linear(5, 5))
    net.append(nn.Linear(5, 5))
    net[6].weight.data = net[5].weight.data


def remembering(self, x):
    y = self.a(x).mean((2, 3, 4))
    z = y if self.before is None else y + self.before
    self.before = y
    return self.fc(z)


OWN = random.Random(0)
REFUSED = {
    r"0 \(Conv3d\) at \S+test_proof.py:\d+: not supported yet: has a forward hook": hooked(
        "register_forward_hook", lambda layer, args, output: output * 3
    ),
    r"0 \(Conv3d\) at \S+: not supported yet: has a forward pre-hook": hooked(
        "register_forward_pre_hook", lambda layer, args: (args[0] * 2,)
    ),
    r"0 .*: its weight is computed by spectral norm.*remove_spectral_norm\(layer\)": changed(
        lambda net: nn.utils.spectral_norm(net[0])
    ),
    r"0 .*: its weight is computed by weight norm.*remove_weight_norm\(layer\)": changed(
        lambda net: nn.utils.weight_norm(net[0])
    ),
    r"4 .*: its bias is computed by pruning.*prune.remove\(layer, 'bias'\)": changed(
        lambda net: prune.random_unstructured(net[4], "bias", 0.5)
    ),
    r"0 .*: its weight is computed by a parametrization.*remove_parametrizations": changed(
        lambda net: parametrizations.spectral_norm(net[0])
    ),
    r"0 \(Standardised\) at \S+: not supported yet: computes something different": changed(
        lambda net: net.__setitem__(0, Standardised(3, 8, 3))
    ),
    r"0 \(Conv3d\).*: its weight was computed from other tensors": changed(computed),
    r"Sequential: not supported yet: its lock cannot be copied": changed(
        lambda net: setattr(net, "lock", threading.Lock())
    ),
    r"the network: not supported yet: cannot be copied: its __deepcopy__": lambda: OwnCopy(*chain()),
    r"5.weight and 6.weight: not supported yet: are two parameters in the same memory": changed(two_in_one_memory),
    r"the network: not supported yet: its layers are on several devices \(cpu, meta\)": changed(
        lambda net: net[4].to("meta")
    ),
    r"the network: not supported yet: answers a random clip of 3 x 6 x 8 x 8 with nan": changed(
        lambda net: nn.init.constant_(net[0].bias, torch.nan)
    ),
    r"0 \(LazyConv3d\): not supported yet: has no weights yet": changed(
        lambda net: net.__setitem__(0, nn.LazyConv3d(8, 3))
    ),
    r"input_shape: the network itself fails on a clip": changed(lambda net: net[4].double()),
    r"has no frame form: its forward draws random numbers \(random\)": said(
        lambda self, x: self.fc((self.a(x) if random.random() < 2 else x).mean((2, 3, 4)))
    ),
    r"has no frame form: draws random numbers \(torch\)": said(
        lambda self, x: self.fc(F.dropout(self.a(x)).mean((2, 3, 4)))
    ),
    r"has no frame form: answers the same clip differently": said(
        lambda self, x: self.fc(self.a(x).mean((2, 3, 4))) * OWN.random()
    ),
    r"has no frame form: answers the same clip differently after": said(remembering),
    r"computes something different": said(
        lambda self, x: self.fc((self.a if isinstance(x, torch.Tensor) else self.b)(x).mean((2, 3, 4)))
    ),
    r"wraps a network; convert its \.module": lambda: nn.DataParallel(chain()),
    r"is compiled by TorchScript": lambda: torch.jit.script(chain()),
    r"is a frame network already": lambda: convert(chain(), prove=False),
    r"int: is no torch.nn.Module": lambda: 3,
}


@pytest.mark.parametrize("message", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_what_would_become_another_network_is_refused(message):
    with pytest.raises(co.ConversionError, match=message):
        convert(REFUSED[message]())


def test_global_hooks_are_refused():
    handle = nn.modules.module.register_module_forward_hook(lambda layer, args, output: None)
    try:
        with pytest.raises(co.ConversionError, match=r"the network at \S+: not supported yet: a global forward hook"):
            convert(chain())
    finally:
        handle.remove()


@pytest.mark.parametrize("shape", [(3, 6, 8), (3, 0, 8, 8), (3, 6, 8.0, 8), "clip", (4, 6, 8, 8), (3, 2, 8, 8)])
def test_a_shape_that_is_none_of_its_clips_is_refused(shape):
    with pytest.raises(co.ConversionError, match="input_shape"):
        co.convert(chain(), input_shape=shape)


def test_all_refusals_come_at_once_each_with_its_line():
    net = Calls(
        lambda self, x: self.fc(
            torch.cumsum(self.norm(self.a(x)), 2).mean((2, 3, 4))
            + self.late(self.b(x).mean((3, 4)).transpose(1, 2))[0].mean(1)
        )
    )
    net.norm, net.late = nn.GroupNorm(2, 8), nn.LSTM(8, 8, batch_first=True)
    with pytest.raises(co.ConversionError) as caught:
        convert(net)
    norm, cumsum, lstm = caught.value.refusals
    assert str(caught.value) == "; ".join((norm, cumsum, lstm))
    place = r"at \S*test_proof\.py:\d+"
    assert re.match(rf"norm \(GroupNorm\) {place}: has no frame form: ", norm)
    assert re.match(rf"Calls: cumsum {place}: has no frame form: ", cumsum)
    assert re.match(rf"late \(LSTM\) {place}: has no frame form: ", lstm)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_proven(dtype):
    frame_net = convert(chain().to(dtype))
    assert frame_net.conversion.proof.startswith("proven: ")
    assert {parameter.dtype for parameter in frame_net.parameters()} == {dtype}


def test_tied_weights_stay_tied():
    net = nn.Sequential(nn.Conv3d(3, 3, 3, padding=1), nn.Conv3d(3, 3, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten()).eval()
    net[1].weight = net[0].weight
    blocks = convert(net).blocks
    assert blocks.get_parameter("1.weight") is blocks.get_parameter("0.weight")


def claim(net, other=None):
    """That the frame form of `other` is `net`."""
    shape = clip_flow(SHAPE, 3)
    frame_net = co.FrameNetwork(converted(other or net, shape, Context(converted), "")[0])
    clip_form, after = converted(other or net, clip_flow(SHAPE, 3, regular=True), Context(converted), "")
    return Claim(net, clip_form, after.axes, frame_net, exact=True)


def test_a_proof_fails_where_a_layer_that_new_weights_hide_was_left_out():
    hidden = nn.BatchNorm3d(8).eval()  # a new one does nothing in eval mode
    with_norm = nn.Sequential(nn.Conv3d(3, 8, 3), hidden, nn.AdaptiveAvgPool3d(1), nn.Flatten()).eval()
    without = nn.Sequential(with_norm[0], nn.Identity(), *with_norm[2:])
    with pytest.raises(co.ConversionError, match="computes something different"):
        proof_of(claim(with_norm, without), SHAPE)


def test_steps_that_differ_from_their_clips_are_found():
    broken = claim(chain())
    layer = broken.net.blocks[0]
    step = layer.step
    layer.step = lambda frame, state: (step(frame, state)[0], state)  # it forgets
    with pytest.raises(co.ConversionError, match="the frame form: its steps are"):
        proof_of(broken, SHAPE)


class Slow:
    """A clock on which each step takes that long."""

    def __init__(self, seconds):
        self.now, self.seconds = 0.0, seconds

    def __call__(self):
        self.now += self.seconds
        return self.now


def test_a_proof_that_would_take_too_long_is_run_on_smaller_pictures_or_left_out_and_says_so():
    net = nn.Sequential(nn.Conv3d(3, 4, (3, 1, 1)), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    assert proof_of(claim(net), SHAPE, Slow(60)) == "not proven: it would take longer than 10 s"
    steps = []

    def clock():  # quick from the second size on
        steps.append(0.0 if len(steps) < 10 else steps[-1])
        return 60.0 * len(steps) if len(steps) <= 10 else 600.0

    assert "on clips of 3 x 6 x 32 x 32 " in proof_of(claim(net), (3, 6, 64, 64), clock)


def test_a_proof_of_the_same_code_is_not_run_again():
    wrong = Calls(lambda self, x: self.fc((self.a if isinstance(x, torch.Tensor) else self.b)(x).mean((2, 3, 4))))
    with noted_proofs() as proofs, proven_before("proven: before"):
        assert convert(wrong).conversion.proof == "proven: before"
    assert proofs == ["proven: before"]
    with pytest.raises(co.ConversionError):
        convert(wrong)


def test_what_rounding_makes_of_a_right_form_is_no_difference():
    net = Calls(lambda self, x: self.fc(torch.sin(self.a(x) * 1e6).mean((2, 3, 4))))
    _, steps = convert(net).conversion.proof.split("; ")
    assert float(re.search(r"relative difference (\S+)\)", steps)[1]) < 1e-9
