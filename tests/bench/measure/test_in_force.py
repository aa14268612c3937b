"""The threads of a case hold, whatever the network's code sets."""

import torch

from co3d_bench.bench.measure import in_force


def test_threads_that_were_changed_are_set_again(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    in_force.hold_threads(2)
    in_force.hold_threads(1)
    assert asked == [2]


def test_inter_op_threads_that_the_network_has_set_stay(monkeypatch):
    def refuse(threads):
        raise RuntimeError("Error: cannot set number of interop threads after parallel work has started")

    monkeypatch.setattr(torch, "set_num_interop_threads", refuse)
    in_force.limit_inter_op()


def test_samples_that_were_taken_with_other_threads_have_a_note():
    assert in_force.note_of(2, 2) == ()
    assert in_force.note_of(1, 2) == (
        "its code sets torch's threads to 1 while it predicts: the samples were not taken with 2",
    )


def test_weights_that_are_not_float32_have_a_note():
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    assert in_force.weights_notes(net) == ()
    net[1].double()
    assert in_force.weights_notes(net) == ("it has weights of torch.float64, which are used as they are",)
