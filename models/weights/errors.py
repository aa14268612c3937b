"""What goes wrong with weights, in one line for people."""

from __future__ import annotations


class WeightsError(Exception):
    """Weights that cannot be found, fetched, read or loaded. The message says what happened, where, and what to do."""


class UnknownWeightsError(WeightsError):
    """No public checkpoint has that name; the message lists those that exist."""


class NoCacheError(WeightsError):
    """There is no folder to keep files in; the message says what to set."""
