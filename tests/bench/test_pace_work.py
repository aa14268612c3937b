"""The fixed pieces of work of the pace."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from co3d_bench.bench.pace_work import BLOCKS, NETWORK, pace_work


@torch.inference_mode()
def test_beside_a_cpu_it_is_the_network_of_its_name():
    """1.0 MobileNetV2 of 160 x 160 has 154 million multiply-accumulates by its authors' table (README of
    tensorflow/models, research/slim/nets/mobilenet)."""
    with FlopCounterMode(display=False) as counter:
        NETWORK.make()()
    assert counter.get_total_flops() / 2 == pytest.approx(154e6, rel=0.01)


@torch.inference_mode()
def test_a_call_leaves_nothing_behind_and_its_values_are_usual_ones():
    """Those that run away or become denormal take another time."""
    call = NETWORK.make()
    first = call()
    assert torch.equal(first, call())
    assert first.shape == (1, 1000)
    assert first.min() > 0.1
    assert first.max() < 10


def test_random_numbers_stay_the_network_s_own():
    before = torch.get_rng_state()
    NETWORK.make()
    BLOCKS.make()
    assert torch.equal(before, torch.get_rng_state())


def test_a_gpu_rests_for_less():
    assert pace_work("cpu") is NETWORK
    assert pace_work("cuda") is BLOCKS
    assert NETWORK.name != BLOCKS.name
