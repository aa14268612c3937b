"""Where the time of one prediction goes: operator profiles, and what a machine does at best."""
