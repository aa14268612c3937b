"""The process of a case on a board, with the small networks for a zoo: `python board_worker.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    import board_zoo

    from co3d_bench.bench.run.boards.worker import main

    sys.exit(main(find_model=board_zoo.find_model))
