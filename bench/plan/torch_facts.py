"""The torch that would measure, asked in a process of its own: importing it takes seconds, and may fail.

`python -m co3d_bench.bench.plan.torch_facts` prints it as a line of JSON.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict

from ...devices.doctor import TorchFacts
from ...devices.own_path import python_command

TIMEOUT_S = 120.0


def ask_torch() -> TorchFacts:
    """Its facts, or why there are none; never raises."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, no shell
            python_command("-m", "co3d_bench.bench.plan.torch_facts"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        table = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return TorchFacts(reason=f"importing torch took more than {TIMEOUT_S:g} s")
    except (OSError, ValueError) as error:
        return TorchFacts(reason=f"torch did not answer: {error}")
    return TorchFacts(**{**table, "architectures": tuple(table["architectures"])})


def read_torch() -> TorchFacts:
    """The facts of the torch of this process."""
    try:
        import torch
    except Exception as error:  # noqa: BLE001 - a broken build raises anything
        return TorchFacts(reason=f"torch cannot be imported: {error}")
    available = torch.cuda.is_available()
    return TorchFacts(
        version=torch.__version__,
        cuda=torch.version.cuda,
        cuda_available=available,
        architectures=tuple(torch.cuda.get_arch_list()) if available else (),
        cudnn=str(torch.backends.cudnn.version()) if available else None,
        cudnn_benchmark=torch.backends.cudnn.benchmark,
        cudnn_tf32=torch.backends.cudnn.allow_tf32,
        matmul_tf32=bool(torch.backends.cuda.matmul.allow_tf32),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(read_torch())))  # noqa: T201 - its parent reads it
