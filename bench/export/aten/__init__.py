"""A network as a list of calls that torch 1.10 understands, and what runs it there. README.md here says more."""
