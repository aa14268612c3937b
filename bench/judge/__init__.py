"""Two sets of numbers in, a verdict out: estimates, intervals, what they allow to be said. Pure: no torch, no disk.

| file | one reason to change |
|---|---|
| `findings.py` | the form of what was found, which renderers and exit codes read |
| `rule.py` | what counts as a difference: all that a user may turn |
| `estimate.py` | how much slower, with an interval, from pairs of fresh processes or from two stores |
| `power.py` | what so many units can detect, and how many units a slowdown needs |
| `verdict.py` | regressed, improved, equivalent or inconclusive, of one case and of many at once |
| `exact.py` | figures without noise: any change counts |

Whoever measures goes this way: `detectable` and `null_pairs_each` before; `rule.min_units` pairs of each case with
the null pairs between them; `needs_second_stage`, and `rule.second_units` fresh pairs for those; then `judge_all` over
all cases at once.
"""
