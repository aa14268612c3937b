import importlib.util
import sys
from pathlib import Path

import pytest

# The tests of this folder share tiny networks with the worker script they start.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def _exported_once():
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript")):
        yield
        return
    import exports

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("co3d_bench.bench.export.onnx.make_model", exports.make_model)
        yield
