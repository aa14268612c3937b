"""Two sides compared, and shown: matched records in, a `Comparison` out, and from there every form of it."""
