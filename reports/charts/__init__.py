"""The plots: one file a kind. Records in, Vega-Lite specifications (dicts) out; see README.md of this room."""
