"""`check --pair`: two versions of the code, measured in turn in fresh processes, until a verdict can be given."""
