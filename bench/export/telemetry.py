"""Engines that report their use to their makers: imported with that switched off.

Their import would also write an identity into the home folder, and OpenVINO's fails where there is none.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import Any

# ONNX Runtime's own switches: of 1.32, and of the releases after it (microsoft/onnxruntime, #27379 and #29843).
OFF = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}


def import_engine(module: str) -> Any:
    """That module of ONNX Runtime or OpenVINO. Raises ImportError if it is not installed."""
    os.environ.update(OFF)
    sys.modules.setdefault("openvino_telemetry", ModuleType("openvino_telemetry"))  # empty: OpenVINO does without then
    return importlib.import_module(module)
