"""`check --pair`: two versions of the code, measured in interleaved fresh processes until a verdict can be given."""
