"""The measuring process: load, warm up, sample, verify, count, energy, the search for a batch."""
