"""The engine `native` on boards, up to where something is sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.run.boards.native import make_request


class FFT(nn.Module):
    def forward(self, x):
        return torch.fft.rfft2(x).abs()


def test_every_case_of_a_network_without_a_kernel_says_so_and_leaves_nothing(tmp_path):
    job: Any = SimpleNamespace(case=SimpleNamespace(model="own", batch=1))
    spec: Any = SimpleNamespace(name="own")
    for _ in range(2):
        with pytest.raises(UserError, match="no kernel for fft_rfft2"):
            make_request(job, spec, FFT().eval(), torch.zeros(1, 3, 8, 8), tmp_path)
    assert not list(tmp_path.iterdir())
