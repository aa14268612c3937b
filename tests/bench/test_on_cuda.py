"""On a real CUDA card: `python -m pytest -m cuda -o addopts=--import-mode=importlib tests/bench/test_on_cuda.py`.

Neither CI nor `make test` has one. Needs torch and the wheels of `tests/speed/cuda_table.py --wheels`, no more.
"""

import pytest
import torch
from small_networks import clip_network

from co3d_bench.bench.backends import Ask, get_backend
from co3d_bench.bench.measure.verify import compare
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.bench.run.run import run
from co3d_bench.models import continual as co

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason=f"torch {torch.__version__} sees no CUDA device"),
]
ENGINES = ("eager", "fused", "cudagraph")
FORMS = {"clip": clip_network, "frames": lambda: co.convert(clip_network(), pool_frames=6)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_answers_as_the_eager_network_on_the_cpu(engine, precision, form):
    net, backend = FORMS[form]().eval(), get_backend(engine)
    example = torch.randn(2, *((3, 4, 16, 16) if form == "clip" else (3, 16, 16)))
    with torch.inference_mode():
        runnable = backend.prepare(net, example, Ask(precision, device="cuda"))
        found = compare(runnable, net, example, backend.tolerance[precision], budget_s=0.5)
    assert found.passed, found


@pytest.mark.parametrize("engine", ENGINES)
def test_a_whole_case_has_the_time_on_the_device_its_memory_and_its_sensors(engine, tmp_path):
    plan = {"models": ["cox3d-s-13"], "devices": ["auto"], "backends": [engine]}
    (record,) = run(make_config({"run": {"out": str(tmp_path), "processes": 1, "runs": 15}, "plan": plan}))
    assert record.error is None
    assert record.verification
    assert record.verification.passed
    assert record.cuda
    assert record.cuda.memory
    assert record.cuda.memory.peak_allocated_bytes
    assert record.sensors
    assert record.energy
    assert record.energy.busy or record.energy.reason
