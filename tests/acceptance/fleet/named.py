"""`python named.py FILE ARGUMENTS`: co3d-bench, which writes the CPU seconds of its threads by name into FILE.

The kernel counts a thread's time, and Python alone knows its name: dask's own work is done in its event loop's thread.
"""

import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

PERIOD_S = 2.0
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def seconds(thread: int) -> float:
    """CPU time of a thread of ours."""
    fields = Path(f"/proc/self/task/{thread}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def keep(file: Path) -> None:
    known: dict[tuple[str, int], float] = {}
    while True:
        for thread in threading.enumerate():
            if thread.native_id:
                try:
                    known[thread.name, thread.native_id] = seconds(thread.native_id)
                except OSError:  # it has just ended
                    continue
        found: defaultdict[str, float] = defaultdict(float)
        for (name, _), cpu_s in known.items():
            found[name.rstrip("-0123456789")] += cpu_s
        new = file.with_suffix(".new")
        new.write_text(json.dumps(found))
        new.replace(file)
        time.sleep(PERIOD_S)


if __name__ == "__main__":
    from co3d_bench.cli.main import main

    threading.Thread(target=keep, args=[Path(sys.argv[1])], name="names", daemon=True).start()
    del sys.argv[1]
    sys.argv[0] = "co3d-bench"
    sys.exit(main())
