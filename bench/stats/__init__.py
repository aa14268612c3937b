"""Everything that is derived from records."""
