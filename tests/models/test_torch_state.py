"""What a network's code sets in torch: put back where the case decides it, kept elsewhere, always reported."""

import os

import pytest
import torch

from co3d_bench.models.torch_state import watched


@pytest.mark.parametrize(
    ("change", "undone", "note"),
    [
        (
            lambda: torch.set_num_threads(torch.get_num_threads() + 1),
            torch.get_num_threads,
            "its code set threads to {}; measured with {}",
        ),
        (
            lambda: torch.set_default_dtype(torch.float64),
            torch.get_default_dtype,
            "its code set default dtype to torch.float64; measured with torch.float32",
        ),
        (
            lambda: torch.set_default_device("meta"),
            torch.get_default_device,
            "its code set default device to meta; measured with cpu",
        ),
        (
            lambda: torch.set_float32_matmul_precision("high"),
            torch.get_float32_matmul_precision,
            "its code set float32 matmul precision to high; measured with highest",
        ),
        (
            lambda: torch.set_autocast_enabled("cpu", True),
            lambda: torch.is_autocast_enabled("cpu"),
            "its code set autocast on the CPU to True; measured with False",
        ),
        (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled, None),
    ],
    ids=["threads", "dtype", "device", "precision", "autocast", "gradients"],
)
def test_what_a_case_decides_is_put_back(change, undone, note):
    before, notes = undone(), {}
    with watched(notes):
        change()
        now = undone()
    assert undone() == before != now
    assert list(notes.values()) == ([note.format(now, before)] if note else [])


def test_the_choice_of_kernels_stays_and_is_reported():
    notes = {}
    try:
        with watched(notes):
            torch.use_deterministic_algorithms(True)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert list(notes.values()) == ["its code set deterministic algorithms to True, from False; measured so"]


def test_settings_are_put_back_where_the_code_fails():
    def fail():
        torch.set_default_dtype(torch.float64)
        raise OSError("no weights")

    with pytest.raises(OSError, match="no weights"), watched({}):
        fail()
    assert torch.get_default_dtype() == torch.float32


def test_variables_that_torch_has_read_already_are_reported(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notes = {}
    with watched(notes):
        os.environ["OMP_NUM_THREADS"] = "7"
        os.environ["WANDB_MODE"] = "off"
    monkeypatch.delenv("WANDB_MODE")
    assert list(notes.values()) == ["its code set OMP_NUM_THREADS=7 after torch was loaded, which may have no effect"]
