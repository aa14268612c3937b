"""A container with an arbitrary user id: no HOME, and no line in /etc/passwd. Asked without changing any user, and where
`setpriv` may change it also with a real run of a small network by such a user."""

import contextlib
import io
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path


def nobody(_):
    raise KeyError("getpwuid(): uid not found")


for name in ("HOME", "CO3D_BENCH_CACHE", "XDG_CACHE_HOME"):
    os.environ.pop(name, None)
pwd.getpwuid = nobody
from co3d_bench.cli.main import main  # noqa: E402

wrong = []
sys.argv = ["co3d-bench", "weights", "list"]
said = io.StringIO()
try:
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        main()
except SystemExit as end:
    print("weights list ended with", end.code, said.getvalue().strip().splitlines()[-1:])
except Exception as error:  # noqa: BLE001
    wrong.append(f"weights list: a traceback, {type(error).__name__}: {error}")
    traceback.print_exc()


def run_by_nobody(folder):
    """What a real run says; None where no user can be changed. It may read everything: the interpreter may be root's."""
    uid, caps = "54321", "-all,+dac_read_search"
    change = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"]
    change += ["--inh-caps", caps, "--ambient-caps", caps, "--bounding-set", caps]
    if os.geteuid() != 0 or shutil.which("setpriv") is None or subprocess.run([*change, "true"]).returncode:
        return None
    (folder / "net.py").write_text(
        "import torch\n\n\ndef net():\n    layers = torch.nn.Conv3d(3, 4, 3), torch.nn.AdaptiveAvgPool3d(1)\n"
        "    return torch.nn.Sequential(*layers, torch.nn.Flatten()), torch.zeros(1, 3, 4, 8, 8)\n"
    )
    (folder / "bench.toml").write_text(
        '[run]\nruns = 3\nprocesses = 1\nmin_s = 0\nenergy = false\n\n[plan]\nmodels = ["net.py:net"]\n'
    )
    os.chown(folder, int(uid), int(uid))
    unset = ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "CO3D_BENCH_CACHE")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    command = [*change, sys.executable, "-m", "co3d_bench", "run", "--threads", "1"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    print("a run by user", uid, "ended with", done.returncode, done.stdout.strip().splitlines()[-1:])
    return done


with tempfile.TemporaryDirectory() as folder:
    done = run_by_nobody(Path(folder))
if done is not None and done.returncode:
    wrong.append(f"a run: exit code {done.returncode}, {(done.stdout + done.stderr).strip().splitlines()[-1:]}")
print("FAIL " + "; ".join(wrong) if wrong else "PASS a folder is found, or one line says what to set")
