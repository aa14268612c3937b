"""The format of what was measured, and its only reader and writer."""
