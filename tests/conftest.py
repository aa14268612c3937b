import os

# Threads of an engine wait for each other at every operator, by default spinning; beside other work that makes a step
# a hundred times slower. Tests do not measure speed: let threads that wait give their core away soon. The engine
# reads this when it is loaded, so it stands before any import of torch.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
