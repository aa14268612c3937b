"""The parent: one fresh process after another, resume, progress."""
