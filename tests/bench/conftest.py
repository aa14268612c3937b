import sys
from pathlib import Path

# The tests of this folder share tiny networks with the worker script they start.
sys.path.insert(0, str(Path(__file__).parent))
