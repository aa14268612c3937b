"""A container with an arbitrary user id: no HOME, and no line in /etc/passwd. Asked without changing any user."""

import contextlib
import io
import os
import pwd
import sys
import traceback


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
print("FAIL " + "; ".join(wrong) if wrong else "PASS a folder is found, or one line says what to set")
