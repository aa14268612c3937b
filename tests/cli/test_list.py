"""What `co3d-bench list` says of engines."""

import dataclasses

from co3d_bench.bench import backends
from co3d_bench.cli import list as listing


def test_an_engine_that_is_missing_is_listed_with_what_installs_it(monkeypatch):
    eager = backends.get_backend("eager")
    absent = dataclasses.replace(eager, name="other", missing=lambda: "no engine: pip install 'co3d-bench[other]'")
    monkeypatch.setattr(backends, "list_backends", lambda: (eager, absent))
    ready, missing = listing.backends()
    assert ready == ("eager", "PyTorch, eager (fp32, bf16, fp16, tf32): ready")
    assert missing[0] == "other"
    assert missing[1].endswith("(fp32, bf16, fp16, tf32): no engine: pip install 'co3d-bench[other]'")
