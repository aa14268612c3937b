import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from co3d_bench.cli.main import main

# The verbs are tried on the tiny networks of bench's tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """The command line in this process, since a fresh one spends its time on imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # which `main` replaces

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["co3d-bench", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=ended.value.code, stdout=out, stderr=err)

    return call
