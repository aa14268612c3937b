"""Two sets of numbers compared: estimates, intervals, verdicts. Pure: no torch, no disk.

| file | one reason to change |
|---|---|
| `findings.py` | the result of a comparison, which renderers and exit codes read |
| `rule.py` | what counts as a difference, with everything a user can set |
| `estimate.py` | how much slower, from the processes of two stores, or from the calls of one pair |
| `power.py` | what so many replicates can detect, and how many replicates a slowdown needs |
| `verdict.py` | regressed, improved, equivalent or inconclusive: of two stores, analysed once |
| `pairs.py` | the same of pairs, analysed after each pair |
| `exact.py` | figures without noise: any change counts |
"""
