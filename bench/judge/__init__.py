"""Two sets of numbers in, a verdict out: estimates, intervals, and what they allow to be said. Pure; no torch, no disk."""
