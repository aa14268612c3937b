import os
import sys
from pathlib import Path

# The tests of this folder share tiny networks with the worker script they start.
sys.path.insert(0, str(Path(__file__).parent))

# Beside another busy process the threads of an engine wait for each other at every operator, by default spinning so
# long that a step takes a hundred times its time. Tests do not measure speed; let them give the core away soon.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
