"""Records in; tables, charts and pages out. Nothing here measures, and only `commands.py` touches the disk."""
