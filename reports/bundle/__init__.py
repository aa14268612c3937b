"""A store as one file that can be sent, and checked by whoever gets it."""
