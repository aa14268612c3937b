"""As `board_worker.py`, with an energy pass of three short blocks: a real one takes more than a minute."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    import board_zoo

    from co3d_bench.bench.measure import energy
    from co3d_bench.bench.run.boards import sensor_log
    from co3d_bench.bench.run.boards.worker import main

    energy.BLOCKS = sensor_log.BLOCKS = 1
    energy.METERS = (energy.Meter("power_w/board", False, 2.5),)
    sys.exit(main(find_model=board_zoo.find_model))
