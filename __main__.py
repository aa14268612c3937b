"""`python -m co3d_bench` is `co3d-bench`."""

from .bench.cli import main

main()
