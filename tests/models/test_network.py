"""What a frame network takes and refuses, whatever its layers are."""

from __future__ import annotations

import pytest
import torch

from co3d_bench.models import continual as co

pytestmark = pytest.mark.usefixtures("no_grad")


def small() -> co.FrameNetwork:
    """Its first layer keeps the frames themselves."""
    return co.FrameNetwork(co.Sequential(co.Conv3d(2, 4, (3, 1, 1)), co.SpatialMean()), (2, 4, 4))


def test_no_state_holds_the_callers_frame():
    net = small()
    frame = torch.randn(1, 2, 4, 4).contiguous(memory_format=torch.channels_last)
    states = net.initial_state(fill="replicate", frame=frame), net.step(frame, net.initial_state())[1]
    held = [[tensor.clone() for tensor in state] for state in states]
    frame.zero_()  # a camera writes the next frame there
    for state, before in zip(states, held, strict=True):
        assert all(map(torch.equal, state, before))


@pytest.mark.parametrize("verb", ["step", "steps"])
@pytest.mark.parametrize("change", [lambda state: state[:1], lambda state: (*state, state[0]), lambda state: ()])
def test_a_state_of_another_number_of_tensors_is_refused(verb, change):
    net = small()
    state = change(net.initial_state())
    shape = (1, 2, 4, 4) if verb == "step" else (1, 2, 5, 4, 4)
    with pytest.raises(ValueError, match=rf"expected a state of 2 tensors, got {len(state)}; `initial_state` makes"):
        getattr(net, verb)(torch.zeros(shape), state)


def test_a_first_frame_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"expected a frame of shape \(B, 2, H, W\), got \(1, 2, 3, 4, 4\)"):
        small().initial_state(fill="replicate", frame=torch.zeros(1, 2, 3, 4, 4))


def test_a_network_without_parameters_has_a_state():
    net = co.FrameNetwork(co.Sequential(co.Pool3d("avg", (3, 4, 4))), (2, 4, 4))
    (buffer,) = net.initial_state(2)
    assert (tuple(buffer.shape), buffer.dtype) == ((2, 2, 2, 1, 1), torch.float32)
