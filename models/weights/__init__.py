"""Weights of other projects: where the public ones are, how they are fetched, read, renamed and loaded. See README.md.

    net = co3d_bench.model("x3d-m", weights="auto")

Only `formats` and what reads files imports torch, so that `weights list` and `weights fetch` start at once.
"""
