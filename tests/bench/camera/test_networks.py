"""One network for several cameras: whose frames reach which state."""

import pytest
import torch
from small_networks import Sums

from co3d_bench.bench.backends import Ask, get_backend
from co3d_bench.bench.camera.networks import Networks
from co3d_bench.bench.camera.queue import Frame
from co3d_bench.bench.camera.streams import ONE_BY_ONE, ONE_CALL
from co3d_bench.bench.measure.accelerator import Host
from co3d_bench.bench.measure.input import random_inputs
from co3d_bench.bench.measure.passes import Subject, load
from co3d_bench.bench.record.case import CameraSetup
from co3d_bench.models.spec import ModelSpec

PICTURES = torch.randn(3, 5, 3, 2, 2, generator=torch.manual_seed(0))  # of three cameras


class Keeps(Sums):
    """The same, with its state inside."""

    keeps_state = True

    def step(self, frame, state):
        y, self.inside = super().step(frame, self.inside)
        return y, state

    def initial_state(self, batch_size=1):
        self.inside = super().initial_state(batch_size)
        return ()


def networks(build, **setup):
    spec = ModelSpec(
        name="sums",
        title="Sums",
        family="tiny",
        form="frame",
        input_shape=(3, 2, 2),
        classes=3,
        build=build,
        preprocessing=None,
    )
    loaded, inputs = load(spec), random_inputs(spec, 1, 0)
    subject = Subject(spec, loaded, get_backend("eager"), Ask(calibration=inputs.ring), inputs, Host())
    return Networks(subject, CameraSetup(fps=30, **setup))


def alone(frames):
    """The answer to the last of these frames, of a network that saw them alone."""
    return frames.mean((1, 2, 3)).sum() * torch.arange(3.0)


@pytest.mark.parametrize("build", [Sums, Keeps])
def test_each_camera_has_a_state_of_its_own_and_begins_anew(build):
    found = networks(build, streams=3)
    with torch.inference_mode():
        for _ in range(2):  # the second time from zeros again
            served = found.served(3, ONE_BY_ONE)
            for number in range(5):
                for stream in range(3):
                    served.answer([Frame(number, 0.0, PICTURES[stream, number], stream)])
                    answer = served.watchers[stream].answer[0, 0]
                    assert torch.allclose(answer, alone(PICTURES[stream, : number + 1]), atol=1e-5)


def test_one_call_has_a_row_for_each_camera():
    with torch.inference_mode():
        served = networks(Sums, streams=3).served(3, ONE_CALL)
        for number in range(5):
            served.answer([Frame(number, 0.0, PICTURES[stream, number], stream) for stream in range(3)])
        for stream in range(3):
            assert torch.allclose(served.answer.answer[stream, 0], alone(PICTURES[stream]), atol=1e-5)


@pytest.mark.parametrize("build", [Sums, Keeps])
def test_interleaved_states_each_see_every_second_frame(build):
    found = networks(build, states=2)
    with torch.inference_mode():
        served = found.served(1, ONE_BY_ONE)
        for number in range(5):
            served.answer([Frame(number, 0.0, PICTURES[0, number])])
            seen = PICTURES[0, number % 2 : number + 1 : 2]
            assert torch.allclose(served.watchers[0].answer[0, 0], alone(seen), atol=1e-5)


def test_the_memory_of_states_is_that_of_all_cameras():
    assert networks(Sums, states=2).state_bytes() == 2 * 3 * 4
    assert networks(Sums, streams=3).state_bytes(3) == 3 * 3 * 4
