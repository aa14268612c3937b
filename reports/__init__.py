"""Records in; tables, charts and pages out."""
