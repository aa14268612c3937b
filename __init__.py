"""co3d-bench: which video network to deploy on a small machine, in numbers one can trust.

From Python: `co3d_bench.model("cox3d-m-64", weights="auto")` is a network, ready to predict.
`co3d_bench.load("results")` gives every record of a store as a pandas table, and `co3d_bench.query(sql, "results")`
asks it in SQL. `co3d_bench.stateful(net, step="forward_step", reset="reset")` is for files of one's own: a network that
keeps its state inside, as one that is measured frame by frame.
"""

# What is imported here is found before `python -m co3d_bench` can leave the current folder out, so nothing is.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "1.0.0"

# name -> the module that has it: looked up when it is used, so that importing the package costs nothing
_LAZY = {
    "load": "bench.stats.frame",
    "model": "models.model",
    "query": "bench.stats.query",
    "stateful": "models.stateful",
}


def __getattr__(name: str) -> "Any":
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
