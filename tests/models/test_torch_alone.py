"""The networks need torch and nothing else. `tests/acceptance/test_wheel.py` says so of environments that are bare."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("torch_alone.py")


def test_networks_are_built_run_and_converted_where_torch_is_all_there_is(tmp_path):
    done = subprocess.run([sys.executable, SCRIPT, "--hide"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "proven: answers as the module does" in done.stdout


def test_what_the_script_hides_cannot_be_imported(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); from torch_alone import Hide, of_others\n"
    code += "sys.meta_path[:] = [Hide(tuple(sys.meta_path))]\n"
    for name in ("numpy", "pandas", "pydantic", "co3d_bench.bench", "co3d_bench.devices"):
        code += f"assert of_others({name!r})\ntry:\n    import {name}\nexcept ModuleNotFoundError: pass\n"
        code += f"else: raise SystemExit('{name} was imported')\n"
    code += "import co3d_bench.models.zoo"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
