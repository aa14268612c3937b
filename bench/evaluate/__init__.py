"""Accuracy, measured: films with labels, one answer a film, by the same artefact that is timed."""
