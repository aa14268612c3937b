"""The worker, with the tiny networks for a zoo: `python tiny_worker.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    import tiny_zoo

    from co3d_bench.bench.measure.worker import main

    sys.exit(main(find_model=tiny_zoo.find_model))
