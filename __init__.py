"""co3d-bench: which video network to deploy on a small machine, in numbers one can trust."""

__version__ = "0.1.0"
