"""Our own engine for a CPU: a network as a table of calls, and the kernels that they call. README.md says more."""
