"""Work whose amount is known to the letter, for the real trials of `gate_trials.py`: `array_work.py REPEATS`.

30 samples after 5 that do not count, printed as `co3d-bench check --pair` reads them. Imports nothing that takes long.
"""

import json
import sys
import time

import numpy as np


def main(repeats: int) -> None:
    generator = np.random.default_rng(0)
    left, right = generator.standard_normal((2, 96, 96), dtype=np.float32)
    many = generator.standard_normal(1 << 16, dtype=np.float32)
    latency_s = []
    for _ in range(35):
        start = time.perf_counter()
        for _ in range(repeats):
            np.matmul(left, right)
            np.multiply(many, 1.0, out=many)
        latency_s.append(time.perf_counter() - start)
    print(json.dumps({"latency_s": latency_s[5:]}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
