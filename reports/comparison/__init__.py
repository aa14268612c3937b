"""Base and head compared: matched records in, a `Comparison` out, and from there every form of it."""
