"""A network as a list of calls that torch 1.10 understands, and its runner. README.md here explains both."""
