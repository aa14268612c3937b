import sys
from pathlib import Path

# The verbs are tried on the tiny networks of bench's tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
