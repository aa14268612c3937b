"""A server whose processes do what their standard input says: `python warm_server.py SOCKET`."""

import os
import signal
import sys
import time
from pathlib import Path

from co3d_bench.bench.fleet.warm import serve


def work():
    what = sys.stdin.readline().strip()
    print(os.environ.get("WORD"), Path.cwd(), flush=True)
    print("to stderr", file=sys.stderr)
    if what == "dies":
        os.kill(os.getpid(), signal.SIGABRT)
    if what == "stays":
        print(os.getpid(), flush=True)
        time.sleep(60)
    if what == "raises":
        raise ValueError("of its own")
    return 7


if __name__ == "__main__":
    serve(sys.argv[1], work)
