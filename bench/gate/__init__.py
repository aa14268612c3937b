"""`check --pair`: two versions of the code, measured in interleaved fresh processes until a verdict can be given.

| file | one reason to change |
|---|---|
| `choose.py` | what the two words after `--pair` are |
| `code.py` | two commits on the disk, with packages of their own if need be |
| `proof.py` | how the processes of a version are started, and what proves that they ran their own code |
| `sides.py`, `whole.py` | what one process of a side runs and gives; a command from start to end |
| `in_turn.py` | two processes of which one computes at a time |
| `schedule.py` | which pair is measured next (pure) |
| `measure.py`, `journal.py` | pair after pair; what was measured, durably |
| `check.py`, `ending.py` | the whole of it; the exit code |
| `baseline.py` | `check --baseline` without a store of the head |
"""
