"""bench.toml read, and the cases of a plan."""
