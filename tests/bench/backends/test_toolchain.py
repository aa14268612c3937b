"""What torch's compiler needs, and what it says where it cannot: one line, with the cause and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from co3d_bench.bench.backends import Ask, get_backend, toolchain
from co3d_bench.bench.errors import UserError

BACKENDS = ["compile", "export"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_a_compiler_it_is_missing_and_says_how_to_install_one(monkeypatch, tmp_path, backend):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert get_backend(backend).missing() == (
        "no C++ compiler (g++): apt install g++, or name one in the environment variable CXX"
    )
    with pytest.raises(UserError, match="apt install"):
        get_backend(backend).prepare(nn.Linear(2, 2), torch.randn(1, 2), Ask())


def test_a_compiler_named_in_the_environment_is_asked_for(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "(no-such-compiler)" in str(toolchain.missing(headers=False))


def test_headers_are_asked_for_only_where_they_are_needed(monkeypatch, tmp_path):
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: name)
    monkeypatch.setattr(toolchain.sysconfig, "get_path", lambda name: str(tmp_path))
    assert "python3-dev" in str(toolchain.missing(headers=True))
    assert toolchain.missing(headers=False) is None


@pytest.mark.parametrize("before", [None, "/somewhere"])
def test_what_is_compiled_lies_in_a_folder_of_its_own(monkeypatch, before):
    monkeypatch.delenv(toolchain._CACHE, raising=False)
    if before:
        monkeypatch.setenv(toolchain._CACHE, before)
    with toolchain.empty_cache() as folder:
        assert os.environ[toolchain._CACHE] == str(folder)
        assert list(Path(folder).iterdir()) == []
    assert not Path(folder).exists()
    assert os.environ.get(toolchain._CACHE) == before


class Branches(nn.Module):
    """Looks at its input's values to decide what to do."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x):
        if x.sum() > 0:
            return self.linear(x)
        return x


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_breaks_the_graph_is_named(backend):
    with torch.inference_mode(), pytest.raises(UserError) as caught:
        get_backend(backend).prepare(Branches(), torch.randn(1, 2), Ask())
    message = str(caught.value)
    assert message.startswith(f"{backend}: cannot take Branches as one graph: ")
    assert "\n" not in message
    assert "test_toolchain.py" in message
    assert "another backend" in message
