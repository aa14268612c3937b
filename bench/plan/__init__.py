"""bench.toml, and the plan of cases made from it."""
