"""Two sets of numbers in, a verdict out: estimates, intervals, what they allow to be said. Pure: no torch, no disk.

| file | one reason to change |
|---|---|
| `findings.py` | the form of what was found, which renderers and exit codes read |
| `rule.py` | what counts as a difference: all that a user may turn |
| `estimate.py` | how much slower, from the processes of two stores, or from the calls of one pair |
| `power.py` | what so many replicates can detect, and how many replicates a slowdown needs |
| `verdict.py` | regressed, improved, equivalent or inconclusive: of two stores, looked at once |
| `pairs.py` | the same of pairs, looked at after each of them |
| `exact.py` | figures without noise: any change counts |
"""
