"""Two sets of numbers in, a verdict out: estimates, intervals, what they allow to be said. Pure: no torch, no disk."""
