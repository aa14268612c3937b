"""Engines that run a network: one file each, found by name."""
