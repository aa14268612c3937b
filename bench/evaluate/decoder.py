"""A process that decodes: `python -m co3d_bench.bench.evaluate.decoder FD`. Films in, their frames out (`films.py`)."""

import os
import sys
from contextlib import suppress
from multiprocessing.connection import Connection


def main(descriptor: int) -> int:
    """Answer each film on this pipe until its other end is closed. The first message is what is shown, and by what."""
    import torch

    torch.set_num_threads(1)
    os.nice(19)  # a thread of the network that waits for its core holds up the others, so decoding takes what is left
    with Connection(descriptor) as pipe, suppress(EOFError, OSError):
        sampling, show = pipe.recv()
        while True:
            pipe.send(show(pipe.recv(), sampling))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
