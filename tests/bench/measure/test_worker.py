"""How the measuring process ends."""

import subprocess
import sys

LEAVES = """
import atexit, threading, time
from co3d_bench.bench.measure.worker import leave
atexit.register(print, "what was registered")
threading.Thread(target=time.sleep, args=(60,)).start()
print("what was printed", end=", ")
leave(3)
"""


def test_it_leaves_at_once_but_not_before_what_others_registered():
    done = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (3, "what was printed, what was registered\n")
