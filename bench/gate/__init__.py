"""`check --pair`: two versions of the code, measured in interleaved fresh processes until a verdict can be given.

| file | one reason to change |
|---|---|
| `choose.py` | what the two words after `--pair` name |
| `code.py` | two commits checked out, with their own packages if they differ |
| `submodules.py` | their submodules, from what the user's checkout has |
| `proof.py` | how the processes of a version are started, and the proof that they ran their own code |
| `runners.py`, `command.py` | one process of base or head, and its latencies; a command from start to end |
| `interleave.py` | two processes of which one computes at a time |
| `schedule.py` | which pair is measured next (pure) |
| `measure.py`, `journal.py` | pair after pair; what was measured, on the disk |
| `check.py`, `exit_code.py` | a whole check; its exit code |
| `baseline.py` | `check --baseline` without a store of the head |
"""
