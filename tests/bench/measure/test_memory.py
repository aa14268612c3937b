import subprocess
import sys

import pytest
import torch
from torch import nn

from co3d_bench.bench.backends.eager import prepare
from co3d_bench.bench.measure.memory import held_bytes, peak_allocated_bytes, peak_transient_bytes, tensor_bytes


class Known(nn.Module):
    """Allocates 4000 bytes, then 8000, frees the first, then allocates 2000 and hands back 4."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(100))
        self.register_buffer("count", torch.zeros(10, dtype=torch.int64))

    def forward(self, x):
        a = torch.empty(1000)
        b = torch.empty(2000)
        del a
        c = torch.empty(500)
        del b, c
        return torch.empty(1)


def test_the_peak_is_exact_and_the_same_every_time():
    net, example = Known(), torch.zeros(250)
    with torch.inference_mode():
        peaks = {peak_allocated_bytes(prepare(net, example), net, example) for _ in range(3)}
    assert peaks == {100 * 4 + 10 * 8 + 250 * 4 + 4000 + 8000}


def test_what_is_freed_before_counts_only_if_it_was_there_at_the_highest_moment():
    def call():
        torch.empty(1000)
        return torch.empty(10)

    assert peak_transient_bytes(call) == 4000


@pytest.mark.parametrize("threads", [1, 2])
def test_a_real_convolution_gives_the_same_bytes_every_time(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        net = nn.Sequential(nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU()).eval()
        example = torch.randn(1, 3, 4, 32, 32)
        with torch.inference_mode():
            peaks = {peak_allocated_bytes(prepare(net, example), net, example) for _ in range(3)}
    finally:
        torch.set_num_threads(before)
    assert len(peaks) == 1
    assert peaks.pop() > 2 * 8 * 4 * 32 * 32 * 4


def test_views_hold_the_memory_behind_them():
    whole = torch.zeros(100)
    assert tensor_bytes([whole[:10]]) == 40
    assert held_bytes([whole[:10], whole[10:20]]) == 400


def test_torchs_compiler_is_not_loaded_for_it():
    code = (
        "import sys, torch; from co3d_bench.bench.measure.memory import peak_transient_bytes as peak; "
        "print(peak(lambda: torch.zeros(1000)), sorted({'torch._dynamo', 'sympy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1)[1] == "[]\n"
