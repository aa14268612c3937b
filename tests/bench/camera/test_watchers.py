"""What networks are given of a camera's frames."""

import pytest
import torch

from co3d_bench.bench.backends.eager import prepare
from co3d_bench.bench.camera.queue import Frame
from co3d_bench.bench.camera.source import Captured
from co3d_bench.bench.camera.watchers import ClipWatcher, FrameWatcher, InterleavedWatcher, Stages


class Remembers:
    """A runnable that keeps what it is called with."""

    def __init__(self):
        self.inputs = []

    def step(self, x):
        self.inputs.append(x)
        return torch.zeros(1, 2)

    def synchronize(self):
        pass


def picture(number):
    return torch.full((3, 2, 2), float(number))


def as_numbers(clip):
    """The numbers of the pictures of a clip (1, C, T, H, W)."""
    return clip[0, 0, :, 0, 0].int().tolist()


def clips(every, frames, interval, last):
    runnable = Remembers()
    watcher = ClipWatcher(runnable, lambda content: content, every, frames, interval, Stages())
    given = [watcher.select(number, Captured(picture(number))) for number in range(last + 1)]
    for number, content in enumerate(each for each in given if each is not None):
        watcher(Frame(number, 0.0, content))
    return [as_numbers(clip) for clip in runnable.inputs]


def test_a_window_of_every_third_frame_ends_at_the_newest():
    found = clips(every=3, frames=4, interval=3, last=18)
    assert found[-1] == [9, 12, 15, 18]
    assert found[0] == [0, 0, 0, 0]
    assert len(found) == 7


def test_windows_overlap_where_every_frame_is_due():
    found = clips(every=1, frames=3, interval=2, last=9)
    assert found[-2:] == [[4, 6, 8], [5, 7, 9]]


def test_an_interval_that_does_not_divide_the_rate():
    found = clips(every=5, frames=3, interval=2, last=20)
    assert found[-2:] == [[11, 13, 15], [16, 18, 20]]


def test_a_dropped_frame_is_still_part_of_later_windows():
    runnable = Remembers()
    watcher = ClipWatcher(runnable, lambda content: content, 1, 3, 1, Stages())
    given = [watcher.select(number, Captured(picture(number))) for number in range(5)]
    watcher(Frame(4, 0.0, given[4]))  # 1 to 3 were dropped
    assert as_numbers(runnable.inputs[-1]) == [2, 3, 4]


def test_a_gap_of_a_frame_network_is_nothing_or_the_frame_before_it():
    for gap, expected in (("step", [0, 3, 4]), ("repeat", [0, 0, 0, 3, 4])):
        runnable = Remembers()
        watcher = FrameWatcher(runnable, lambda content: content, 1, gap, Stages())
        for number in (0, 3, 4):
            watcher(Frame(number, 0.0, picture(number)))
        assert [int(x[0, 0, 0, 0]) for x in runnable.inputs] == expected


def test_a_network_answers_as_it_does_without_a_camera():
    net = torch.nn.Conv2d(3, 5, 2).eval()
    pooled = torch.nn.Sequential(net, torch.nn.Flatten())

    class Net(torch.nn.Module):
        def step(self, frame, state):
            return pooled(frame) + state[0], (state[0] + 1,)

        def initial_state(self, batch_size):
            return (torch.zeros(batch_size, 5),)

    watcher = FrameWatcher(prepare(Net(), picture(0)[None]), lambda content: content, 1, "step", Stages())
    for number in range(3):
        watcher(Frame(number, 0.0, picture(number)))
    assert watcher.answer == (pooled(picture(2)[None]) + 2).argmax(1).tolist()


class Decays(torch.nn.Module):
    """A small frame network with a memory of all it has seen."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 5, 2)

    def step(self, frame, state):
        seen = 0.5 * state[0] + self.conv(frame).flatten(1)
        return seen[:, None], (seen,)  # three dimensions: handed over as they are

    def initial_state(self, batch_size):
        return (torch.zeros(batch_size, 5),)


def answers_to(watcher, pictures, numbers):
    """By the camera's number of a frame the answer to it; `numbers` are those that were not dropped."""
    found, due = {}, 0
    for number, content in enumerate(pictures):
        given = watcher.select(number, Captured(content))
        if given is None:
            continue
        if number in numbers:
            watcher(Frame(due, 0.0, given))
            found[number] = watcher.answer
        due += 1
    return found


@pytest.mark.parametrize("gap", ["step", "repeat"])
def test_interleaved_states_answer_each_frame_as_at_the_trained_rate(gap):
    net, k = Decays().eval(), 3
    pictures = list(torch.randn(20, 3, 2, 2, generator=torch.manual_seed(1)))
    shown = set(range(20)) - {7, 8, 13}

    def watcher(every):
        return FrameWatcher(prepare(net, pictures[0][None]), lambda content: content, every, gap, Stages())

    with torch.inference_mode():
        found = answers_to(InterleavedWatcher([watcher(1) for _ in range(k)]), pictures, shown)
        assert sorted(found) == sorted(shown)
        for phase in range(k):  # the film from that frame on, at the trained rate alone
            alone = answers_to(watcher(k), pictures[phase:], {number - phase for number in shown})
            assert [number + phase for number in alone] == [number for number in found if number % k == phase]
            assert all(torch.equal(answer, found[number + phase]) for number, answer in alone.items())
