"""Weights of other projects: where the public ones are, how they are fetched, read, renamed and loaded. See README.md.

    from co3d_bench.models.weights.load import load_weights

Only `formats` and what reads files imports torch, so that `weights list` and `weights fetch` start at once.
"""
