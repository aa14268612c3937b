"""How the measuring process ends."""

import subprocess
import sys

LEAVES = """
import atexit, threading, time
from types import SimpleNamespace
from co3d_bench.bench.measure.worker import leave
atexit.register(print, "what was registered")
threading.Thread(target=time.sleep, args=(60,)).start()
print("what was printed", end=", ")
leave(SimpleNamespace(own=None))
"""

OPEN = """
import sys
from types import SimpleNamespace
from co3d_bench.bench.measure.worker import leave
log = open("log", "w")
log.write("its last line")
sys.exit(leave(SimpleNamespace(own="network.py:factory")))
"""


def test_it_leaves_at_once_but_not_before_what_others_registered():
    done = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "what was printed, what was registered\n")


def test_files_that_a_custom_network_left_open_are_written_to_the_end(tmp_path):
    done = subprocess.run([sys.executable, "-c", OPEN], cwd=tmp_path, timeout=30, check=False)
    assert (done.returncode, (tmp_path / "log").read_text()) == (0, "its last line")
