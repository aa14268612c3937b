"""Steps as external engines trace them, translated to the calls of a profile; see README.md."""
